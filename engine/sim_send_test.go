package engine

import (
	"fmt"

	"golang.org/x/net/http2/hpack"

	"h2ws/engine/frame"
	"h2ws/flow"
	"h2ws/ws"
)

// act is something that the client does of its own accord.
func (c *simClient) act() {
	if c.conn.state >= connLeaving || c.broken {
		return
	}
	if len(c.streams) == 0 || c.s.r.IntN(100) < 8 {
		c.openStream()
		return
	}
	cs := c.anyStream()
	switch n := c.s.r.IntN(100); {
	case n < 35:
		c.speak(cs)
	case n < 65:
		c.sendData(cs, c.s.r.IntN(5) > 0)
	case n < 80:
		c.sendCredit(cs)
	case n < 87:
		c.sendSettings()
	case n < 90:
		c.sendPing()
	case n < 92:
		c.sendReset(cs)
	case n < 97:
		c.end(cs)
	default:
		c.sendNoise(cs)
	}
}

// anyStream prefers those that are open.
func (c *simClient) anyStream() *simStream {
	cs := pick(c.s.r, c.streams...)
	for range 4 {
		if cs.live() {
			return cs
		}
		cs = c.streams[max(0, len(c.streams)-1-c.s.r.IntN(20))]
	}
	return cs
}

// at is the position in up behind n more octets.
func (c *simClient) at(n int) int { return c.consumed + len(c.up) + n }

// openStream opens a stream: mostly for a WebSocket that the application accepts.
func (c *simClient) openStream() {
	if c.goaway || c.leaving {
		return
	}
	cs := &simStream{id: c.nextID, sendWindow: c.peerInitial, others: c.liveStreams()}
	c.nextID += 2
	c.streams = append(c.streams, cs)
	fields := []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "example.com",
		":path", fmt.Sprintf("/%d", len(c.s.sockets)), "sec-websocket-version", "13"}
	end := false
	switch n := c.s.r.IntN(20); n {
	case 0:
		fields[len(fields)-1] = "8"
	case 1:
		end = true
	case 2:
		fields, end = []string{":method", "GET", ":scheme", "http", ":authority", "example.com", ":path", "/"}, true
	case 3:
		fields = []string{":method", "POST", ":scheme", "http", ":authority", "example.com", ":path", "/"}
		cs.out, cs.outEnd = make([]byte, c.s.size(30_000)), true
	case 4:
		fields, end = []string{":method", "HEAD", ":scheme", "http", ":authority", "example.com", ":path", "/"}, true
	case 5:
		fields = []string{":method", "CONNECT", ":authority", "example.com:80"}
	default:
		cs.socket = &simSocket{s: c.s, client: c, cs: cs, reject: n == 6}
		c.s.sockets = append(c.s.sockets, cs.socket)
	}
	cs.sentEnd, cs.whole = end, end
	c.s.note("client %d: opens stream %d: %v", c.n, cs.id, fields[:4])
	c.sendHeaders(cs.id, end, c.fields(fields))
}

func (c *simClient) fields(list []string) []byte {
	c.encb.Reset()
	for i := 0; i < len(list); i += 2 {
		c.enc.WriteField(hpack.HeaderField{Name: list[i], Value: list[i+1]})
	}
	return []byte(c.encb.String())
}

// sendHeaders sends a field block in up to four frames.
func (c *simClient) sendHeaders(id uint32, end bool, block []byte) {
	var flags frame.Flags
	if end {
		flags = frame.FlagEndStream
	}
	cut := len(block)
	if c.s.r.IntN(4) == 0 {
		cut = c.s.r.IntN(len(block) + 1)
	}
	if cut == len(block) {
		c.up = frame.AppendHeaders(c.up, id, flags|frame.FlagEndHeaders, block)
		return
	}
	c.up = frame.AppendHeaders(c.up, id, flags, block[:cut])
	for range 2 {
		if n := c.s.r.IntN(len(block) - cut); n > 0 {
			c.up = frame.AppendContinuation(c.up, id, 0, block[cut:cut+n])
			cut += n
		}
	}
	c.up = frame.AppendContinuation(c.up, id, frame.FlagEndHeaders, block[cut:])
}

func (cs *simStream) maySend() bool {
	return !cs.sentEnd && !cs.sentReset && !cs.gotReset && !cs.bad
}

// speak puts a message, in any number of fragments with pings between them, or a ping into the stream.
func (c *simClient) speak(cs *simStream) {
	r := c.s.r
	if cs.socket == nil || !cs.maySend() || cs.sentClose || cs.outEnd || len(cs.out) > 200_000 {
		return
	}
	if cs.status == 0 && r.IntN(10) > 0 {
		return // most wait for the answer
	}
	if r.IntN(5) == 0 {
		c.ping(cs)
		return
	}
	data := c.s.payload(c.s.size(c.s.core.limits.MessageSize))
	cs.socket.toServer = append(cs.socket.toServer, data)
	op := pick(r, ws.OpText, ws.OpBinary)
	for r.IntN(3) == 0 && len(data) > 0 {
		n := r.IntN(len(data))
		at := len(cs.out)
		cs.out = ws.AppendMasked(cs.out, op, r.Uint32(), data[:n])
		cs.out[at] &^= 0x80 // not FIN
		data, op = data[n:], ws.OpContinuation
		if r.IntN(3) == 0 {
			c.ping(cs)
		}
	}
	cs.out = ws.AppendMasked(cs.out, op, r.Uint32(), data)
}

func (c *simClient) ping(cs *simStream) {
	p := string(c.s.payload(8 + c.s.r.IntN(118)))
	op := ws.OpPong
	if c.s.r.IntN(4) > 0 {
		op = ws.OpPing
		cs.wsPings = append(cs.wsPings, p)
	}
	cs.out = ws.AppendMasked(cs.out, op, c.s.r.Uint32(), []byte(p))
}

// sendData sends some of the stream's octets, as much as the windows allow, perhaps padded.
func (c *simClient) sendData(cs *simStream, all bool) {
	if !cs.maySend() || len(cs.out) == 0 && !cs.outEnd {
		return
	}
	room := min(c.sendWindow, cs.sendWindow, frame.MaxPayloadMin)
	pad := int64(0)
	if c.s.r.IntN(4) == 0 {
		pad = 1 + c.s.r.Int64N(256) // the Pad Length octet included
	}
	if room < pad || len(cs.out) > 0 && room == pad {
		return
	}
	n := min(len(cs.out), int(room-pad))
	if !all {
		n = c.s.r.IntN(n + 1)
	}
	h := frame.Header{Length: uint32(n) + uint32(pad), Type: frame.Data, StreamID: cs.id}
	if cs.outEnd && n == len(cs.out) {
		h.Flags |= frame.FlagEndStream
		cs.sentEnd = true
	}
	if pad > 0 {
		h.Flags |= frame.FlagPadded
	}
	c.flights = append(c.flights, simFlight{at: c.at(frame.HeaderLen), id: cs.id, data: int64(h.Length)})
	c.up = frame.AppendHeader(c.up, h)
	if pad > 0 {
		c.up = append(c.up, byte(pad-1))
	}
	c.up = append(c.up, cs.out[:n]...)
	c.up = append(c.up, make([]byte, max(0, pad-1))...)
	cs.out = cs.out[n:]
	c.sendWindow -= int64(h.Length)
	cs.sendWindow -= int64(h.Length)
}

// sendCredit opens a window: often by very little, never beyond its maximum.
func (c *simClient) sendCredit(cs *simStream) {
	n := pick(c.s.r, 1, 100, 1023, 1024, 5000, 50_000, 300_000)
	n = 1 + c.s.r.IntN(n)
	if c.s.r.IntN(2) == 0 && c.recvWindow < 1<<22 {
		c.grant(0, n)
	} else if cs.recvGrant < 1<<22 && cs.live() {
		c.grant(cs.id, n)
	}
}

func (c *simClient) grant(id uint32, n int) {
	c.up = frame.AppendWindowUpdate(c.up, id, uint32(n))
	c.flights = append(c.flights, simFlight{at: c.at(0), id: id, credit: int64(n)})
	if id == 0 {
		c.recvWindow += int64(n)
	} else {
		c.find(id).recvGrant += int64(n)
	}
}

// sendSettings changes the base of all streams' windows, perhaps more than once.
func (c *simClient) sendSettings() {
	list := []frame.Setting{{ID: frame.EnablePush, Value: 0}}
	last := c.lastInitial()
	for range c.s.r.IntN(3) {
		last = pick[int64](c.s.r, 0, 1, 100, 1023, 1024, 5000, 20_000, flow.InitialSize, 1<<20)
		list = append(list, frame.Setting{ID: frame.InitialWindowSize, Value: uint32(last)})
		if last > 0 && (c.smallest == 0 || int32(last) < c.smallest) {
			c.smallest = int32(last)
		}
	}
	c.settings = append(c.settings, last)
	c.up = frame.AppendSettings(c.up, list...)
}

// lastInitial is our INITIAL_WINDOW_SIZE, acknowledged or not.
func (c *simClient) lastInitial() int64 {
	if n := len(c.settings); n > 0 {
		return c.settings[n-1]
	}
	return c.initial
}

func (c *simClient) sendPing() {
	data := [8]byte(c.s.payload(8))
	c.pings = append(c.pings, data)
	c.up = frame.AppendPing(c.up, false, data)
}

func (c *simClient) sendReset(cs *simStream) {
	if !cs.live() {
		return
	}
	cs.sentReset = true
	c.up = frame.AppendRSTStream(c.up, cs.id, frame.Cancel)
}

// end takes the next step towards the end of the stream, not always the one that a good client takes.
func (c *simClient) end(cs *simStream) {
	if !cs.maySend() || cs.outEnd {
		return
	}
	switch n := c.s.r.IntN(10); {
	case cs.socket != nil && !cs.sentClose && (cs.gotClose || n < 3):
		c.sendClose(cs)
	case cs.sentClose || n < 4:
		c.sendEnd(cs)
	}
}

func (c *simClient) sendClose(cs *simStream) {
	cs.sentClose = true
	cs.out = ws.AppendMasked(cs.out, ws.OpClose, c.s.r.Uint32(), ws.AppendClose(nil, simCodeClient, "bye"))
	cs.outEnd = c.s.r.IntN(2) == 0
}

// sendEnd ends our side.
func (c *simClient) sendEnd(cs *simStream) {
	cs.outEnd = true
	c.sendData(cs, true)
}

// sendNoise is what must be ignored.
func (c *simClient) sendNoise(cs *simStream) {
	switch r := c.s.r; r.IntN(4) {
	case 0:
		c.up = frame.AppendPriority(c.up, cs.id, 0, false, 15)
	case 1:
		c.up = frame.AppendPriority(c.up, c.nextID+100, 0, false, 15) // idle
	case 2:
		n := r.IntN(40)
		c.up = frame.AppendHeader(c.up, frame.Header{Length: uint32(n), Type: 0x10 + frame.Type(r.IntN(200)), StreamID: cs.id})
		c.up = append(c.up, make([]byte, n)...)
	default:
		if cs.gotEnd && cs.sentEnd || cs.gotReset {
			c.up = frame.AppendWindowUpdate(c.up, cs.id, 1) // closed
		}
	}
}

func (c *simClient) sendGoAway() {
	if c.conn.state >= connLeaving || !c.greeted || c.broken {
		return
	}
	c.leaving = true
	c.up = frame.AppendGoAway(c.up, 0, frame.NoError, nil)
}
