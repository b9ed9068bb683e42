package bench

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"h2ws/engine/frame"
)

// recv acts on the whole frames at the start of p and returns how many octets they are. The caller
// presents the rest again, with more behind it. p is borrowed.
func (c *conn) recv(p []byte) (n int, err error) {
	if c.upgrade != nil {
		return c.recvUpgraded(p)
	}
	for {
		h, start := frame.ConsumeHeader(p[n:])
		if start == 0 {
			return n, nil
		}
		if !c.settled {
			if err := recognize(p); err != nil {
				return n, err
			}
		}
		if err := frame.Check(h, frame.MaxPayloadMin); err != nil {
			return n, faultf("%v", err)
		}
		end := n + start + int(h.Length)
		if end > len(p) {
			return n, nil
		}
		if err := c.recvFrame(h, p[n+start:end]); err != nil {
			return n, err
		}
		n = end
	}
}

// recognize looks at the first octets of a server, which may speak something else.
func recognize(p []byte) error {
	switch {
	case bytes.HasPrefix(p, []byte("HTTP/1.")):
		line, _, _ := bytes.Cut(p, []byte("\r\n"))
		return fmt.Errorf("%w: it says %.60q", ErrNotHTTP2, line)
	case bytes.HasPrefix(p, []byte{0x15, 0x03}): // a TLS alert (RFC 8446 §5.1)
		return fmt.Errorf("%w: it answers with a TLS alert", ErrNotHTTP2)
	}
	return nil
}

func (c *conn) recvFrame(h frame.Header, p []byte) error {
	if c.blockFor != 0 && (h.Type != frame.Continuation || h.StreamID != c.blockFor) {
		return faultf("%v on stream %d inside the field block of stream %d (RFC 9113 §4.3)", h.Type, h.StreamID, c.blockFor)
	}
	if !c.settled && h.Type != frame.Settings && h.Type != frame.GoAway {
		return faultf("%v before SETTINGS (RFC 9113 §3.4)", h.Type)
	}
	switch h.Type {
	case frame.Data:
		return c.recvData(h, p)
	case frame.Headers:
		return c.recvHeaders(h, p)
	case frame.Continuation:
		return c.recvContinuation(h, p)
	case frame.RSTStream:
		return c.recvRSTStream(h, p)
	case frame.Settings:
		return c.recvSettings(h, p)
	case frame.Ping:
		return c.recvPing(h, p)
	case frame.GoAway:
		return c.recvGoAway(p)
	case frame.WindowUpdate:
		return c.recvWindowUpdate(h, p)
	case frame.PushPromise:
		return faultf("PUSH_PROMISE after ENABLE_PUSH=0 (RFC 9113 §6.6)")
	}
	return nil // PRIORITY and what the RFC tells us to ignore
}

// recvData charges both windows for the whole payload, padding included (RFC 9113 §6.9.1), and
// consumes it at once.
func (c *conn) recvData(h frame.Header, p []byte) error {
	i, err := c.index(h)
	if err != nil {
		return err
	}
	s := &c.streams[i]
	size := int32(len(p))
	if s.state == dropped {
		c.recvWindow -= size
		c.sendConnCredit()
		return nil
	}
	if s.state == done || s.state == opening {
		return faultf("DATA on stream %d, which is not open", h.StreamID)
	}
	if size > c.recvWindow || size > s.recv {
		return faultf("DATA of %d octets on stream %d, whose window has %d and its connection's %d (RFC 9113 §6.9)",
			size, h.StreamID, s.recv, c.recvWindow)
	}
	c.recvWindow -= size
	s.recv -= size
	c.sendCredit(h, s)
	if h.Flags.Has(frame.FlagPadded) {
		n, err := frame.DataLen(h, p[0])
		if err != nil {
			return faultf("%v", err)
		}
		p = p[1 : 1+n]
	}
	if err := c.feed(i, p); err != nil {
		return err
	}
	if h.Flags.Has(frame.FlagEndStream) {
		return c.recvEndStream(i)
	}
	return nil
}

// sendCredit announces what was consumed, half a window at a time.
func (c *conn) sendCredit(h frame.Header, s *stream) {
	c.sendConnCredit()
	if s.recv <= c.window/2 && !s.uncredited && !h.Flags.Has(frame.FlagEndStream) {
		c.control(frame.AppendWindowUpdate(c.out, h.StreamID, uint32(c.window-s.recv)))
		s.recv = c.window
	}
}

func (c *conn) sendConnCredit() {
	if c.recvWindow <= connWindow/2 {
		c.control(frame.AppendWindowUpdate(c.out, 0, uint32(connWindow-c.recvWindow)))
		c.recvWindow = connWindow
	}
}

// grant gives the server credit of n octets on stream i, at most up to a whole window.
func (c *conn) grant(i int, n int32) {
	s := &c.streams[i]
	n = min(n, c.window-s.recv)
	if n > 0 && s.state == open {
		c.control(frame.AppendWindowUpdate(c.out, streamID(i), uint32(n)))
		s.recv += n
	}
}

// feed acts on the messages in the data of one stream. What follows the last whole one is kept.
func (c *conn) feed(i int, p []byte) error {
	if c.streams[i].state == refused {
		c.recvRefusal(p)
		return nil
	}
	var memory []byte
	if c.streams[i].partial {
		memory = append(c.partials[uint32(i)], p...)
		p = memory
	}
	for {
		m, n, err := consumeMessage(p)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if err := c.recvMessage(i, m); err != nil {
			return err
		}
		p = p[n:]
	}
	c.keep(i, memory, p)
	return nil
}

// keep stores the beginning of a message. It is the end of memory, if that is not empty, which held an
// earlier part of the stream.
func (c *conn) keep(i int, memory, rest []byte) {
	s := &c.streams[i]
	switch {
	case len(rest) == 0 && !s.partial:
		return
	case len(rest) == 0:
		delete(c.partials, uint32(i))
		if len(c.spare) < cap(c.spare) { // see conn.spare
			c.spare = append(c.spare, memory[:0])
		}
	case len(rest) < len(memory):
		c.partials[uint32(i)] = memory[:copy(memory, rest)]
	case len(memory) > 0:
		c.partials[uint32(i)] = memory
	default:
		var fresh []byte
		if n := len(c.spare); n > 0 {
			fresh, c.spare = c.spare[n-1], c.spare[:n-1]
		}
		c.partials[uint32(i)] = append(fresh, rest...)
	}
	s.partial = len(rest) > 0
}

func (c *conn) recvMessage(i int, m message) error {
	s := &c.streams[i]
	if s.closed {
		return faultf("WebSocket frame after Close on stream %d (RFC 6455 §5.5.1)", streamID(i))
	}
	if !m.fin || m.op == opContinuation || m.op < opClose && c.fragmented(i) {
		return c.recvFragment(i, m)
	}
	switch m.op {
	case opText, opBinary:
		if s.state == closing {
			return nil // on its way when we sent Close
		}
		return c.tell().message(c, i, m)
	case opPing:
		if s.state == open {
			c.send(i, opPong, m.data, false)
		}
		return nil
	case opPong:
		return nil
	case opClose:
		return c.recvClose(i, m.data)
	}
	return faultf("WebSocket opcode %#x on stream %d (RFC 6455 §5.2)", byte(m.op), streamID(i))
}

// recvClose ends the closing handshake that the client began, or answers the server's. The stream
// stays counted until END_STREAM.
func (c *conn) recvClose(i int, payload []byte) error {
	s := &c.streams[i]
	s.closed = true
	if s.state == closing {
		return nil
	}
	s.state = closing
	c.send(i, opClose, payload[:min(2, len(payload))], true)
	e := &ClosedError{Stream: streamID(i), Code: 1005}
	if len(payload) >= 2 {
		e.Code = binary.BigEndian.Uint16(payload)
		e.Reason = string(payload[2:])
	}
	return c.tell().closed(c, i, e)
}

func (c *conn) recvEndStream(i int) error {
	s := &c.streams[i]
	state, closed := s.state, s.closed
	c.finish(i)
	switch {
	case state == refused:
		return c.refusal
	case state == closing && closed:
		return c.tell().closed(c, i, nil)
	default:
		return c.tell().closed(c, i, &ClosedError{Stream: streamID(i), Code: 1006})
	}
}

// finish ends the stream, which frees a place for another, and drops what waits to be sent on it.
func (c *conn) finish(i int) {
	s := &c.streams[i]
	s.state = done
	c.active--
	delete(c.stalled, uint32(i))
	delete(c.partials, uint32(i))
	delete(c.fragments, uint32(i))
	s.stalled, s.partial = false, false
}

func (c *conn) recvRSTStream(h frame.Header, p []byte) error {
	i, err := c.index(h)
	if err != nil {
		return err
	}
	// A reset may follow END_STREAM: the stream is over either way.
	if c.streams[i].state == done || c.streams[i].state == dropped {
		return nil
	}
	c.finish(i)
	return c.tell().closed(c, i, &ResetError{Stream: h.StreamID, Code: frame.ParseRSTStream(p)})
}

func (c *conn) recvPing(h frame.Header, p []byte) error {
	if !h.Flags.Has(frame.FlagAck) {
		c.control(frame.AppendPing(c.out, true, frame.ParsePing(p)))
	}
	return nil
}

func (c *conn) recvGoAway(p []byte) error {
	last, code, debug := frame.ParseGoAway(p)
	return &GoAwayError{Last: last, Code: code, Debug: string(debug)}
}

// control takes out with a frame appended to it.
func (c *conn) control(out []byte) {
	c.out = out
	c.wakeUp()
}
