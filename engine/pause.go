package engine

// resume gives the peer the credit that was withheld while the application wanted no more (ws.Conn.Pause). The
// window bounds what a paused socket still gets.
func (s *stream) resume() {
	c := s.conn
	if s.kind != streamSocket || s.state == stateClosed || c.state >= connLeaving {
		return
	}
	c.credit(s)
	c.touch() // and a connection that is not read because of it is looked at again
}

// withheld reports whether the connection is not to be read because its one WebSocket is paused: HTTP/1.1 has no
// windows. Over HTTP/2 the others are read.
func (c *conn) withheld() bool {
	if c.proto != protoRaw {
		return false
	}
	s := c.streams.find(rawID)
	return s != nil && s.kind == streamSocket && s.ws.Paused()
}

// awaitDrain has OnDrain called when nothing waits in the queue, which may be now.
func (s *stream) awaitDrain() {
	if s.ws.Closed() {
		return
	}
	if s.drains = true; s.queue.empty() {
		s.drain()
	}
}

// drain notes that the queue of a stream whose handler waits for it is empty.
func (s *stream) drain() {
	s.drains = false
	k := s.core()
	k.drained = append(k.drained, s)
}

// tellDrained calls OnDrain for those whose queues have run empty.
func (k *core) tellDrained() {
	for i := 0; i < len(k.drained); i++ {
		s := k.drained[i]
		held := s.ws.Held()
		s.ws.Drained(&k.receiver)
		s.conn.assembly += s.ws.Held() - held // OnDrain may have panicked
	}
	clear(k.drained)
	k.drained = k.drained[:0]
}
