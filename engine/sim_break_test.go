package engine

import (
	"fmt"

	"h2ws/engine/frame"
	"h2ws/flow"
	"h2ws/ws"
)

// breakConnection breaks a rule whose breaking ends the connection.
func (c *simClient) breakConnection() {
	if c.conn.state >= connLeaving || c.conn.drain != drainNone || c.broken || c.leaving {
		return // much is forgiven at the end
	}
	line := pick(c.s.r,
		`DATA 0 "x"`,
		fmt.Sprintf(`DATA %d "x"`, c.nextID),
		`HEADERS 2 END_HEADERS 0x82`,
		fmt.Sprintf(`HEADERS %d END_HEADERS 0x80`, c.nextID),
		`CONTINUATION 1 END_HEADERS 0x82`,
		`WINDOW_UPDATE 0 increment=2147483647`,
		fmt.Sprintf(`WINDOW_UPDATE %d increment=1`, c.nextID),
		fmt.Sprintf(`RST_STREAM %d CANCEL`, c.nextID),
		`SETTINGS ENABLE_PUSH=2`,
		`SETTINGS INITIAL_WINDOW_SIZE=2147483648`,
		`RAW length=7 type=0x06 flags=0x00 stream=0 0x01020304050607`,
		`RAW length=16385 type=0x00 flags=0x00 stream=1 0x`,
		`RAW length=5 type=0x04 flags=0x00 stream=0 0x0102030405`,
	)
	wire, err := frame.ParseText(line)
	if err != nil {
		panic(err)
	}
	c.s.note("client %d: breaks with %s", c.n, line)
	c.broken = true
	c.up = append(append(c.up, wire...), wire...) // twice: an empty window takes one WINDOW_UPDATE of any size
}

// breakStream breaks a rule whose breaking ends one stream, or the WebSocket on it.
func (c *simClient) breakStream() {
	if c.conn.state >= connLeaving || c.broken || len(c.streams) == 0 {
		return
	}
	cs := c.anyStream()
	if !cs.live() || cs.bad {
		return
	}
	c.s.note("client %d: breaks stream %d", c.n, cs.id)
	switch c.s.r.IntN(5) {
	case 0:
		c.up = append(frame.AppendHeader(c.up, frame.Header{Length: 4, Type: frame.WindowUpdate, StreamID: cs.id}), 0, 0, 0, 0)
	case 1:
		c.up = frame.AppendWindowUpdate(c.up, cs.id, flow.MaxSize)
		c.up = frame.AppendWindowUpdate(c.up, cs.id, flow.MaxSize)
	case 2:
		// A second field block that ends nothing. If the stream is closed by now, it is the connection's error.
		c.fragile = true
		c.sendHeaders(cs.id, false, c.fields([]string{"x-sum", "1"}))
	case 3:
		if !cs.sentEnd || c.sendWindow < 10 {
			return
		}
		c.flights = append(c.flights, simFlight{at: c.at(frame.HeaderLen), data: 10}) // of the stream's window nothing is taken
		c.up = frame.AppendData(c.up, cs.id, 0, make([]byte, 10))
		c.sendWindow -= 10
	default:
		if cs.socket == nil || cs.sentClose || cs.outEnd || !cs.maySend() {
			return
		}
		c.breakWebSocket(cs)
	}
	cs.bad = true
}

// breakWebSocket breaks a rule of RFC 6455, behind everything that waits to be sent.
func (c *simClient) breakWebSocket(cs *simStream) {
	at := len(cs.out)
	cs.out = ws.AppendMasked(cs.out, ws.OpText, 1, c.s.payload(20))
	switch c.s.r.IntN(6) {
	case 0:
		cs.out[at] |= 0x40 // RSV1
	case 1:
		cs.out[at] = 0x83 // reserved opcode
	case 2:
		cs.out[at+1] &^= 0x80 // not masked
	case 3:
		cs.out[at] = 0x80 // continuation of nothing, unless of something
	case 4:
		cs.out[at+6] ^= 0x80 // not UTF-8
	case 5:
		cs.out = append(cs.out[:at], 0x82, 0xff, 0, 0, 0, 0, 0x80, 0, 0, 0, 1, 2, 3, 4) // 2 GiB
	}
	for len(cs.out) > 0 && cs.maySend() && min(c.sendWindow, cs.sendWindow) > 300 {
		c.sendData(cs, true)
	}
}
