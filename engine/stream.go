package engine

import (
	"net/netip"
	"sync/atomic"
	"unsafe"

	"h2ws/flow"
	"h2ws/ws"
)

// stream is one HTTP/2 stream and the WebSocket on it, one object. All of it belongs to the
// connection's loop, except queued, asked and what ws.Conn says of itself.
//
// It has output (queue, or end not yet sent) if and only if it is on the connection's
// ready or blocked ring; turn says which.
type stream struct {
	slot flow.Slot // first, so that a slot is its stream
	ws   ws.Conn
	conn *conn

	queue queue
	// queued is what Send has accepted and no frame carries yet, the mailbox included:
	// octets in the low 40 bits, messages above, queuedSlow on top.
	queued atomic.Uint64

	member membership // of the first topic joined
	rare   *rare      // what few streams have; nil: nothing

	sendWindow flow.SendWindow // relative to conn.peerInitial
	recvWindow flow.RecvWindow
	id         uint32

	kind    streamKind
	state   streamState
	turn    turn
	end     bool // END_STREAM follows the queue
	closing bool // the time for the peer to end its side runs: see streamWaits
	shut    bool // a Close frame was queued: no message may follow
	reset   bool // RST_STREAM(NO_ERROR) right behind END_STREAM
	asked   bool // a Close was posted; guarded by the mailbox's lock
	ping    pingState
	drains  bool        // OnDrain is to be called when the queue is empty
	stall   streamStall // while its own window stands in its way
}

// rare is what a stream has an object more for.
type rare struct {
	more  []membership   // of all topics but the first
	by    map[*share]int // where in more, of a socket that is crowded; else nil
	stats *ws.ConnStats  // nil: its messages are not counted
}

// streamKind says what a stream carries.
type streamKind uint8

const (
	streamSocket   streamKind = iota // a WebSocket: ws is in use
	streamPending                    // an opening handshake that is decided later: see pending.go
	streamRequest                    // a request that is no WebSocket, not yet complete
	streamResponse                   // a refusal or other short answer: the rest of the request is ignored
	streamServed                     // a request that Server.HTTP answers
)

// turn says on which ring a stream waits.
type turn uint8

const (
	turnNone    turn = iota
	turnReady        // for its connection to send
	turnBlocked      // for its own window
)

func streamOf(s *flow.Slot) *stream { return (*stream)(unsafe.Pointer(s)) }

// The conversion above holds only while slot is first.
var _ [0]struct{} = [unsafe.Offsetof(stream{}.slot)]struct{}{}

func (s *stream) core() *core { return s.conn.core }

// Send implements ws.Lower. Any goroutine.
func (s *stream) Send(t ws.MessageType, p []byte) error {
	n := ws.HeaderLen(len(p)) + len(p)
	if !s.admit(n) {
		return s.refuse()
	}
	return s.post(t, p, n)
}

// TrySend implements ws.Lower. Any goroutine.
func (s *stream) TrySend(t ws.MessageType, p []byte) error {
	n := ws.HeaderLen(len(p)) + len(p)
	if !s.admit(n) {
		return ws.ErrSlow
	}
	return s.post(t, p, n)
}

// post posts a message that was admitted with n octets.
func (s *stream) post(t ws.MessageType, p []byte, n int) error {
	err := s.core().box.message(s, t, p)
	if err != nil {
		s.unqueue(n)
	}
	return err
}

// Resume implements ws.Lower. Any goroutine.
func (s *stream) Resume() { s.core().box.wish(s, postResume) }

// AwaitDrain implements ws.Lower. Any goroutine.
func (s *stream) AwaitDrain() { s.core().box.wish(s, postDrain) }

// RemoteAddr implements ws.Lower. Any goroutine.
func (s *stream) RemoteAddr() netip.AddrPort { return s.conn.remote }

// SendPrepared implements ws.Lower. Any goroutine.
func (s *stream) SendPrepared(p *ws.Prepared) error {
	n := len(p.Frame())
	if !s.admit(n) {
		return s.refuse()
	}
	err := s.core().box.prepared(s, p)
	if err != nil {
		s.unqueue(n)
	}
	return err
}

// RequestClose implements ws.Lower. Any goroutine.
func (s *stream) RequestClose(code ws.CloseCode, reason string) error {
	s.core().box.close(s, code, reason)
	return nil
}

// Buffered implements ws.Lower. Any goroutine.
func (s *stream) Buffered() int { return int(s.queued.Load() & queuedOctets) }

// enqueue puts a whole message, admitted before, behind the queue. It returns nil when the socket takes no
// more: what was accepted before it closed and can't be sent after is counted as discarded.
func (s *stream) enqueue(b []byte, owner byteOwner, p *ws.Prepared) *segment {
	k := s.core()
	s.catchUp()
	if s.ended() {
		s.unqueue(len(b))
		k.stats.MessagesDiscarded++
		s.countLost(1, droppedEnded)
		return nil
	}
	if !s.queue.empty() && !s.makeRoomFor(p) {
		s.unqueue(len(b))
		k.stats.MessagesDiscarded++
		s.countLost(1, droppedQueue)
		return nil
	}
	return s.push(b, owner, p)
}

// makeRoomFor applies the policy to a message that Send has admitted, as makeRoom does to one that is
// published. It reports false when the socket was given up.
func (s *stream) makeRoomFor(p *ws.Prepared) bool {
	l := s.ws.QueueLimits()
	if !s.makeFresh(l, p, nil) {
		return false
	}
	switch {
	case l.Policy >= ws.DropOldest:
		for s.exceeds(l) && s.dropOldest() {
		}
	case s.core().overload < OverloadStreams || !s.exceeds(l):
	case l.Policy == ws.CloseSlow:
		s.closeSlow(l.Code)
		return false
	default:
		s.note(ws.Drop{Messages: 1})
		return false
	}
	return true
}

// exceeds reports whether the queue, the newest message included, is beyond a limit.
func (s *stream) exceeds(l *ws.QueueLimits) bool {
	queued := s.queued.Load()
	octets, messages := int(queued&queuedOctets), int(queued&^queuedSlow/queuedMessage)
	octetsMax, messagesMax := s.core().queueLimits(l)
	return messages > 1 && (octets > octetsMax || messages > messagesMax)
}

// push puts a message whose octets are counted behind the queue.
func (s *stream) push(b []byte, owner byteOwner, p *ws.Prepared) *segment {
	g := s.place(b, owner, p)
	s.schedule()
	if s.turn == turnBlocked {
		s.conn.noteAge(s) // it may be the oldest, behind one that has begun
	}
	return g
}

// place is push for a stream that has its turn, or is on a ring.
func (s *stream) place(b []byte, owner byteOwner, p *ws.Prepared) *segment {
	k := s.core()
	g := k.segments.get()
	g.b, g.size, g.owner, g.prepared, g.at = b, uint32(len(b)), owner, p, k.now
	if owner == bytesBorrowed {
		k.borrowed++
	}
	if p != nil {
		k.hold(p)
	}
	s.queue.push(g)
	s.conn.backlog += len(b)
	return g
}

// ended reports whether nothing more can be put behind the queue.
func (s *stream) ended() bool { return s.shut || s.end || s.state == stateClosed }

// schedule gives the stream a turn: it has output.
func (s *stream) schedule() {
	if s.turn == turnNone {
		s.turn = turnReady
		s.conn.ready.Push(&s.slot)
		s.waits()
	}
	s.conn.touch()
}

// unschedule takes the stream off its ring for want of output.
func (s *stream) unschedule() {
	s.unlink()
	s.rests()
	s.conn.touch() // it may have been what kept the others from the rest of the connection's window
}

// unlink takes the stream off its ring.
func (s *stream) unlink() {
	switch s.turn {
	case turnReady:
		s.conn.ready.Remove(&s.slot)
	case turnBlocked:
		s.conn.blocked.Remove(&s.slot)
	}
	s.turn = turnNone
}

// WriteControl implements ws.Lower: a pong goes ahead of what has not begun and replaces an
// unsent one (RFC 6455 §5.5.3: only the most recent ping need be answered), so that
// pings cost one segment however many come. Our own Close does not excuse us: "an endpoint MUST send a Pong frame
// in response, unless it already received a Close frame" (§5.5.2), and what must not follow ours are
// data frames (§5.5.1). Only the end of the stream does.
func (s *stream) WriteControl(op ws.Opcode, payload []byte) {
	if s.end || s.state == stateClosed {
		return
	}
	if !s.shut && s.conn.count(RuleSocketPing, 1) == actRefuse {
		s.conn.ledger.forgive(RuleSocketPing)
		s.ws.Close(ws.ClosePolicyViolation, "too many pings")
	}
	g := s.queue.pong()
	if g == nil {
		g = s.core().segments.get()
		g.kind = segmentPong
		s.queue.pushAhead(g)
	}
	g.buf = append(ws.AppendHeader(g.buf[:0], true, op, len(payload)), payload...)
	g.b = g.buf
	if s.turn == turnBlocked {
		s.unlink() // a window too small for what was first may do for the pong
	}
	s.schedule()
}

// WriteClose implements ws.Lower. A Close of our own came through the mailbox, behind what was sent before.
// An answer takes the same way, unless the socket is slow: then nothing more is to be sent.
func (s *stream) WriteClose(payload []byte, end bool) {
	if end && s.queued.Load()&queuedSlow == 0 {
		s.core().box.end(s, postAnswer, payload)
		return
	}
	s.queueClose(payload, end)
}

func (s *stream) queueClose(payload []byte, end bool) {
	if s.shut || s.end || s.state == stateClosed {
		return
	}
	s.leaveAll()
	s.shut, s.end = true, end
	g := s.core().segments.get()
	g.kind = segmentClose
	g.buf = append(ws.AppendHeader(g.buf[:0], true, ws.OpClose, len(payload)), payload...)
	g.b = g.buf
	s.queue.push(g)
	s.schedule()
	s.conn.startClosing(s)
}

// EndStream implements ws.Lower. Where no Close has gone before, it follows what Send has accepted, unless the socket
// is slow.
func (s *stream) EndStream() {
	if !s.shut && s.queued.Load()&queuedSlow == 0 {
		s.core().box.end(s, postEnd, nil)
		return
	}
	s.queueEnd()
}

func (s *stream) queueEnd() {
	if s.end || s.state == stateClosed {
		return
	}
	s.leaveAll()
	s.end = true
	s.schedule()
	s.conn.startClosing(s)
}

// Panicked implements ws.Lower.
func (s *stream) Panicked(v any, stack []byte) {
	k := s.core()
	k.stats.Panics++
	k.log.Error("handler panicked", "panic", v, "remote", s.conn.remote, "stream", s.id, "stack", string(stack))
}

// closeLocal starts the closing handshake. What has arrived of an incomplete message is freed by it.
func (s *stream) closeLocal(code ws.CloseCode, reason string) {
	if s.state != stateClosed {
		held := s.ws.Held()
		s.ws.CloseLocal(&s.core().receiver, code, reason)
		s.conn.assembly += s.ws.Held() - held
		s.resume() // a paused peer's Close is awaited, too
	}
}

// closeSlow ends a socket whose peer does not keep up: what has not begun is discarded and only
// the Close follows, be it on its way already.
func (s *stream) closeSlow(code ws.CloseCode) {
	if s.state == stateClosed {
		return
	}
	s.dropLag()
	s.discard(true)
	if s.ws.Closed() {
		return
	}
	k := s.core()
	k.stats.SocketsSlow++
	s.queued.Or(queuedSlow)
	s.fail(code, "slow consumer", ws.ErrSlow)
}

// fail ends the socket for a reason that only the engine knows.
func (s *stream) fail(code ws.CloseCode, reason string, cause error) {
	held := s.ws.Held()
	s.ws.Fail(&s.core().receiver, code, reason, cause)
	s.conn.assembly += s.ws.Held() - held
}

// discard empties the queue. To finish means to keep a segment that has begun, and the Close.
func (s *stream) discard(finish bool) {
	why := droppedEnded
	if finish {
		why = droppedQueue
	}
	var kept queue
	for !s.queue.empty() {
		g := s.queue.pop()
		if finish && (g.begun || g.kind == segmentClose) {
			kept.push(g)
			continue
		}
		s.dropSegment(g, why)
	}
	s.queue = kept
	s.unlink()
	if kept.empty() && !s.end {
		s.rests()
	} else {
		s.schedule()
	}
}
