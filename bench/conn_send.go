package bench

import (
	"bytes"

	"h2ws/engine/frame"
)

// available is how many octets the stream's window has. Negative after INITIAL_WINDOW_SIZE shrank.
func (c *conn) available(s *stream) int64 { return int64(c.peerWindow) + int64(s.send) }

// open sends the request of a new WebSocket, an extended CONNECT, and returns its index. The caller has made sure
// that active < maxStreams.
func (c *conn) open() (i int) {
	c.slots = append(c.slots, 0)
	return c.reopen(len(c.slots) - 1)
}

// reopen is open for a socket whose stream is over, or that has had none on this connection.
func (c *conn) reopen(slot int) (i int) {
	i = len(c.streams)
	c.slots[slot] = uint32(i)
	c.streams = append(c.streams, stream{recv: c.window, slot: uint32(slot), state: opening})
	c.active++
	if c.upgrade != nil {
		c.control(c.upgrade.append(c.out))
		return i
	}
	c.control(c.request.append(c.out, streamID(i)))
	return i
}

// setPath says what the requests to come are for.
func (c *conn) setPath(path string) {
	if c.upgrade != nil {
		c.upgrade.path = path
	} else {
		c.request.setPath(path)
	}
}

// reset gives a stream up.
func (c *conn) reset(i int) {
	c.finish(i)
	c.streams[i].state = dropped
	c.control(frame.AppendRSTStream(c.out, streamID(i), frame.Cancel))
}

// close begins the closing handshake. Its frame carries END_STREAM, as Chromium's does.
func (c *conn) close(i int, code uint16) {
	c.streams[i].state = closing
	c.send(i, opClose, []byte{byte(code >> 8), byte(code)}, true)
}

// send frames and masks a message, or keeps it until the windows have room for it. The payload is
// copied.
func (c *conn) send(i int, op opcode, payload []byte, end bool) {
	s := &c.streams[i]
	size := maskedLen(len(payload))
	key := c.nextKey()
	if c.upgrade != nil {
		c.control(appendMasked(c.out, op, payload, key))
		return
	}
	if c.waiting.len() == 0 && !s.stalled && size <= c.maxFrame &&
		int64(size) <= c.sendWindow && int64(size) <= c.available(s) {
		c.take(i, size, end)
		c.out = appendMasked(c.out, op, payload, key)
		return
	}
	if s.stalled && s.waiting == 0 { // or it goes behind those that wait
		c.stalled[uint32(i)] = append(c.stalled[uint32(i)], pending{uint32(i), end, appendMasked(nil, op, payload, key)})
		return
	}
	c.waiting.pushMessage(uint32(i), end, op, payload, key)
	s.waiting++
	c.pump()
}

// take charges both windows for size octets and appends the header of the DATA frame that holds them.
func (c *conn) take(i, size int, end bool) {
	c.sendWindow -= int64(size)
	c.streams[i].send -= int32(size)
	h := frame.Header{Length: uint32(size), Type: frame.Data, StreamID: streamID(i)}
	if end {
		h.Flags = frame.FlagEndStream
	}
	c.control(frame.AppendHeader(c.out, h))
}

// pump frames what waits, as far as the windows allow. Output that only its stream's window holds back
// leaves the queue, so that it delays no other stream.
func (c *conn) pump() {
	for c.waiting.len() > 0 && c.sendWindow > 0 {
		p := c.waiting.front()
		s := &c.streams[p.stream]
		room := min(c.sendWindow, c.available(s))
		switch {
		case s.state == done || s.state == dropped:
			c.waiting.drop(len(p.b))
			s.waiting--
		case s.stalled || room <= 0:
			s.stalled = true
			c.stalled[p.stream] = append(c.stalled[p.stream], pending{p.stream, p.end, bytes.Clone(p.b)})
			c.waiting.drop(len(p.b))
			s.waiting--
			c.unstall(int(p.stream))
		default:
			n := int(min(room, int64(c.maxFrame), int64(len(p.b))))
			c.take(int(p.stream), n, p.end && n == len(p.b))
			c.out = append(c.out, p.b[:n]...)
			if c.waiting.drop(n); n == len(p.b) {
				s.waiting--
			}
		}
	}
}

// unstall lets the output of a stream compete for the connection's window again, unless some that comes behind it does
// already.
func (c *conn) unstall(i int) {
	s := &c.streams[i]
	if !s.stalled || s.waiting > 0 || c.available(s) <= 0 {
		return
	}
	s.stalled = false
	for _, f := range c.stalled[uint32(i)] {
		c.waiting.push(f)
		s.waiting++
	}
	delete(c.stalled, uint32(i))
}

func (c *conn) unstallAll() {
	for i := range c.stalled {
		c.unstall(int(i))
	}
}

// nextKey returns a masking key. RFC 6455 §10.3 wants keys that an application cannot predict, for the
// sake of broken proxies; here xorshift is random enough.
func (c *conn) nextKey() uint32 {
	c.key ^= c.key << 13
	c.key ^= c.key >> 17
	c.key ^= c.key << 5
	return c.key
}
