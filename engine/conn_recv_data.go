package engine

import (
	"h2ws/engine/frame"
	"h2ws/ws"
)

// recvDataHeader begins a DATA frame. Whatever becomes of it, its whole payload counts against the
// connection's window and is given back to it at once (RFC 9113 §5.1, §6.9): its octets are either
// consumed before the next read or dropped.
func (c *conn) recvDataHeader(h frame.Header) error {
	if c.idle(h.StreamID) {
		return connError(frame.ProtocolError, "DATA on an idle stream (RFC 9113 §5.1)")
	}
	if err := c.recvWindow.Take(h.Length); err != nil {
		return connError(frame.FlowControlError, "the connection's window is exceeded (RFC 9113 §6.9.1)")
	}
	if credit := c.recvWindow.Credit(c.core.limits.ConnWindow); credit > 0 {
		c.control = frame.AppendWindowUpdate(c.controls(), 0, credit)
		c.touch()
	}
	s, err := c.recvDataStream(h)
	if err != nil {
		c.skip(int(h.Length))
		return err
	}
	c.data = dataFrame{
		s:      s,
		octets: int(h.Length),
		padded: h.Flags.Has(frame.FlagPadded),
		end:    h.Flags.Has(frame.FlagEndStream),
	}
	c.recvPhase = recvData
	if h.Length > 0 {
		return nil
	}
	if err := c.chargeEmpty(); err != nil {
		return err
	}
	return c.finishData()
}

// chargeEmpty counts a DATA frame without an octet of payload, unless it ends the stream.
func (c *conn) chargeEmpty() error {
	if c.data.end {
		return nil
	}
	return c.charge(RuleEmpty, 1)
}

// recvDataStream is the stream that a DATA frame is for. It is nil, without an error, for a stream
// that we have reset or that is behind our final GOAWAY.
func (c *conn) recvDataStream(h frame.Header) (*stream, error) {
	s := c.streams.find(h.StreamID)
	if s == nil && (h.StreamID > c.lastPeerID || c.resets.has(h.StreamID)) {
		return nil, nil
	}
	if s == nil || s.state == stateHalfClosedRemote {
		return nil, streamError(h.StreamID, frame.StreamClosed, "DATA after END_STREAM (RFC 9113 §5.1)")
	}
	if err := s.recvWindow.Take(h.Length); err != nil {
		return nil, streamError(h.StreamID, frame.FlowControlError, "the stream's window is exceeded (RFC 9113 §6.9.1)")
	}
	return s, nil
}

// recvData passes on what p holds of the DATA frame's payload.
func (c *conn) recvData(p []byte) (n int, err error) {
	d := &c.data
	if d.padded {
		octets, err := frame.DataLen(c.header, p[0])
		if err != nil {
			return 1, err
		}
		d.padded = false
		d.octets, d.padding = int(octets), int(p[0])
		n = 1
		if d.octets == 0 {
			if err := c.chargeEmpty(); err != nil {
				return n, err
			}
		}
	}
	if m := min(len(p)-n, d.octets); m > 0 {
		if d.s != nil {
			m, err = c.consume(d.s, p[n:n+m])
		}
		n, d.octets = n+m, d.octets-m
		if err != nil {
			return n, err
		}
	}
	if d.octets > 0 {
		return n, nil
	}
	m := min(len(p)-n, d.padding)
	d.padding -= m
	n += m
	if d.padding == 0 {
		return n, c.finishData()
	}
	return n, nil
}

// consume gives a stream's octets to their reader, and returns how many it has taken: of a WebSocket it may not be all.
func (c *conn) consume(s *stream, p []byte) (n int, err error) {
	switch s.kind {
	case streamSocket:
		return len(p) - len(c.feed(s, p)), nil
	case streamPending:
		c.holdEarly(s, p)
	case streamRequest, streamServed:
		return len(p), c.recvBody(s, p)
	}
	return len(p), nil
}

// feed gives octets to a WebSocket, and returns those that must wait, as it brims.
func (c *conn) feed(s *stream, p []byte) (rest []byte) {
	k := c.core
	if s.ping == pingSent {
		s.ping = pingAnswered
	}
	before := s.ws.Held()
	k.receiver.Now = k.now
	for k.brims = false; len(p) > 0 && !k.brims; k.brims = s.brims() {
		p = s.ws.Feed(&k.receiver, p)
	}
	held := s.ws.Held()
	if held == before {
		return p
	}
	c.assembly += held - before
	if held > before && c.assembly > k.limits.AssemblySize {
		s.fail(ws.CloseTryAgainLater, "too many incomplete messages", ws.ErrTooBig)
	}
	return p
}

// finishData ends a DATA frame: the stream's credit is returned, and END_STREAM takes effect.
func (c *conn) finishData() error {
	d := c.data
	c.data = dataFrame{}
	c.recvPhase = recvHeader
	if d.s == nil {
		return nil
	}
	if d.end {
		return c.recvEnd(d.s)
	}
	switch d.s.kind {
	case streamSocket:
		c.credit(d.s)
	case streamServed:
		c.sendCredit(d.s, d.s.recvWindow.Credit(c.bodyWindow(d.s)))
	}
	return nil // a body that nobody reads is not asked for
}

// sendCredit announces what has become free in a stream's window.
func (c *conn) sendCredit(s *stream, increment uint32) {
	if increment > 0 {
		c.control = frame.AppendWindowUpdate(c.controls(), s.id, increment)
		c.touch()
	}
}

// credit lets the peer send on a WebSocket's stream what has been consumed of it, unless the application wants no more.
func (c *conn) credit(s *stream) {
	if s.state != stateHalfClosedRemote && !s.ws.Paused() {
		c.sendCredit(s, s.recvWindow.Credit(c.core.limits.StreamWindow))
	}
}

// recvEnd is END_STREAM from the peer, with DATA, HEADERS or trailers.
func (c *conn) recvEnd(s *stream) error {
	r := c.plain.find(s.id)
	if r != nil {
		if err := r.complete(s.id); err != nil {
			return err
		}
	}
	c.move(s, recvEndStream)
	if s.state == stateClosed {
		return nil
	}
	switch s.kind {
	case streamSocket:
		c.endSocket(s)
	case streamRequest:
		c.respondPlain(s)
	case streamServed:
		r.x.recvEnd()
	}
	return nil
}

// endSocket tells a WebSocket that its peer has ended the stream.
func (c *conn) endSocket(s *stream) {
	held := s.ws.Held()
	s.ws.RecvEnd(&c.core.receiver)
	c.assembly += s.ws.Held() - held
}
