package engine

import (
	"errors"
	"time"
	"unsafe"

	"h2ws/flow"
	"h2ws/ws"
)

// Why a handshake was answered with 503 instead of the decision that was deferred.
var (
	errUndecided = errors.New("the handshake was not decided in time")
	errPendings  = errors.New("too many handshakes wait for a decision")
	errEarly     = errors.New("too much was sent before the handshake was decided")
)

// pendingSocket is an opening handshake whose decision was deferred (ws.Request.Defer). It counts, and stays on
// core.pendings, until the application has decided or the time for that is over, also when its stream has
// ended before: else who opens and resets streams would have it work on any number.
//
// s.kind == streamPending as long as the stream waits for the answer.
type pendingSocket struct {
	slot     flow.Slot // on core.pendingRing, first due first; first, so that a slot is its pendingSocket
	s        *stream
	pending  *ws.Pending
	endpoint *ws.Endpoint
	by       time.Duration
	early    []byte // what came before the answer; counted in conn.assembly
	joins    []*topicPost
}

func pendingOf(s *flow.Slot) *pendingSocket { return (*pendingSocket)(unsafe.Pointer(s)) }

// The conversion above holds only while slot is first.
var _ [0]struct{} = [unsafe.Offsetof(pendingSocket{}.slot)]struct{}{}

// deferSocket leaves an opening handshake unanswered.
func (c *conn) deferSocket(id uint32, d ws.Decision) {
	k := c.core
	if why := c.claimPending(); why != nil {
		d.Pending.End(why)
		k.stats.HandshakesShed++
		c.refuse(id, false, unavailable(why))
		return
	}
	s := c.newStream(id, streamPending, false)
	s.ws.Init(d.Endpoint, s, nil) // so that topics can be joined
	e := &pendingSocket{s: s, pending: d.Pending, endpoint: d.Endpoint, by: after(k.now, k.limits.HandshakeTimeout)}
	k.pendings[s] = e
	k.pendingRing.Push(&e.slot)
	k.stats.HandshakesPending++
	c.pending++
	d.Pending.Bind(func() { s.decided(d.Pending) })
}

// claimPending counts one more handshake among all of the server, or says why it can't be left unanswered.
func (c *conn) claimPending() error {
	k := c.core
	switch {
	case c.drain != drainNone:
		return errDrained
	case int(c.pending) >= k.limits.PendingHandshakes:
		return errPendings
	case k.pendingAll.Add(1) > int64(k.limits.PendingHandshakesAll):
		k.pendingAll.Add(-1)
		return errPendings
	}
	return nil
}

// unavailable is the answer in place of a decision.
func unavailable(why error) ws.Decision {
	return ws.Decision{Status: 503, Reason: why.Error()}
}

// decided is told of the decision. Any goroutine. Topics are joined first: what is published from now on comes
// behind the joins in the mailbox.
func (s *stream) decided(p *ws.Pending) {
	for _, t := range p.Decision().Topics {
		s.joinAccepted(t)
	}
	s.core().box.wish(s, postDecided)
}

// holdJoin keeps a join until the handshake is answered.
func (s *stream) holdJoin(p *topicPost) {
	e := s.core().pendings[s]
	e.joins = append(e.joins, p)
}

// decide answers a handshake that was deferred, if its stream still waits for that.
func (c *conn) decide(s *stream) {
	k := c.core
	e := k.pendings[s]
	if e == nil {
		return // its time was over
	}
	if s.kind == streamPending {
		c.answer(s, e)
	}
	k.forgetPending(e)
}

func (c *conn) answer(s *stream, e *pendingSocket) {
	d := e.pending.Decision()
	switch {
	case c.state >= connLeaving:
		c.losePending(s, c.cause)
		return
	case d.Status != 200:
		c.losePending(s, ws.ErrDecided)
		c.refuseStream(s, d)
		return
	}
	c.assembly -= cap(e.early)
	d.Endpoint = e.endpoint
	c.accept(s, d)
	for _, p := range e.joins {
		s.join(p.share, p.retained)
	}
	s.ws.Opened()
	c.feedEarly(s, e.early)
}

// feedEarly gives a socket what came before its handshake was answered. From then on it is like any other.
func (c *conn) feedEarly(s *stream, p []byte) {
	if rest := c.feed(s, p); len(rest) > 0 {
		c.core.unfed = append(c.core.unfed, unfed{s, rest})
		return
	}
	if s.state == stateClosed {
		return
	}
	c.credit(s)
	if s.state == stateHalfClosedRemote {
		c.endSocket(s)
	}
}

// unfed is a WebSocket that brimmed over what came before its handshake was answered, and the rest of that.
type unfed struct {
	s *stream
	p []byte
}

// feedUnfed goes on with those once all that waits has been offered to the sockets, and before anything is read. It
// reports whether there were any.
func (k *core) feedUnfed() bool {
	list := k.unfed
	k.unfed = nil
	for _, u := range list {
		u.s.conn.feedEarly(u.s, u.p)
	}
	return len(list) > 0
}

// forgetPending counts a handshake as decided.
func (k *core) forgetPending(e *pendingSocket) {
	k.pendingRing.Remove(&e.slot)
	delete(k.pendings, e.s)
	k.pendingAll.Add(-1)
	k.stats.HandshakesPending--
	e.s.conn.pending--
}

// holdEarly keeps what comes before the answer. The stream's credit for it is withheld, so its window bounds it.
func (c *conn) holdEarly(s *stream, p []byte) {
	e := c.core.pendings[s]
	before := cap(e.early)
	e.early = append(e.early, p...)
	if c.assembly += cap(e.early) - before; c.assembly > c.core.limits.AssemblySize {
		c.core.stats.HandshakesShed++
		c.abandon(s, errEarly)
	}
}

// abandon answers a handshake without its decision.
func (c *conn) abandon(s *stream, why error) {
	c.losePending(s, why)
	if c.state < connLeaving {
		c.refuseStream(s, unavailable(why))
	}
}

// losePending frees what a handshake holds that is not accepted, and tells the application.
func (c *conn) losePending(s *stream, why error) {
	e := c.core.pendings[s]
	e.pending.End(why)
	c.assembly -= cap(e.early)
	for _, p := range e.joins {
		p.share.topic.unwant(p.share, 1)
	}
	e.early, e.joins = nil, nil
	s.kind = streamResponse
	s.ws.Lost(&c.core.receiver, why)
}

// expirePending refuses the handshakes that were not decided in time.
func (k *core) expirePending() {
	for k.nextPending() <= k.now {
		e := pendingOf(k.pendingRing.Front())
		if e.s.kind == streamPending {
			k.stats.HandshakesExpired++
			e.s.conn.abandon(e.s, errUndecided)
		}
		k.forgetPending(e)
	}
}

// nextPending is when expirePending has something to do.
func (k *core) nextPending() time.Duration {
	if slot := k.pendingRing.Front(); slot != nil {
		return pendingOf(slot).by
	}
	return never
}
