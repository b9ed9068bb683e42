package engine

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	xhpack "golang.org/x/net/http2/hpack"

	"h2ws/engine/frame"
)

// TestServingSim has handlers and a client do what a seed says, and models what either knows: octets arrive in order
// and complete, windows are kept, and the accounts of memory and of slots are right after every step.
//
//	go test ./engine -run TestServingSim -sim.seed=N
func TestServingSim(t *testing.T) {
	first, n := uint64(1), uint64(300)
	switch {
	case *simSeed != 0:
		first, n = *simSeed, 1
	case *simSeeds != 0:
		n = *simSeeds
	}
	for seed := first; seed < first+n && !t.Failed(); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := newServingSim(t, seed)
			for s.step = range 400 {
				s.act()
				s.check()
			}
			s.heal()
		})
	}
}

// servingSim is one run: the server, its client, and the handlers.
type servingSim struct {
	*served
	r       *rand.Rand
	step    int
	streams []*servingStream
	next    uint32

	sendWindow int // of the connection, as the client knows it
	recvWindow int
	initial    int // INITIAL_WINDOW_SIZE of the client
	dec        *xhpack.Decoder
}

// servingStream is a request, as the client and the handler know it.
type servingStream struct {
	id      uint32
	x       *exchange // nil: it was refused
	w       *responseWriter
	window  int // for the client to send
	granted int // to the server, without INITIAL_WINDOW_SIZE
	length  int // content-length, or -1

	sent, read int // octets of the body
	sentEnd    bool
	readEnd    bool // the handler has read io.EOF or an error
	wrote, got int  // octets of the response
	finished   bool // by the handler
	aborted    bool // by the handler
	status     string
	ended      bool // END_STREAM, or RST_STREAM from either side
	complete   bool // END_STREAM
	cancelled  bool // by the client
}

// octet is what is at an offset of every body.
func octet(id uint32, i int) byte { return byte(int(id)*31 + i*7 + i>>8) }

func octets(id uint32, from, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = octet(id, from+i)
	}
	return b
}

func newServingSim(t *testing.T, seed uint64) *servingSim {
	s := &servingSim{r: rand.New(rand.NewPCG(seed, 2)), next: 1, sendWindow: 65535, recvWindow: 65535, initial: 65535, dec: xhpack.NewDecoder(0, nil)}
	s.served = openServed(t, Limits{
		RequestsConn:   pick(s.r, 2, 8, 100),
		Requests:       pick(s.r, 5, 100),
		RequestSize:    pick[int64](s.r, 20_000, -1),
		ResponseBuffer: pick(s.r, 1000, 5000, 64<<10),
		RequestTimeout: pick(s.r, -1, 2*time.Second),
		PingInterval:   -1,
	})
	s.sendWindow += int(s.core.limits.ConnWindow) - 65535
	s.room = pick(s.r, -1, 0)
	return s
}

func (s *servingSim) act() {
	var k *servingStream
	if n := len(s.streams); n > 0 {
		k = s.streams[max(0, n-1-s.r.IntN(12))]
	}
	switch n := s.r.IntN(100); {
	case n < 8 || k == nil:
		s.open()
	case n < 50:
		s.handlerActs(k)
	case n < 75:
		s.clientActs(k)
	case n < 80:
		s.recvWindow += s.grant(0, 1+s.r.IntN(100_000))
	case n < 82:
		s.initial = pick(s.r, 0, 1, 1000, 65535)
		s.send(fmt.Sprintf("SETTINGS INITIAL_WINDOW_SIZE=%d", s.initial))
	case n < 96:
		s.room = pick(s.r, -1, 0, 10, 1000, 50_000)
		s.conn.touch()
		s.settle()
	default:
		s.later(time.Duration(s.r.Int64N(int64(300 * time.Millisecond))))
	}
	s.hear()
}

func (s *servingSim) grant(id uint32, n int) int {
	s.send(fmt.Sprintf("WINDOW_UPDATE %d increment=%d", id, n))
	return n
}

func (s *servingSim) open() {
	k := &servingStream{id: s.next, window: 65535, length: -1}
	s.next += 2
	s.streams = append(s.streams, k)
	words := strings.Replace(postWords, "POST", pick(s.r, "POST", "GET", "HEAD"), 1)
	if s.r.IntN(3) == 0 {
		k.length = s.r.IntN(40_000)
		words += fmt.Sprintf(" {content-length: %d}", k.length)
	}
	flags := "END_HEADERS"
	if k.length <= 0 && s.r.IntN(2) == 0 {
		k.sentEnd = true
		flags += "|END_STREAM"
	}
	n := len(s.exchanges)
	s.say(fmt.Sprintf("HEADERS %d %s %s", k.id, flags, words))
	if len(s.exchanges) > n {
		k.x, k.w = s.exchanges[n], s.writer(n)
	}
}

func (s *servingSim) clientActs(k *servingStream) {
	switch n := s.r.IntN(20); {
	case k.ended:
	case n == 0:
		k.ended, k.cancelled = true, true
		s.send(fmt.Sprintf("RST_STREAM %d CANCEL", k.id))
	case n < 6:
		n := 1 + s.r.IntN(30_000)
		k.granted += n
		s.grant(k.id, n)
	case !k.sentEnd:
		s.sendBody(k)
	}
}

// sendBody sends some of the body, with padding or without, as far as both windows go.
func (s *servingSim) sendBody(k *servingStream) {
	pad := pick(s.r, 0, 0, 1, 200)
	n := min(s.r.IntN(9000), k.window-pad, s.sendWindow-pad)
	if k.length >= 0 {
		n = min(n, k.length-k.sent)
	}
	if n < 0 {
		return
	}
	flags := frame.Flags(0)
	if (k.length < 0 && s.r.IntN(10) == 0) || (k.length >= 0 && k.sent+n == k.length) {
		k.sentEnd = true
		flags = frame.FlagEndStream
	}
	b := octets(k.id, k.sent, n)
	if pad > 0 {
		b = slices.Concat([]byte{byte(pad - 1)}, b, make([]byte, pad-1))
		flags |= frame.FlagPadded
	}
	k.sent += n
	k.window -= len(b)
	s.sendWindow -= len(b)
	s.data(k.id, flags, b)
}

func (s *servingSim) handlerActs(k *servingStream) {
	if k.x == nil || k.finished || k.aborted {
		return
	}
	switch n := s.r.IntN(30); {
	case n == 0:
		k.finished = true
		k.w.finish()
	case n == 1 && s.r.IntN(3) == 0:
		k.aborted = true
		k.x.abort()
	case n == 2:
		k.w.SetWriteDeadline(time.Now().Add(time.Hour))
	case n < 14:
		s.handlerReads(k)
	case k.x.pending+len(k.w.buf)+200 >= s.core.limits.ResponseBuffer: // it would wait
	case n < 16:
		k.w.Flush()
	case n == 16 && k.w.status == 0:
		k.w.WriteHeader(103)
	default:
		b := octets(k.id, k.wrote, s.r.IntN(pick(s.r, 10, 1000, 14_000)))
		if n, err := k.w.Write(b); err == nil {
			k.wrote += n
		} else if k.x.lost == nil {
			s.t.Fatalf("step %d: Write: %v", s.step, err)
		}
	}
	s.settle()
}

func (s *servingSim) handlerReads(k *servingStream) {
	if k.x.body.len() == 0 && k.x.bodyErr == nil {
		return
	}
	b := make([]byte, s.r.IntN(20_000))
	n, err := requestBody{k.x}.Read(b)
	if !bytes.Equal(b[:n], octets(k.id, k.read, n)) {
		s.t.Fatalf("step %d: the handler reads other octets than were sent", s.step)
	}
	if k.read += n; k.read > k.sent {
		s.t.Fatalf("step %d: the handler reads more than was sent", s.step)
	}
	if err == io.EOF && (!k.sentEnd || k.read != k.sent) {
		s.t.Fatalf("step %d: the handler reads EOF at %d of %d", s.step, k.read, k.sent)
	}
	k.readEnd = k.readEnd || err != nil
}

// hear takes what the server says.
func (s *servingSim) hear() {
	for len(s.out) >= frame.HeaderLen {
		h, n := frame.ConsumeHeader(s.out)
		if len(s.out) < n+int(h.Length) {
			return
		}
		p := s.out[n : n+int(h.Length)]
		s.out = s.out[n+int(h.Length):]
		s.hearFrame(h, p)
	}
}

func (s *servingSim) hearFrame(h frame.Header, p []byte) {
	var k *servingStream
	if h.StreamID != 0 {
		k = s.streams[h.StreamID/2]
	}
	switch h.Type {
	case frame.Headers:
		fields, err := s.dec.DecodeFull(p)
		if err != nil {
			s.t.Fatal(err)
		}
		if k.complete || k.ended && !k.cancelled {
			s.t.Fatalf("step %d: HEADERS behind the end of stream %d", s.step, k.id)
		}
		if len(fields) > 0 && fields[0].Value != "103" {
			k.status = fields[0].Value
		}
	case frame.Data:
		s.recvWindow -= len(p)
		k.granted -= len(p)
		if s.recvWindow < 0 || k.status == "" || k.complete {
			s.t.Fatalf("step %d: DATA on stream %d, window of the connection %d", s.step, k.id, s.recvWindow)
		}
		if len(p) == 0 && !h.Flags.Has(frame.FlagEndStream) {
			s.t.Fatalf("step %d: empty DATA", s.step)
		}
		if k.status == "200" && !bytes.Equal(p, octets(k.id, k.got, len(p))) {
			s.t.Fatalf("step %d: the response differs", s.step)
		}
		k.got += len(p)
	case frame.RSTStream:
		if code := frame.ParseRSTStream(p); code == frame.NoError && !k.complete {
			s.t.Fatalf("step %d: NO_ERROR before END_STREAM", s.step)
		}
		k.ended = true
	case frame.WindowUpdate:
		n, _ := frame.ParseWindowUpdate(h, p)
		if k == nil {
			s.sendWindow += int(n)
		} else if k.window += int(n); k.window > 65535 {
			s.t.Fatalf("step %d: window of %d octets", s.step, k.window)
		}
	case frame.GoAway:
		s.t.Fatalf("step %d: GOAWAY %q", s.step, p)
	}
	if h.Flags.Has(frame.FlagEndStream) && (h.Type == frame.Headers || h.Type == frame.Data) {
		if k.complete {
			s.t.Fatalf("step %d: END_STREAM twice", s.step)
		}
		k.complete, k.ended = true, true
		if k.status == "200" && !k.w.head && (!k.finished || k.got != k.wrote) {
			s.t.Fatalf("step %d: stream %d ends at %d of %d", s.step, k.id, k.got, k.wrote)
		}
	}
}

// check compares the accounts with what there is.
func (s *servingSim) check() {
	octets, taken, running := int64(s.core.segments.held*segmentSize), 0, 0
	backlog := 0
	for _, k := range s.streams {
		if k.x == nil {
			continue
		}
		x := k.x
		if n := x.body.len(); n > 65535 || x.pending > s.core.limits.ResponseBuffer+outputMax+collectMax {
			s.t.Fatalf("step %d: stream %d holds %d and %d octets", s.step, k.id, n, x.pending)
		}
		octets += int64(x.body.len())
		waits := 0
		for _, o := range x.output {
			waits += len(o.b)
		}
		if st := s.conn.streams.find(k.id); st != nil && st.kind == streamServed {
			if g := st.queue.first(); g != nil {
				waits += int(g.size)
				backlog += int(g.size)
			}
			if waits != x.pending {
				s.t.Fatalf("step %d: stream %d has %d octets pending, and %d in the account", s.step, k.id, waits, x.pending)
			}
			if (st.turn != turnNone) != (!st.queue.empty() || st.end) {
				s.t.Fatalf("step %d: stream %d has output and no turn, or no output and a turn", s.step, k.id)
			}
		}
		octets += int64(waits)
		if x.state == exchangeServing {
			running++
		}
		if x.state == exchangeServing || x.lost == nil {
			taken++
		}
	}
	if n := held.Load() - s.before; n != octets {
		s.t.Fatalf("step %d: %d octets in the account of memory, %d held", s.step, n, octets)
	}
	p := s.conn.plains()
	if int(p.serving.Load()) != taken || int(s.core.http.running.Load()) != running || taken > s.core.limits.RequestsConn {
		s.t.Fatalf("step %d: %d slots, want %d; %d handlers, want %d", s.step, p.serving.Load(), taken, s.core.http.running.Load(), running)
	}
	if s.conn.backlog != backlog {
		s.t.Fatalf("step %d: backlog %d, want %d", s.step, s.conn.backlog, backlog)
	}
}

// heal lets everything through: what was not cut off is complete in the end.
func (s *servingSim) heal() {
	s.room = -1
	s.send(fmt.Sprintf("SETTINGS INITIAL_WINDOW_SIZE=%d", 1<<20))
	s.recvWindow += s.grant(0, 1<<29)
	for _, k := range s.streams {
		for tries := 0; k.x != nil && !k.ended && !k.readEnd && !k.finished && !k.aborted; tries++ {
			if !k.sentEnd {
				s.sendBody(k)
			}
			s.handlerReads(k)
			s.settle()
			s.hear()
			if tries > 10_000 {
				s.t.Fatalf("stream %d stands still at %d of %d octets, window %d", k.id, k.read, k.sent, k.window)
			}
		}
		if k.x != nil && !k.finished && !k.aborted {
			k.finished = true
			k.w.finish()
		}
		s.settle()
		s.hear()
		if !k.ended && (k.x != nil || k.sentEnd) {
			s.t.Fatalf("stream %d does not end: status %q, %d of %d octets", k.id, k.status, k.got, k.wrote)
		}
	}
	s.check()
}
