package bench

import (
	"bytes"
	"encoding/binary"
)

func filler(size int) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(i * 7)
	}
	return p
}

// check compares a reply with what was sent.
func (e *echo) check(c *conn, i int, m message) error {
	n := e.cl.number(c, i)
	switch {
	case m.op != opBinary:
		return faultf("socket %d: echo has opcode %#x, sent was %#x", n, byte(m.op), byte(opBinary))
	case len(m.data) < e.sizes.least || len(m.data) > e.sizes.most:
		return faultf("socket %d: echo of %d octets, sent were %s", n, len(m.data), e.sizes)
	case binary.BigEndian.Uint32(m.data[4:]) != uint32(n):
		return faultf("socket %d: echo of what was sent on socket %d", n, binary.BigEndian.Uint32(m.data[4:]))
	case binary.BigEndian.Uint32(m.data) != c.streams[i].seen:
		return faultf("socket %d: echo of message %d, expected was %d", n, binary.BigEndian.Uint32(m.data), c.streams[i].seen)
	case !bytes.Equal(m.data[EchoSizeMin:], e.filler[EchoSizeMin:len(m.data)]):
		return faultf("socket %d: echo of message %d differs from what was sent", n, c.streams[i].seen)
	}
	return nil
}
