package engine

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"h2ws/hpack"
)

// exchange is one request that Server.HTTP serves and the response to it, between the goroutine of the handler and
// the loop: what one has for the other waits here.
//
//	0 <= body.len() <= Limits.StreamWindow
//	pending == the octets of output, and of what was taken of it and is not yet framed
//
// What waits is in the account of memory; what was taken is there as its segment.
type exchange struct {
	service *service
	stream  *stream
	slots   *atomic.Int32 // of the connection: one is taken until the handler has returned and the stream is lost
	request hpack.Request
	remote  netip.AddrPort
	tls     *tls.ConnectionState // nil: cleartext
	ctx     context.Context
	cancel  context.CancelCauseFunc

	fieldsMax int // of the response, as RFC 9113 §6.5.2 counts

	mu      sync.Mutex
	changed sync.Cond // the handler may go on
	state   exchangeState
	lost    error // why the stream is gone; nil: it is not
	told    bool  // look is going to be called
	wish    wish

	body     bodyBuffer
	bodyErr  error // behind body: io.EOF, or why there is no more
	left     int64 // octets of the body that are still accepted
	consumed int   // octets read since the loop was told
	expects  bool  // the peer waits for 100 (Continue)

	output  []output
	pending int
	begun   bool // the fields of the response were in output
}

// exchangeState is how far the handler is.
type exchangeState uint8

const (
	exchangeServing exchangeState = iota
	exchangeDone                  // the response is complete
	exchangeAborted               // it never will be
)

// wish is what a handler wants of the loop besides that it sends.
type wish struct {
	credit   bool          // a good part of the body was read
	deadline bool          // timeout is how long the request may take from now on
	timeout  time.Duration // or never
}

// output is a part of a response.
type output struct {
	kind  segmentKind // segmentFields or segmentBody
	b     []byte
	final bool // the fields of the response itself, not of a 1xx or trailers
}

// outputMax is the most octets of a body that are taken at once: a DATA frame is filled.
const outputMax = 16 << 10

// newExchange begins to serve a request that was admitted. The loop.
func (v *service) newExchange(s *stream, q *hpack.Request) *exchange {
	x := &exchange{
		service: v,
		stream:  s,
		slots:   &s.conn.plain.serving,
		request: *q,
		remote:  s.conn.remote,
		tls:     s.conn.tlsState(),

		fieldsMax: s.conn.plain.fieldsMax,
		left:      v.limits.RequestSize,
	}
	x.request.Fields = slices.Clone(q.Fields)
	x.ctx, x.cancel = context.WithCancelCause(context.Background())
	x.changed.L = &x.mu
	x.slots.Add(1)
	if s.state == stateHalfClosedRemote {
		x.recvEnd()
	}
	return x
}

// recv takes octets of the body, which are borrowed. The loop.
func (x *exchange) recv(p []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.bodyErr != nil {
		return
	}
	if int64(len(p)) > x.left {
		p = p[:x.left]
		x.bodyErr = &http.MaxBytesError{Limit: x.service.limits.RequestSize}
	}
	x.left -= int64(len(p))
	x.body.write(p)
	held.Add(int64(len(p)))
	x.changed.Broadcast()
}

// recvEnd says that the body is complete. The loop.
func (x *exchange) recvEnd() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.bodyErr == nil {
		x.bodyErr = io.EOF
	}
	x.changed.Broadcast()
}

// window is how large the receive window may be, of at most size octets. The loop.
func (x *exchange) window(size int32) int32 {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.bodyErr != nil {
		return 0
	}
	return size - int32(x.body.len())
}

// look returns what the handler wants. The loop.
func (x *exchange) look() wish {
	x.mu.Lock()
	defer x.mu.Unlock()
	w := x.wish
	x.wish, x.told = wish{}, false
	return w
}

// take returns what is to be sent next, if anything is, and, if that is the last of it, how the response ends. The loop.
func (x *exchange) take() (o output, end exchangeState) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.output) > 0 {
		o, x.output[0] = x.output[0], output{}
		x.output = x.output[1:]
		held.Add(-int64(len(o.b)))
	}
	if len(x.output) > 0 {
		return o, exchangeServing
	}
	return o, x.state
}

// sent says that n octets that were taken are framed. The loop.
func (x *exchange) sent(n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.pending -= n
	if x.pending <= x.service.limits.ResponseBuffer/2 {
		x.changed.Broadcast()
	}
}

// lose ends the exchange with its stream: nobody waits for the response any more. The loop. Only the first
// call for an exchange means something.
func (x *exchange) lose(err error) {
	x.mu.Lock()
	if x.lost == nil {
		x.lost = err
		x.dropBody(err)
		for _, o := range x.output {
			held.Add(-int64(len(o.b)))
		}
		x.output = nil
		if x.state != exchangeServing {
			x.slots.Add(-1)
		}
	}
	x.changed.Broadcast()
	x.mu.Unlock()
	x.cancel(err)
}

// dropBody lets go of a body that nobody will read.
func (x *exchange) dropBody(err error) {
	held.Add(-int64(x.body.len()))
	x.body, x.bodyErr = bodyBuffer{}, err
}

// send gives the loop fields of the response, or octets of its body, which are copied. It waits until there is room
// for all of them. The handler.
func (x *exchange) send(o output) error {
	for rest := o.b; len(rest) > 0; {
		x.mu.Lock()
		for x.lost == nil && x.full() {
			x.changed.Wait()
		}
		if err := x.closed(); err != nil {
			x.mu.Unlock()
			return err
		}
		for len(rest) > 0 && !x.full() {
			n := len(rest)
			if o.kind == segmentBody {
				n = min(n, outputMax)
			}
			o.b, rest = rest[:n], rest[n:]
			x.push(o)
		}
		x.unlockAndTell()
	}
	return nil
}

func (x *exchange) full() bool { return x.pending >= x.service.limits.ResponseBuffer }

// closed returns why nothing can be sent any more, or nil.
func (x *exchange) closed() error {
	if x.lost == nil && x.state != exchangeServing {
		return errReturned
	}
	return x.lost
}

// push puts o behind the output, under the lock. Small parts of a body become one.
func (x *exchange) push(o output) {
	x.begun = x.begun || o.final
	x.pending += len(o.b)
	held.Add(int64(len(o.b)))
	if n := len(x.output); n > 0 && o.kind == segmentBody && x.output[n-1].kind == segmentBody &&
		len(x.output[n-1].b)+len(o.b) <= outputMax {
		x.output[n-1].b = append(x.output[n-1].b, o.b...)
		return
	}
	o.b = slices.Clone(o.b)
	x.output = append(x.output, o)
}

// finish ends the response with a few last parts, without waiting. The handler.
func (x *exchange) finish(last ...output) {
	x.mu.Lock()
	x.leave(exchangeDone)
	for _, o := range last {
		if x.lost == nil && len(o.b) > 0 {
			x.push(o)
		}
	}
	x.unlockAndTell()
	x.cancel(context.Canceled)
}

// abort ends an exchange that is not finished: behind what was sent comes RST_STREAM. The handler.
func (x *exchange) abort() {
	x.mu.Lock()
	if x.state != exchangeServing {
		x.mu.Unlock()
		return
	}
	x.leave(exchangeAborted)
	x.unlockAndTell()
	x.cancel(context.Canceled)
}

// leave is the end of the handler, under the lock.
func (x *exchange) leave(to exchangeState) {
	x.state = to
	x.service.running.Add(-1)
	if x.lost != nil {
		x.slots.Add(-1)
		return
	}
	x.dropBody(http.ErrBodyReadAfterClose)
}

// setTimeout changes how long the request may take from now on. The handler.
func (x *exchange) setTimeout(d time.Duration) error {
	x.mu.Lock()
	if err := x.closed(); err != nil {
		x.mu.Unlock()
		return err
	}
	x.wish.deadline, x.wish.timeout = true, d
	x.unlockAndTell()
	return nil
}

// unlockAndTell ends a critical section that leaves something for the loop to look at.
func (x *exchange) unlockAndTell() {
	tell := !x.told && x.lost == nil
	x.told = x.told || tell
	x.mu.Unlock()
	if tell {
		x.stream.core().box.wish(x.stream, postAttend)
	}
}
