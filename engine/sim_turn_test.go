package engine

// turn is a turn of the loop with its I/O replaced. Between its phases goroutines of
// the application may get in.
func (s *sim) turn() {
	k := s.core
	for _, c := range s.clients {
		c.serverReads()
	}
	s.check("after reading")
	for again := true; again; again = k.feedUnfed() {
		for more := true; more; {
			more = k.deliver()
			s.interleave()
			s.flushAll()
		}
		s.check("after delivering")
		k.settle()
		if k.borrowed != 0 {
			s.failf("%d segments borrow after settle", k.borrowed)
		}
	}
	s.interleave()
	k.tellDrained()
	k.sweep()
	s.expire()
	s.flushAll()
	s.check("after the turn")
	s.checkIdle()
	for _, c := range s.clients {
		c.reap()
		c.clientReads()
	}
}

func (s *sim) interleave() {
	if !s.healing && s.r.IntN(6) == 0 {
		s.applicationActs()
	}
}

// expire calls whoever is due until nobody is, as the loop's timers do. A deadline that stays would spin a loop.
func (s *sim) expire() {
	s.core.expirePending()
	for _, c := range s.clients {
		for n := 0; c.conn.state != connLost && c.conn.deadline() <= s.core.now; n++ {
			c.conn.expire()
			if n > 10 {
				s.failf("client %d: still due after expire", c.n)
			}
		}
	}
}

func (s *sim) flushAll() {
	k := s.core
	dirty := k.dirty
	k.dirty = nil
	for _, conn := range dirty {
		conn.dirty = false
		if c := s.clientOf(conn); c != nil && c.flush() {
			conn.touch()
		}
	}
}

func (s *sim) clientOf(conn *conn) *simClient {
	for _, c := range s.clients {
		if c.conn == conn {
			return c
		}
	}
	return nil // replaced, while its streams are still being lost
}

// flush is loop.flush.
func (c *simClient) flush() (more bool) {
	s := c.s
	for range 1 + s.r.IntN(4) {
		if c.conn.state == connLost || !c.writeRest() {
			return false
		}
		s.gather.reset(c.burst())
		more = c.conn.pull(s.gather)
		if s.gather.size == 0 {
			break
		}
		c.write(s.gather)
	}
	return more && len(c.rest) == 0
}

// burst cuts gathers anywhere now and then.
func (c *simClient) burst() int {
	if c.s.r.IntN(4) == 0 {
		return 1 + c.s.r.IntN(300)
	}
	return pick(c.s.r, gatherSizeMin, gatherSize)
}

func (c *simClient) write(g *gather) {
	size := len(g.buf)
	for _, r := range g.refs {
		size += len(r.b)
	}
	if size != g.size || size > g.limit+frameRoom || len(g.buf) > cap(g.buf) {
		c.failf("gather says %d octets, has %d, limit %d", g.size, size, g.limit)
	}
	skip := 0
	if c.room > 0 {
		skip = c.s.r.IntN(min(c.room, size) + 1) // a first write that takes a part
	}
	c.s.scratch = c.s.scratch[:0]
	whole := g.vectors(nil, 0)
	for _, v := range whole {
		c.s.scratch = append(c.s.scratch, v...)
	}
	c.rest = append([]byte(nil), c.s.scratch[:skip]...)
	for _, v := range g.vectors(nil, skip) {
		c.rest = append(c.rest, v...)
	}
	if len(c.rest) != size {
		c.failf("vectors from %d on are %d octets of %d", skip, len(c.rest)-skip, size)
	}
	c.writeRest()
}

// writeRest is loop.writeRest: it moves what there is room for to the client.
func (c *simClient) writeRest() bool {
	n := len(c.rest)
	if c.room >= 0 {
		n = min(n, c.room)
		c.room -= n
	}
	c.down = append(c.down, c.rest[:n]...)
	c.rest = c.rest[n:]
	c.conn.progress(n)
	if len(c.rest) > 0 {
		c.conn.wait()
	}
	return len(c.rest) == 0
}

// networkActs changes how much the server's socket takes.
func (c *simClient) networkActs() {
	switch c.s.r.IntN(4) {
	case 0:
		c.room = 0
	case 1:
		c.room = c.s.r.IntN(5000)
	default:
		c.room = -1
	}
	if c.room != 0 {
		c.conn.touch() // as EPOLLOUT does
	}
}

// serverReads gives the server some of what the client has written, cut anywhere.
func (c *simClient) serverReads() {
	s := c.s
	for range 3 {
		n := len(c.up)
		if n == 0 || c.conn.state == connLost {
			return
		}
		if !s.healing {
			switch s.r.IntN(4) {
			case 0:
				n = min(n, s.r.IntN(20))
			case 1:
				n = s.r.IntN(n + 1)
			case 2:
				return
			}
		}
		if n == 0 {
			return
		}
		rest := c.conn.recv(append([]byte(nil), c.up[:n]...)) // recv may overwrite
		n -= len(rest)
		c.up = c.up[n:]
		c.consumed += n
		if len(rest) > 0 {
			return // it goes on when the turn has flushed
		}
	}
}

// clientReads parses what has arrived.
func (c *simClient) clientReads() {
	n := len(c.down)
	if !c.s.healing && c.s.r.IntN(3) == 0 {
		n = c.s.r.IntN(n + 1)
	}
	c.in = append(c.in, c.down[:n]...)
	c.down = c.down[n:]
	for c.recvFrame() {
	}
}

// reap is loop.remove, and what a loop does with a connection that has said its last.
func (c *simClient) reap() {
	conn := c.conn
	if conn.state == connLeaving && len(conn.control) == 0 && len(c.rest) == 0 && c.s.r.IntN(3) == 0 {
		conn.lose(errDrained) // the client has closed its side
	}
	if conn.state == connLost && !c.removed {
		c.removed = true
		conn.control, c.rest, c.up = nil, nil, nil
		c.s.core.stats.Connections--
	}
}

// over reports whether nothing more can come of c.
func (c *simClient) over() bool { return c.removed && c.conn.gone() }
