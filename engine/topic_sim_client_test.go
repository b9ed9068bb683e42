package engine

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/http2/hpack"

	"h2ws/engine/frame"
	"h2ws/flow"
	"h2ws/ws"
)

// fanClient is a connection and the client at its other end. It looks at what the server frames at once, so that every
// octet is accounted for in the turn that frames it; what it says itself may take its time.
//
//	0 <= window; 0 <= initial + granted - sent of a stream, whenever DATA is sent on it
type fanClient struct {
	f    *fan
	n    int
	core *fanCore
	conn *conn
	room int // octets the server's socket takes; negative: any number

	tapping bool
	tapped  int    // octets of the gather that were looked at
	in      []byte // of a frame that is not whole

	up []fanFrame // on its way to the server

	enc  *hpack.Encoder
	encb strings.Builder

	streams []*fanStream
	window  int64 // of the connection, as the server knows it
	initial int64 // INITIAL_WINDOW_SIZE, likewise
	removed bool
}

// fanFrame is a frame on its way to the server, and what it does there.
type fanFrame struct {
	octets []byte
	done   func()
}

// fanStream is a stream as the client sees it.
type fanStream struct {
	id            uint32
	socket        *fanSocket
	granted, sent int64
	in            []byte // of a WebSocket frame
	open          bool   // :status 200 has come
	sentClose     bool
	gotClose      bool
	sentEnd       bool
	gotEnd        bool
	reset         bool // by the client
	gotReset      bool
	ping, pong    string // the last of each
}

func (c *fanClient) failf(format string, args ...any) {
	c.f.failf("client %d: "+format, append([]any{c.n}, args...)...)
}

func (f *fan) dial() *fanClient {
	k := pick(f.r, f.cores...)
	c := &fanClient{f: f, n: f.step<<4 | len(f.clients), core: k, room: -1, window: flow.InitialSize, initial: flow.InitialSize}
	c.conn = newConn(k.core, netip.MustParseAddrPort("192.0.2.1:4711"))
	c.conn.streams.seed = [2]uint64{f.r.Uint64(), f.r.Uint64() | 1}
	c.enc = hpack.NewEncoder(&c.encb)
	c.say([]byte(frame.Preface), nil)
	c.sendSettings()
	c.say(frame.AppendSettingsAck(nil), nil)
	for range 1 + f.r.IntN(8) {
		c.openStream()
	}
	return c
}

func (c *fanClient) say(octets []byte, done func()) { c.up = append(c.up, fanFrame{octets, done}) }

func (c *fanClient) find(id uint32) *fanStream {
	if id%2 == 0 || int(id/2) >= len(c.streams) {
		c.failf("the server speaks of stream %d", id)
	}
	return c.streams[id/2]
}

// over reports whether nothing more can come of c.
func (c *fanClient) over() bool { return c.removed && c.conn.gone() }

// act is something that the client or its network does.
func (c *fanClient) act() {
	if c.conn.state >= connLeaving {
		return
	}
	st := pick(c.f.r, c.streams...)
	switch n := c.f.r.IntN(100); {
	case n < 8 && len(c.streams) < 20:
		c.openStream()
	case n < 30:
		c.room = pick(c.f.r, 0, c.f.r.IntN(3000), -1, -1)
		c.conn.touch() // as EPOLLOUT does
	case n < 45:
		c.grant(0, 1+c.f.r.IntN(pick(c.f.r, 100, 2000, 100_000)))
	case n < 75:
		c.grant(st.id, 1+c.f.r.IntN(pick(c.f.r, 100, 2000, 100_000)))
	case n < 82:
		c.sendSettings()
	case n < 90:
		c.sendPing(st)
	case !c.f.gentle:
		c.end(st)
	}
}

func (c *fanClient) openStream() {
	f := c.f
	k := &fanSocket{f: f, n: len(f.sockets), client: c, id: uint32(2*len(c.streams) + 1), told: -1}
	for _, t := range subset(f.r, f.topics) {
		k.topics = append(k.topics, t.t)
	}
	if !f.gentle && f.r.IntN(2) == 0 {
		q := f.queue()
		k.queue = &q
	}
	if f.r.IntN(4) == 0 {
		k.stats = new(ws.ConnStats)
	}
	n := len(f.topics)
	k.posted, k.member, k.expect = make([][][]*fanMessage, n), make([]bool, n), make([][]*fanMessage, n)
	k.got, k.lost = make([]int, n), make([]int, n)
	f.sockets = append(f.sockets, k)
	c.streams = append(c.streams, &fanStream{id: k.id, socket: k})
	c.encb.Reset()
	for _, field := range [][2]string{{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"},
		{":authority", "example.com"}, {":path", fmt.Sprintf("/%d", k.n)}, {"sec-websocket-version", "13"}} {
		c.enc.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	c.say(frame.AppendHeaders(nil, k.id, frame.FlagEndHeaders, []byte(c.encb.String())), nil)
}

// grant opens a window, of the connection or of a stream.
func (c *fanClient) grant(id uint32, n int) {
	if id == 0 {
		if c.window < 1<<24 {
			c.say(frame.AppendWindowUpdate(nil, 0, uint32(n)), func() { c.window += int64(n) })
		}
		return
	}
	if st := c.find(id); st.granted-st.sent < 1<<24 && !st.reset {
		c.say(frame.AppendWindowUpdate(nil, id, uint32(n)), func() { st.granted += int64(n) })
	}
}

func (c *fanClient) sendSettings() {
	size := pick(c.f.r, 0, 100, 1023, 1024, 5000, 20_000, flow.InitialSize, flow.InitialSize, 1<<20, 1<<20)
	c.setInitial(size)
}

func (c *fanClient) setInitial(size int) {
	c.say(frame.AppendSettings(nil, frame.Setting{ID: frame.InitialWindowSize, Value: uint32(size)}), func() {
		c.initial = int64(size)
		c.f.note("client %d: INITIAL_WINDOW_SIZE %d", c.n, size)
	})
}

func (st *fanStream) maySend() bool {
	return st.open && !st.sentEnd && !st.sentClose && !st.reset && !st.gotReset
}

func (c *fanClient) sendPing(st *fanStream) {
	if !st.maySend() {
		return
	}
	st.ping = fmt.Sprint("ping ", c.f.r.Uint32())
	c.say(frame.AppendData(nil, st.id, 0, ws.AppendMasked(nil, ws.OpPing, c.f.r.Uint32(), []byte(st.ping))), nil)
}

// end ends a stream in one of the ways there are.
func (c *fanClient) end(st *fanStream) {
	if !st.maySend() {
		return
	}
	c.f.note("client %d: ends stream %d", c.n, st.id)
	flags := frame.Flags(0)
	switch c.f.r.IntN(4) {
	case 0:
		st.reset = true
		c.say(frame.AppendRSTStream(nil, st.id, frame.Cancel), nil)
	case 1:
		st.sentEnd = true
		c.say(frame.AppendData(nil, st.id, frame.FlagEndStream, nil), nil)
	case 2:
		flags, st.sentEnd = frame.FlagEndStream, true
		fallthrough
	default:
		st.sentClose = true
		c.say(frame.AppendData(nil, st.id, flags, ws.AppendMasked(nil, ws.OpClose, 1, ws.AppendClose(nil, simCodeClient, "bye"))), nil)
	}
}

// tap looks at what has been framed for the connection since it was last looked at.
func (c *fanClient) tap() {
	if !c.tapping {
		return
	}
	for _, v := range c.f.gather.vectors(nil, c.tapped) {
		c.in = append(c.in, v...)
		c.tapped += len(v)
	}
	for c.recvFrame() {
	}
}

func (c *fanClient) recvFrame() bool {
	h, n := frame.ConsumeHeader(c.in)
	if n == 0 || len(c.in) < n+int(h.Length) {
		return false
	}
	p := c.in[n : n+int(h.Length)]
	c.in = c.in[n+int(h.Length):]
	if *fanSeed != 0 {
		c.f.note("client %d: %s", c.n, trim(frame.AppendText(nil, h, p)))
	}
	switch h.Type {
	case frame.Settings, frame.WindowUpdate:
	case frame.Headers:
		c.find(h.StreamID).open = true
	case frame.Data:
		c.recvData(c.find(h.StreamID), h, p)
	case frame.RSTStream:
		st := c.find(h.StreamID)
		if code := frame.ParseRSTStream(p); code != frame.NoError {
			c.failf("stream %d: RST_STREAM %v", st.id, code)
		}
		st.gotReset = true
	default:
		c.failf("%v %s", h.Type, p)
	}
	return true
}

// recvData checks a DATA frame against both windows, and that it is worth its header.
func (c *fanClient) recvData(st *fanStream, h frame.Header, p []byte) {
	n := int64(len(p))
	c.window -= n
	st.sent += n
	if left := c.initial + st.granted - st.sent; n > 0 && (c.window < 0 || left < 0) {
		c.failf("stream %d: %d octets leave windows of %d and %d", st.id, n, c.window, left)
	}
	if !st.open || st.gotEnd || st.gotReset || n > frame.MaxPayloadMin {
		c.failf("stream %d: %d octets before HEADERS, after the end, or too many", st.id, n)
	}
	st.in = append(st.in, p...)
	finished := 0
	for c.recvWSFrame(st) {
		finished++
	}
	long := segment{b: make([]byte, dribbleMin)} // as the smallest part of one
	if n < int64(long.least(c.conn.peerInitial)) && finished == 0 && !h.Flags.Has(frame.FlagEndStream) {
		c.failf("stream %d: %d octets that finish nothing", st.id, n)
	}
	if h.Flags.Has(frame.FlagEndStream) {
		st.gotEnd = true
		if len(st.in) > 0 || !st.gotClose && !st.sentEnd {
			c.failf("stream %d: END_STREAM without Close, or within a frame", st.id)
		}
	}
}

func (c *fanClient) recvWSFrame(st *fanStream) bool {
	h, n := ws.ConsumeHeader(st.in)
	if n == 0 || h.Length > uint64(len(st.in)-n) {
		return false
	}
	p := st.in[n : n+int(h.Length)]
	st.in = st.in[n+int(h.Length):]
	if st.gotClose && h.Opcode() != ws.OpPong || h.Masked || !h.Fin() || h.RSV() != 0 {
		c.failf("stream %d: frame %+v, after Close: %t", st.id, h, st.gotClose)
	}
	switch h.Opcode() {
	case ws.OpBinary:
		st.socket.recvMessage(p)
	case ws.OpPong:
		st.pong = string(p)
	case ws.OpClose:
		st.gotClose = true
		if code := ws.CloseCode(binary.BigEndian.Uint16(p)); code == ws.ClosePolicyViolation != st.socket.slow && code != simCodeApp {
			c.failf("stream %d: Close %d, slow %t", st.id, code, st.socket.slow)
		}
	default:
		c.failf("stream %d: opcode %v", st.id, h.Opcode())
	}
	return true
}
