package ws

import "unicode/utf8"

// Feed handles octets from the peer, cut anywhere, at most to the end of a frame,
// and returns the others, with which it is to be called again. p is borrowed and
// overwritten: messages are unmasked in place, and what is whole in p reaches
// OnMessage without a copy.
//
// For the engine; on the loop.
func (c *Conn) Feed(r *Receiver, p []byte) (rest []byte) {
	switch {
	case c.current() == stateNew:
		panic("BUG: ws: Feed before Opened")
	case c.Closed() || len(p) == 0:
		return nil
	case c.partial == nil:
		return c.feedWhole(r, p)
	}
	return c.feedPart(r, p)
}

// feedWhole handles the first frame of p if it is whole, and not a fragment,
// and returns what follows it. Otherwise it leaves p to feedPart.
func (c *Conn) feedWhole(r *Receiver, p []byte) (rest []byte) {
	h, n := ConsumeHeader(p)
	if n == 0 || h.Length > uint64(len(p)-n) || !h.Fin() || h.Opcode() == OpContinuation {
		c.partial = r.acquire(c)
		return p
	}
	if rule := h.violation(n); rule != "" {
		c.failProtocol(r, rule)
		return nil
	}
	end := n + int(h.Length)
	payload := p[n:end]
	if h.Opcode().Control() {
		mask(payload, h.Key)
		c.recvControl(r, h.Opcode(), payload)
		return p[end:]
	}
	switch {
	case len(payload) > c.endpoint.messageBytesMax:
		c.failTooBig(r)
		return nil
	case c.current() != stateOpen:
		return p[end:] // closing: it reaches nobody
	}
	mask(payload, h.Key)
	if h.Opcode() == OpText && !utf8.Valid(payload) {
		c.failUTF8(r)
		return nil
	}
	c.deliver(r, MessageType(h.Opcode()), payload)
	return p[end:]
}

// deliver hands a whole message to the handler.
func (c *Conn) deliver(r *Receiver, t MessageType, data []byte) {
	defer c.recovered(r)
	c.endpoint.handler.OnMessage(c, Message{Type: t, Data: data})
}

// recvControl handles a whole control frame. payload is borrowed.
func (c *Conn) recvControl(r *Receiver, op Opcode, payload []byte) {
	switch op {
	case OpClose:
		c.recvClose(r, payload)
	case OpPing:
		// RFC 6455 §5.5.2: "Upon receipt of a Ping frame, an endpoint MUST
		// send a Pong frame in response, unless it already received a Close
		// frame." Our own Close frame does not excuse us: §5.5.1 has no data
		// frames follow it, and a Pong is none.
		c.lower.WriteControl(OpPong, payload)
	case OpPong:
		// "A response to an unsolicited Pong frame is not expected." (§5.5.3)
	}
}

func (c *Conn) failProtocol(r *Receiver, rule string) {
	c.Fail(r, CloseProtocolError, rule, ErrProtocol)
}

func (c *Conn) failTooBig(r *Receiver) {
	c.Fail(r, CloseTooBig, "message too big", ErrTooBig)
}

func (c *Conn) failUTF8(r *Receiver) {
	c.Fail(r, CloseInvalidPayload, "text is not UTF-8 (RFC 6455 8.1)", ErrInvalidUTF8)
}
