package engine

import (
	"time"

	"h2ws/engine/frame"
)

// heal lets everything through, until nothing moves; then every open socket must have got everything. Then
// it ends all of them, one way or another, and nothing must be left.
func (s *sim) heal() {
	s.healing = true
	s.settle("windows and sockets opened", (*simClient).open)
	for _, c := range s.clients {
		c.checkDelivered()
	}
	s.settle("all sockets closed", (*simClient).close)
	for _, c := range s.clients {
		c.checkEmpty()
		c.conn.lose(errDrained)
	}
	s.settle("connections lost", func(*simClient) {})
	s.core.now += time.Hour
	for _, k := range s.sockets {
		k.decide()
	}
	s.turn()
	s.checkEnd()
}

// settle turns until nothing moves.
func (s *sim) settle(why string, each func(*simClient)) {
	s.note("settle: %s", why)
	for range 5_000 {
		s.step++
		before := s.core.stats
		for _, c := range s.clients {
			each(c)
		}
		s.turn()
		if s.still() && s.core.stats == before {
			return
		}
	}
	for _, c := range s.clients {
		s.note("client %d: state %d, up %d, rest %d, down %d, in %d", c.n, c.conn.state, len(c.up), len(c.rest), len(c.down), len(c.in))
	}
	s.failf("does not settle: %s", why)
}

func (s *sim) still() bool {
	k := s.core
	moving := len(k.drained) + len(k.box.posts) + len(k.box.calls) + len(k.dirty) + len(k.leaving) + len(k.draining)
	for _, c := range s.clients {
		if !c.removed {
			moving += len(c.up) + len(c.rest) + len(c.down)
		}
	}
	return moving == 0
}

// open is the client's part of heal: it reads everything and sends everything, within the rules.
func (c *simClient) open() {
	c.room = -1
	c.conn.touch()
	if c.conn.state >= connLeaving {
		return
	}
	if c.lastInitial() != 1<<20 {
		c.settings = append(c.settings, 1<<20)
		c.up = frame.AppendSettings(c.up, frame.Setting{ID: frame.InitialWindowSize, Value: 1 << 20})
	}
	if c.recvWindow < 1<<20 {
		c.grant(0, 1<<22)
	}
	for _, cs := range c.streams {
		if k := cs.socket; k != nil {
			k.decide()
			if k.conn != nil {
				k.conn.Resume()
			}
		}
		if !cs.live() {
			continue
		}
		if cs.recvGrant < 0 {
			c.grant(cs.id, int(1<<20-cs.recvGrant))
		}
		if cs.status != 0 || cs.socket == nil {
			c.sendData(cs, true)
		}
	}
}

// checkDelivered: on an undisturbed socket every message has arrived, in both directions.
func (c *simClient) checkDelivered() {
	if c.conn.state != connOpen {
		if !c.s.timely || c.broken || c.goaway || c.fragile || c.removed {
			return
		}
		c.failf("the connection is in state %d", c.conn.state)
	}
	if c.broken {
		c.failf("the server has overlooked what broke the connection")
	}
	if len(c.settings)+len(c.pings) > 0 {
		c.failf("%d SETTINGS and %d PINGs unanswered", len(c.settings), len(c.pings))
	}
	for _, cs := range c.streams {
		k := cs.socket
		if cs.live() && cs.status == 0 {
			c.failf("stream %d: no answer", cs.id)
		}
		if cs.bad || cs.live() && k == nil {
			continue
		}
		if known := c.conn.streams.find(cs.id) != nil; known != cs.live() {
			c.failf("stream %d: live %t, in the table %t", cs.id, cs.live(), known)
		}
		if !cs.live() || cs.ending() {
			continue
		}
		if c.drained {
			c.failf("stream %d is not closed by the drain", cs.id)
		}
		if k.awaits {
			c.failf("stream %d: OnDrain was not called", cs.id)
		}
		if cs.delivered != len(k.accepted) || k.received != len(k.toServer) || k.opened != 1 || k.closed != 0 {
			c.failf("stream %d: %d messages of %d arrived, %d of %d at the server", cs.id, cs.delivered, len(k.accepted), k.received, len(k.toServer))
		}
	}
}

// close ends what is open, in one of the ways there are.
func (c *simClient) close() {
	c.open()
	if c.conn.state >= connLeaving {
		return
	}
	for _, cs := range c.streams {
		switch {
		case !cs.live():
		case cs.bad:
			c.sendReset(cs)
		case cs.socket == nil || cs.socket.reject || cs.status >= 300:
			cs.outEnd = true
		case !cs.ending():
			c.beginClose(cs)
		case cs.gotClose && !cs.sentClose && cs.maySend():
			c.sendClose(cs)
		case cs.gotClose || cs.gotEnd:
			cs.outEnd = true
		}
		c.sendData(cs, true)
	}
}

// drain is what Shutdown does to a connection.
func (c *simClient) drain() {
	c.s.note("client %d: drain", c.n)
	c.drained = true
	c.s.core.box.call(c.conn.startDrain)
}

func (c *simClient) beginClose(cs *simStream) {
	switch c.s.r.IntN(10) {
	case 0:
		c.sendReset(cs)
	case 1:
		c.sendEnd(cs)
	case 2:
		c.drain()
	case 3, 4, 5:
		cs.socket.close()
	default:
		c.sendClose(cs)
	}
}

// checkEmpty: the server has nothing of the streams that are gone.
func (c *simClient) checkEmpty() {
	conn := c.conn
	if conn.state >= connLeaving {
		return
	}
	for _, cs := range c.streams {
		if cs.live() {
			c.failf("stream %d does not end", cs.id)
		}
	}
	if conn.streams.len()+conn.ready.Len()+conn.blocked.Len()+conn.assembly+conn.waitsFor().closing.live != 0 {
		c.failf("left over: %d streams, %d octets", conn.streams.len(), conn.assembly)
	}
}

// checkEnd: every connection is gone, and everything with it.
func (s *sim) checkEnd() {
	for _, k := range s.sockets {
		if k.opened != k.closed {
			s.failf("%s: OnOpen %d times, OnClose %d", k, k.opened, k.closed)
		}
		if k.stream != nil && k.stream.queued.Load()&^queuedSlow != 0 {
			s.failf("%s: %d octets queued", k, k.conn.Buffered())
		}
	}
	st := &s.core.stats
	if len(s.core.pendings) != 0 {
		s.failf("%d handshakes are pending, and all are decided", len(s.core.pendings))
	}
	if st.Sockets != 0 || st.Connections != 0 || s.accepted != st.MessagesSent+st.MessagesDiscarded {
		s.failf("at the end: %+v, %d accepted", *st, s.accepted)
	}
	free := 0
	for g := s.core.segments.free; g != nil; g = g.next {
		free++
	}
	if free != s.core.segments.n {
		s.failf("%d segments free, the pool says %d", free, s.core.segments.n)
	}
}
