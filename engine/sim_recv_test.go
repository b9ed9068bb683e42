package engine

import (
	"encoding/binary"
	"fmt"
	"math"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// recvFrame takes one frame from the server and reports whether there was one.
func (c *simClient) recvFrame() bool {
	h, n := frame.ConsumeHeader(c.in)
	if n == 0 || len(c.in) < n+int(h.Length) {
		return false
	}
	p := c.in[n : n+int(h.Length)]
	c.in = c.in[n+int(h.Length):]
	if h.Length > frame.MaxPayloadMin || frame.Check(h, frame.MaxPayloadMin) != nil {
		c.failf("frame %+v", h)
	}
	if !c.greeted && (h.Type != frame.Settings || h.Flags.Has(frame.FlagAck)) {
		c.failf("%v comes before SETTINGS", h.Type)
	}
	c.s.note("client %d: received %s", c.n, trim(frame.AppendText(nil, h, p)))
	switch h.Type {
	case frame.Settings:
		c.recvSettings(h, p)
	case frame.Ping:
		c.recvPing(h, p)
	case frame.GoAway:
		c.recvGoAway(p)
	case frame.WindowUpdate:
		c.recvWindowUpdate(h.StreamID, int64(binary.BigEndian.Uint32(p)))
	case frame.Headers:
		c.recvHeaders(c.find(h.StreamID), h, p)
	case frame.Data:
		c.recvData(c.find(h.StreamID), h, p)
	case frame.RSTStream:
		c.recvReset(c.find(h.StreamID), frame.ParseRSTStream(p))
	default:
		c.failf("the server sends %v", h.Type)
	}
	return true
}

func trim(b []byte) []byte { return b[:min(len(b), 100)] }

func (c *simClient) recvSettings(h frame.Header, p []byte) {
	if h.Flags.Has(frame.FlagAck) {
		if len(c.settings) == 0 {
			c.failf("SETTINGS ACK for nothing")
		}
		c.initial, c.settings = c.settings[0], c.settings[1:]
		return
	}
	if c.greeted {
		c.failf("SETTINGS again")
	}
	c.greeted = true
	for len(p) > 0 {
		var set frame.Setting
		if set, p = frame.ParseSetting(p); set.ID == frame.InitialWindowSize {
			for _, cs := range c.streams {
				cs.sendWindow += int64(set.Value) - c.peerInitial
			}
			c.peerInitial = int64(set.Value)
		}
	}
	c.up = frame.AppendSettingsAck(c.up)
}

func (c *simClient) recvPing(h frame.Header, p []byte) {
	data := frame.ParsePing(p)
	if !h.Flags.Has(frame.FlagAck) {
		c.up = frame.AppendPing(c.up, true, data)
		return
	}
	if len(c.pings) == 0 || c.pings[0] != data {
		c.failf("PING ACK %x, expected %x", data, c.pings)
	}
	c.pings = c.pings[1:]
}

func (c *simClient) recvGoAway(p []byte) {
	last, code, debug := frame.ParseGoAway(p)
	c.goaway = true
	switch {
	case code != frame.NoError && !c.broken && !c.fragile && c.s.timely:
		c.failf("GOAWAY %v %s", code, debug)
	case code == frame.NoError && last != math.MaxInt32 && int(last) > 2*len(c.streams):
		c.failf("GOAWAY with last stream %d", last)
	}
}

func (c *simClient) recvWindowUpdate(id uint32, increment int64) {
	if id == 0 {
		c.sendWindow += increment
		if c.sendWindow > int64(c.s.core.limits.ConnWindow) {
			c.failf("may send %d on the connection", c.sendWindow)
		}
		return
	}
	cs := c.find(id)
	if cs.gotReset || cs.status == 0 {
		c.failf("stream %d: WINDOW_UPDATE after RST_STREAM or before HEADERS", id)
	}
	cs.sendWindow += increment
	if cs.sendWindow > int64(c.s.core.limits.StreamWindow) {
		c.failf("stream %d: may send %d", id, cs.sendWindow)
	}
}

func (c *simClient) recvHeaders(cs *simStream, h frame.Header, p []byte) {
	if cs.status != 0 || cs.gotReset {
		c.failf("stream %d: HEADERS again, or after RST_STREAM", cs.id)
	}
	fields, err := c.dec.DecodeFull(p)
	if err != nil || len(fields) == 0 || fields[0].Name != ":status" {
		c.failf("stream %d: fields %v: %v", cs.id, fields, err)
	}
	fmt.Sscan(fields[0].Value, &cs.status)
	k := cs.socket
	if cs.status == 503 && !k.unavailable() || cs.status != 503 && (cs.status == 200) != (k != nil && !k.reject) {
		c.failf("stream %d: status %d", cs.id, cs.status)
	}
	c.recvEnd(cs, h)
}

// recvData checks a DATA frame against both windows, and that it is worth its header.
func (c *simClient) recvData(cs *simStream, h frame.Header, p []byte) {
	if cs.status == 0 || cs.gotEnd || cs.gotReset {
		c.failf("stream %d: DATA before HEADERS, after END_STREAM or after RST_STREAM", cs.id)
	}
	n := int64(len(p))
	c.recvWindow -= n
	cs.recvGrant -= n
	if n > 0 && (c.recvWindow < 0 && !c.broken || c.initial+cs.recvGrant < 0 && !cs.bad) {
		c.failf("stream %d: %d octets leave windows of %d and %d", cs.id, n, c.recvWindow, c.initial+cs.recvGrant)
	}
	if n == 0 && !h.Flags.Has(frame.FlagEndStream) {
		c.failf("stream %d: DATA with nothing", cs.id)
	}
	if cs.status == 200 {
		cs.in = append(cs.in, p...)
		finished := 0
		for c.recvWSFrame(cs) {
			finished++
		}
		long := segment{b: make([]byte, dribbleMin)} // as the smallest part of one
		if n > 0 && n < int64(long.least(c.smallest)) && finished == 0 {
			c.failf("stream %d: %d octets that finish nothing", cs.id, n)
		}
	}
	c.recvEnd(cs, h)
}

func (c *simClient) recvEnd(cs *simStream, h frame.Header) {
	if !h.Flags.Has(frame.FlagEndStream) {
		return
	}
	cs.gotEnd = true
	if k := cs.socket; cs.status == 200 && cs.delivered != len(k.accepted) && !k.slow {
		c.failf("stream %d: END_STREAM ahead of %d messages", cs.id, len(k.accepted)-cs.delivered)
	}
	if len(cs.in) > 0 || cs.status == 200 && !cs.gotClose && !cs.sentEnd {
		c.failf("stream %d: END_STREAM without Close, or within a frame: %d octets", cs.id, len(cs.in))
	}
}

// ending reports whether somebody has begun to end the stream, so that CloseTimeout runs.
func (cs *simStream) ending() bool {
	k := cs.socket
	return k == nil || k.reject || cs.status >= 300 || cs.gotClose || cs.sentClose || cs.sentEnd || k.asked || k.slow || k.panicked
}

func (c *simClient) recvReset(cs *simStream, code frame.ErrCode) {
	switch {
	case cs.bad || cs.gotReset || cs.sentReset:
	case code == frame.RefusedStream && cs.status == 0 && cs.others >= int(c.s.core.limits.MaxConcurrentStreams):
	case code == frame.NoError && cs.gotEnd && !cs.whole:
	case code == frame.Cancel && cs.pinged && c.s.core.limits.SocketPongTimeout != never:
	case code == frame.Cancel && c.s.core.limits.CloseTimeout != never && (c.goaway || cs.ending() || cs.socket.closed > 0):
	default:
		c.failf("stream %d: RST_STREAM %v", cs.id, code)
	}
	cs.gotReset = true
}

// recvWSFrame takes one WebSocket frame from the server and reports whether there was one.
func (c *simClient) recvWSFrame(cs *simStream) bool {
	h, n := ws.ConsumeHeader(cs.in)
	if n == 0 || h.Length > uint64(len(cs.in)-n) {
		return false
	}
	p := cs.in[n : n+int(h.Length)]
	cs.in = cs.in[n+int(h.Length):]
	if cs.gotClose && h.Opcode() != ws.OpPong || h.Masked || !h.Fin() || h.RSV() != 0 {
		c.failf("stream %d: frame %+v, after Close: %t", cs.id, h, cs.gotClose)
	}
	switch h.Opcode() {
	case ws.OpText, ws.OpBinary:
		c.recvMessage(cs, p)
	case ws.OpPong:
		c.recvPong(cs, string(p))
	case ws.OpPing:
		c.recvSocketPing(cs, p)
	case ws.OpClose:
		c.recvClose(cs, ws.CloseCode(binary.BigEndian.Uint16(p)))
	default:
		c.failf("stream %d: opcode %d", cs.id, h.Opcode())
	}
	return true
}

func (c *simClient) recvMessage(cs *simStream, p []byte) {
	accepted := cs.socket.accepted
	if cs.delivered == len(accepted) || string(p) != string(accepted[cs.delivered]) {
		c.failf("stream %d: message %d of %d accepted is %.40q", cs.id, cs.delivered, len(accepted), p)
	}
	accepted[cs.delivered] = nil // or long runs keep everything
	cs.delivered++
}

// recvSocketPing is a ping of the server's. Not every client answers.
func (c *simClient) recvSocketPing(cs *simStream, p []byte) {
	cs.pinged = true
	if len(p) > 0 || c.s.core.limits.SocketPingInterval == never {
		c.failf("stream %d: ping %q", cs.id, p)
	}
	if cs.maySend() && !cs.sentClose && !cs.outEnd && c.s.r.IntN(5) > 0 {
		cs.out = ws.AppendMasked(cs.out, ws.OpPong, c.s.r.Uint32(), p)
	}
}

// recvPong: pings may stay unanswered when later ones are, and answers come in order.
func (c *simClient) recvPong(cs *simStream, p string) {
	for i, ping := range cs.wsPings {
		if ping == p {
			cs.wsPings = cs.wsPings[i+1:]
			return
		}
	}
	c.failf("stream %d: pong %q answers none of %q", cs.id, p, cs.wsPings)
}

// recvClose checks that the Close says why, and comes behind all that was accepted.
func (c *simClient) recvClose(cs *simStream, code ws.CloseCode) {
	k := cs.socket
	cs.gotClose = true
	if cs.delivered != len(k.accepted) && !k.slow {
		c.failf("stream %d: Close %d ahead of %d messages", cs.id, code, len(k.accepted)-cs.delivered)
	}
	switch {
	case code == simCodeApp && k.asked:
	case code == ws.CloseGoingAway && c.conn.drain != drainNone:
	case code == simCodeClient && cs.sentClose:
	case code == ws.ClosePolicyViolation && k.slow:
	case code == ws.CloseInternalError && k.panicked:
	case code == ws.CloseTryAgainLater && c.s.core.limits.AssemblySize < 1<<20:
		cs.bad = true
	case cs.bad:
	default:
		c.failf("stream %d: Close %d, asked %t, slow %t, panicked %t", cs.id, code, k.asked, k.slow, k.panicked)
	}
}
