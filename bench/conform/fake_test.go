package conform_test

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/http2/hpack"

	"h2ws/bench/raw"
	"h2ws/bench/served"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// fake is an echo server that is right in all that the tests ask for, but for one defect. It has nothing in
// common with package engine but the frames, and gives no credit.
type fake struct {
	defect string
	tls    *tls.Config // nil: cleartext
}

// fakeConn is one connection of a fake.
type fakeConn struct {
	*fake
	nc      net.Conn
	decoder *hpack.Decoder
	update  []byte // table size update that the next field block begins with
	filled  bool   // the dynamic table has something in it
	window  int    // of the connection, in octets
	streams map[uint32]*fakeStream
}

type fakeStream struct {
	id      uint32
	in      []byte
	message []byte
	op      ws.Opcode
	begun   bool
	done    bool
}

func (f *fake) has(defect string) bool { return f.defect == defect }

// start serves until the test is over, and returns the address.
func (f *fake) start(t *testing.T) string {
	t.Helper()
	return served.Frames(t, f.tls, func(_ *served.Script, nc net.Conn) func(h frame.Header, p []byte) {
		c := &fakeConn{fake: f, nc: nc, decoder: raw.NewDecoder(nil), window: 65535, streams: map[uint32]*fakeStream{}}
		c.greet()
		return c.recv
	}).Addr()
}

func (c *fakeConn) greet() {
	settings := []frame.Setting{{ID: frame.EnableConnectProtocol, Value: 1}}
	const wide = 1 << 25
	switch {
	case c.has("does not announce"):
		settings[0].Value = 0
	case c.has("opens a wide stream"), c.has("opens wide windows"):
		settings = append(settings, frame.Setting{ID: frame.InitialWindowSize, Value: wide})
	}
	greeting := frame.AppendPing(frame.AppendSettings(nil, settings...), false, [8]byte{})
	if c.has("says PING first") {
		greeting = frame.AppendSettings(frame.AppendPing(nil, false, [8]byte{}), settings...)
	}
	if c.has("opens wide windows") {
		greeting = frame.AppendWindowUpdate(greeting, 0, wide)
		c.window += wide
	}
	c.nc.Write(greeting)
}

func (c *fakeConn) recv(h frame.Header, p []byte) {
	if h.Type == frame.Data {
		c.window -= len(p)
	}
	switch s := c.streams[h.StreamID]; {
	case c.window < 0 && !c.has("keeps no windows"):
		c.nc.Write(frame.AppendGoAway(nil, h.StreamID, frame.FlowControlError, nil))
		c.nc.Close()
	case h.Type == frame.Settings && !h.Flags.Has(frame.FlagAck):
		c.recvSettings(p)
	case h.Type == frame.Ping && !h.Flags.Has(frame.FlagAck):
		c.nc.Write(frame.AppendPing(nil, true, frame.ParsePing(p)))
	case h.Type == frame.Headers:
		c.recvRequest(h.StreamID, p)
	case h.Type == frame.RSTStream && s != nil:
		delete(c.streams, h.StreamID)
	case h.Type == frame.RSTStream && c.has("answers resets"):
		c.nc.Write(frame.AppendRSTStream(nil, h.StreamID, frame.StreamClosed))
	case h.Type == frame.RSTStream && c.has("minds late resets"):
		c.nc.Write(frame.AppendGoAway(nil, h.StreamID, frame.StreamClosed, nil))
		c.nc.Close()
	case h.Type == frame.Data && s != nil:
		s.in = append(s.in, p...)
		c.feed(s)
		if h.Flags.Has(frame.FlagEndStream) && !s.done {
			c.end(s, nil)
		}
	case h.Type == frame.Data:
		c.nc.Write(frame.AppendRSTStream(nil, h.StreamID, frame.StreamClosed))
	}
}

func (c *fakeConn) recvSettings(p []byte) {
	for len(p) > 0 {
		var s frame.Setting
		switch s, p = frame.ParseSetting(p); {
		case s.ID != frame.HeaderTableSize:
		case s.Value < raw.TableSize && !c.has("keeps its table size"):
			c.update = []byte{0x20} // 0
		case s.Value >= 1<<16 && c.has("enlarges its table"):
			c.update = []byte{0x3f, 0xe1, 0xff, 0x03} // 2^16
		}
	}
	c.nc.Write(frame.AppendSettingsAck(nil))
}

// respond sends fields, the last of which are in the dynamic table if that is the defect.
func (c *fakeConn) respond(id uint32, flags frame.Flags, fields ...raw.Field) {
	block := append(c.update, raw.Block(fields)...)
	switch {
	case !c.has("uses its table"):
	case c.filled:
		block = append(block, 0xbe)
	default:
		block = append(block, "\x40\x01x\x01y"...)
	}
	c.update, c.filled = nil, true
	c.nc.Write(frame.AppendHeaders(nil, id, flags|frame.FlagEndHeaders, block))
}

func (c *fakeConn) recvRequest(id uint32, block []byte) {
	fields, err := c.decoder.DecodeFull(block)
	value := func(name string) string {
		for _, f := range fields {
			if f.Name == name {
				return f.Value
			}
		}
		return ""
	}
	switch {
	case err != nil:
		c.nc.Write(frame.AppendGoAway(nil, 0, frame.CompressionError, nil))
		return
	case c.refusesScheme(value(":scheme")):
		c.respond(id, frame.FlagEndStream, raw.Field{Name: ":status", Value: "421"})
		c.nc.Write(frame.AppendRSTStream(nil, id, frame.NoError))
		return
	case value(":path") == "" && !c.has("takes any request"), value("connection") != "" && !c.has("takes Connection"):
		c.nc.Write(frame.AppendRSTStream(nil, id, frame.ProtocolError))
		return
	case !strings.EqualFold(value(":protocol"), "websocket") && !c.has("takes any protocol"):
		c.respond(id, frame.FlagEndStream, raw.Field{Name: ":status", Value: "501"})
		return
	case value("sec-websocket-version") != "13" && !c.has("takes any version"):
		response := []raw.Field{{Name: ":status", Value: "400"}, {Name: "sec-websocket-version", Value: "13"}}
		if c.has("does not tell its version") {
			response = response[:1]
		}
		c.respond(id, frame.FlagEndStream, response...)
		return
	}
	c.streams[id] = &fakeStream{id: id}
	c.accept(id)
}

// refusesScheme is about a server that has no gateway in front of it. It ends the client's side, too (RFC 9113 §8.1).
func (c *fakeConn) refusesScheme(scheme string) bool {
	secure := c.tls != nil
	return c.has("serves no gateway") && (scheme == "https") != secure || c.has("serves no scheme of its own") && (scheme == "https") == secure
}

// accept says yes, and what the defect is.
func (c *fakeConn) accept(id uint32) {
	response, flags := []raw.Field{{Name: ":status", Value: "200"}}, frame.Flags(0)
	for defect, f := range map[string]raw.Field{
		"says content-length": {Name: "content-length", Value: "0"},
		"says Upgrade":        {Name: "upgrade", Value: "websocket"},
		"says Accept":         {Name: "sec-websocket-accept", Value: "x"},
		"says Deflate":        {Name: "sec-websocket-extensions", Value: "permessage-deflate"},
		"chooses freely":      {Name: "sec-websocket-protocol", Value: "soap"},
		"shouts":              {Name: "Server", Value: "fake"},
	} {
		if c.has(defect) {
			response = append(response, f)
		}
	}
	switch {
	case c.has("says 101"):
		response[0].Value = "101"
	case c.has("says 201"):
		response[0].Value = "201"
	case c.has("says 103 first"):
		c.respond(id, 0, raw.Field{Name: ":status", Value: "103"})
	case c.has("ends at once"):
		flags = frame.FlagEndStream
	}
	c.respond(id, flags, response...)
}

// feed looks at the frames of a WebSocket.
func (c *fakeConn) feed(s *fakeStream) {
	for !s.done {
		h, n := ws.ConsumeHeader(s.in)
		if n == 0 {
			return
		}
		if code := c.judge(s, h, n); code != 0 {
			c.fail(s, code)
			return
		}
		if h.Length > uint64(len(s.in)-n) {
			c.judgePart(s, h, s.in[n:])
			return
		}
		payload := unmask(h, s.in[n:n+int(h.Length)])
		s.in = s.in[n+int(h.Length):]
		c.recvFrame(s, h, payload)
	}
}

func unmask(h ws.Header, p []byte) []byte {
	p = slices.Clone(p)
	if key := binary.LittleEndian.AppendUint32(nil, h.Key); h.Masked {
		for i := range p {
			p[i] ^= key[i%4]
		}
	}
	return p
}

// judge returns the code of what is wrong with a header.
func (c *fakeConn) judge(s *fakeStream, h ws.Header, n int) ws.CloseCode {
	op := h.Opcode()
	length := ws.HeaderLen(int(h.Length & (1<<62 - 1)))
	if h.Masked {
		length += 4
	}
	switch {
	case h.RSV() != 0 && !c.has("takes reserved bits"),
		(op > ws.OpBinary && op < ws.OpClose || op > ws.OpPong) && !c.has("takes reserved opcodes"),
		!h.Masked && !c.has("takes unmasked"),
		op.Control() && h.Length > 125 && !c.has("takes long control frames"),
		op.Control() && !h.Fin() && !c.has("takes cut control frames"),
		h.Length>>63 != 0,
		n != length && !c.has("takes long lengths"),
		op == ws.OpContinuation && !s.begun && !c.has("takes continuations of nothing"),
		(op == ws.OpText || op == ws.OpBinary) && s.begun && !c.has("takes nested messages"):
		if c.has("fails with 1003") {
			return ws.CloseUnsupportedData
		}
		return ws.CloseProtocolError
	case h.Length > 1<<20:
		return ws.CloseTooBig
	}
	return 0
}

// judgePart finds out early what is not UTF-8.
func (c *fakeConn) judgePart(s *fakeStream, h ws.Header, p []byte) {
	op := h.Opcode()
	if op == ws.OpContinuation {
		op = s.op
	}
	if text := string(slices.Concat(s.message, unmask(h, p))); op == ws.OpText && !validStart(text) && !c.has("finds UTF-8 late") {
		c.fail(s, ws.CloseInvalidPayload)
	}
}

// validStart says whether text can become UTF-8.
func validStart(text string) bool {
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			return len(text)-i < utf8.UTFMax && !utf8.FullRuneInString(text[i:])
		}
	}
	return true
}

func (c *fakeConn) recvFrame(s *fakeStream, h ws.Header, payload []byte) {
	switch op := h.Opcode(); op {
	case ws.OpPing:
		c.recvPing(s, payload)
	case ws.OpClose:
		c.recvClose(s, payload)
	case ws.OpPong:
		if c.has("answers Pong") {
			c.say(s, ws.OpPong, payload)
		}
	case ws.OpText, ws.OpBinary, ws.OpContinuation:
		c.recvMessage(s, h, payload)
	}
}

func (c *fakeConn) recvMessage(s *fakeStream, h ws.Header, payload []byte) {
	if h.Opcode() != ws.OpContinuation {
		s.op, s.message = h.Opcode(), nil
	}
	s.message, s.begun = append(s.message, payload...), !h.Fin()
	text := string(s.message)
	switch {
	case c.has("echoes fragments"):
		c.say(s, s.op, payload)
	case s.op == ws.OpText && s.begun && !validStart(text) && !c.has("finds UTF-8 late") && !c.has("takes any text"):
		c.fail(s, ws.CloseInvalidPayload)
	case s.begun:
	case s.op == ws.OpText && !utf8.ValidString(text) && !c.has("takes any text"):
		c.fail(s, ws.CloseInvalidPayload)
	case c.has("echoes in binary"):
		c.say(s, ws.OpBinary, s.message)
	default:
		c.say(s, s.op, s.message)
	}
}

func (c *fakeConn) recvPing(s *fakeStream, payload []byte) {
	switch {
	case c.has("ignores Ping"), c.has("ignores Ping in a message") && s.begun:
	case c.has("pongs empty"):
		c.say(s, ws.OpPong, nil)
	default:
		c.say(s, ws.OpPong, payload)
	}
}

func (c *fakeConn) recvClose(s *fakeStream, payload []byte) {
	code, echoed := ws.CloseNoStatus, []byte(nil)
	if len(payload) >= 2 {
		code, echoed = ws.CloseCode(binary.BigEndian.Uint16(payload)), payload[:2]
	}
	switch {
	case len(payload) == 1 && !c.has("takes a Close of one octet"),
		len(payload) >= 2 && !code.Valid() && !c.has("takes any code"):
		c.fail(s, ws.CloseProtocolError)
	case len(payload) > 2 && !utf8.Valid(payload[2:]) && !c.has("takes any reason"):
		c.fail(s, ws.CloseInvalidPayload)
	case c.has("does not answer Close"):
		c.end(s, nil)
	case c.has("answers Close with 1001"):
		c.end(s, frameOf(ws.OpClose, []byte{0x03, 0xe9}))
	case c.has("goes on behind Close"):
		c.say(s, ws.OpClose, echoed)
		c.say(s, ws.OpText, []byte("more"))
		s.done = true
	case c.has("does not end behind Close"):
		c.say(s, ws.OpClose, echoed)
		s.done = true
	default:
		c.end(s, frameOf(ws.OpClose, echoed))
	}
}

func (c *fakeConn) fail(s *fakeStream, code ws.CloseCode) {
	switch {
	case c.has("resets"):
		s.done = true
		c.nc.Write(frame.AppendRSTStream(nil, s.id, frame.ProtocolError))
	case c.has("ends the connection"):
		s.done = true
		c.nc.Write(frame.AppendGoAway(nil, s.id, frame.ProtocolError, nil))
		c.nc.Close()
	case c.has("ends without Close"):
		c.end(s, nil)
	default:
		c.end(s, frameOf(ws.OpClose, ws.AppendClose(nil, code, "")))
	}
}

func (c *fakeConn) end(s *fakeStream, p []byte) {
	s.done = true
	c.nc.Write(frame.AppendData(nil, s.id, frame.FlagEndStream, p))
	if c.has("sends behind its end") {
		c.nc.Write(frame.AppendData(nil, s.id, 0, nil))
	}
}

// say sends one WebSocket frame.
func (c *fakeConn) say(s *fakeStream, op ws.Opcode, payload []byte) {
	f := frameOf(op, payload)
	switch {
	case c.has("masks"):
		f = ws.AppendMasked(nil, op, 0x01020304, payload)
	case c.has("sets a reserved bit"):
		f[0] |= 0x40
	case c.has("spells lengths long") && len(payload) < 126:
		f = append([]byte{f[0], 126, 0, byte(len(payload))}, payload...)
	}
	for chunk := range slices.Chunk(f, frame.MaxPayloadMin) {
		c.nc.Write(frame.AppendData(nil, s.id, 0, chunk))
	}
}

func frameOf(op ws.Opcode, payload []byte) []byte {
	return append(ws.AppendHeader(nil, true, op, len(payload)), payload...)
}
