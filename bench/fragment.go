package bench

// fragments is a message that the server has sent the beginning of (RFC 6455 §5.4).
type fragments struct {
	op   opcode
	data []byte
}

// fragmented says whether stream i is in the middle of a message.
func (c *conn) fragmented(i int) bool {
	_, ok := c.fragments[uint32(i)]
	return ok
}

// recvFragment collects a message that comes in several frames. m is one of them, or comes among them.
func (c *conn) recvFragment(i int, m message) error {
	begun, pending := c.fragments[uint32(i)]
	switch {
	case m.op >= opClose:
		return faultf("fragmented control frame on stream %d (RFC 6455 §5.5)", streamID(i))
	case m.op == opContinuation && !pending:
		return faultf("continuation of no message on stream %d (RFC 6455 §5.4)", streamID(i))
	case m.op != opContinuation && pending:
		return faultf("a message inside a fragmented one on stream %d (RFC 6455 §5.4)", streamID(i))
	case len(begun.data)+len(m.data) > messageBytesMax:
		return errHuge
	}
	if !pending {
		begun.op = m.op
	}
	begun.data = append(begun.data, m.data...)
	if !m.fin {
		c.fragments[uint32(i)] = begun
		return nil
	}
	delete(c.fragments, uint32(i))
	return c.recvMessage(i, message{op: begun.op, fin: true, data: begun.data})
}
