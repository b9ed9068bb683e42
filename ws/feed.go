package ws

import "unicode/utf8"

// Init makes c the Conn of an accepted handshake. c must be zero.
//
// For the engine; on the loop.
func (c *Conn) Init(e *Endpoint, lower Lower, data any) {
	c.endpoint, c.lower, c.data = e, lower, data
}

// Opened calls OnOpen. It comes before the first Feed.
//
// For the engine; on the loop.
func (c *Conn) Opened() {
	if _, moved := c.advance(stateOpen); !moved {
		panic("BUG: ws: Opened twice")
	}
	defer c.recovered(nil) // no frame has begun, nothing to release
	c.endpoint.handler.OnOpen(c)
}

// Closed reports whether OnClose has been called.
//
// For the engine; on the loop.
func (c *Conn) Closed() bool { return c.current() == stateClosed }

// CloseSent reports whether WriteClose has been called, or will never be.
// RFC 6455 §5.5.1: "The application MUST NOT send any more data frames after
// sending a Close frame", so a message that is still on its way to the loop
// then is to be thrown away.
//
// For the engine; on the loop.
func (c *Conn) CloseSent() bool { return c.current() >= stateSent }

// Held returns the octets of buffer that c owns for an incomplete message.
//
// For the engine; on the loop.
func (c *Conn) Held() int {
	if c.partial == nil {
		return 0
	}
	return cap(c.partial.buf) + cap(c.partial.control)
}

// Incomplete reports whether the peer has begun a frame or a message and not
// finished it, which is what a deadline is for.
//
// For the engine; on the loop.
func (c *Conn) Incomplete() bool { return c.partial != nil }

// Feed handles octets from the peer, cut anywhere. p is borrowed and
// overwritten: messages are unmasked in place, and what is whole in p reaches
// OnMessage without a copy.
//
// For the engine; on the loop.
func (c *Conn) Feed(r *Receiver, p []byte) {
	if c.current() == stateNew {
		panic("BUG: ws: Feed before Opened")
	}
	for len(p) > 0 && !c.Closed() {
		if c.partial == nil {
			p = c.feedWhole(r, p)
		} else {
			p = c.feedPart(r, p)
		}
	}
}

// feedWhole handles the first frame of p if it is whole, and not a fragment,
// and returns what follows it. Otherwise it leaves p to feedPart.
func (c *Conn) feedWhole(r *Receiver, p []byte) (rest []byte) {
	h, n := ConsumeHeader(p)
	if n == 0 || h.Length > uint64(len(p)-n) || !h.Fin() || h.Opcode() == OpContinuation {
		c.partial = r.acquire()
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
		// frame." Our own Close frame does not excuse us.
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
