package engine

import (
	"h2ws/engine/frame"
	"h2ws/flow"
	"h2ws/hpack"
	"h2ws/ws"
)

// protocol is what a connection speaks. What it makes of that beyond the octets of its WebSockets is all
// in this file: HTTP/2 has frames, windows and words for a connection as a whole; what HTTP/1.1 leaves behind
// its 101 is one bare WebSocket, and has none of them.
type protocol uint8

const (
	protoHTTP2 protocol = iota
	protoUnknown
	protoRaw // one stream, rawID, without frames and windows
)

// rawID is the id of the one stream of a raw connection.
const rawID = 1

// sayGoAway says which streams are served to their ends (RFC 9113 §6.8).
func (c *conn) sayGoAway(last uint32, code frame.ErrCode, text string) {
	if c.proto == protoHTTP2 {
		c.control = frame.AppendGoAway(c.controls(), last, code, []byte(text))
	}
	c.touch()
}

// sayReset says that a stream is over. A raw connection that has none any more ends with it.
func (c *conn) sayReset(id uint32, code frame.ErrCode) {
	if c.proto != protoHTTP2 {
		return
	}
	c.core.stats.ResetsSent++
	c.control = frame.AppendRSTStream(c.controls(), id, code)
	if c.resets == nil {
		c.resets = new(resetLog)
	}
	c.resets.add(id)
	c.touch()
}

// sayPing asks for a sign of life. A WebSocket has pings of its own: "A Ping frame may serve either as a keepalive
// or as a means to verify that the remote endpoint is still responsive" (RFC 6455 §5.5.2).
func (c *conn) sayPing() {
	switch c.proto {
	case protoHTTP2:
		c.control = frame.AppendPing(c.controls(), false, keepalivePing)
		c.touch()
	case protoRaw:
		if s := c.streams.find(rawID); s != nil {
			s.pushPing(keepalivePing[:])
		}
	}
}

// sayHeaders writes a response's fields, which are always few enough for one frame. END_STREAM
// follows in a DATA frame, also of a response without a body.
func (c *conn) sayHeaders(id uint32, status int, fields []ws.Field) {
	if c.proto == protoRaw {
		c.sayRawHeaders(status, fields)
		return
	}
	at := len(c.control)
	c.control = frame.AppendHeaders(c.controls(), id, frame.FlagEndHeaders, nil)
	c.control = hpack.AppendStatus(c.beginBlock(c.control), status)
	for _, f := range fields {
		c.control = hpack.AppendField(c.control, f.Name, f.Value)
	}
	frame.PutHeader(c.control[at:], frame.Header{
		Length:   uint32(len(c.control) - at - frame.HeaderLen),
		Type:     frame.Headers,
		Flags:    frame.FlagEndHeaders,
		StreamID: id,
	})
	c.touch()
}

// beginBlock begins a field block. A peer that has lowered HEADER_TABLE_SIZE fails the connection unless "the next field
// block" starts with a table size update (RFC 9113 §4.3.1), though our encoder never had a table. Any block may start with
// one (RFC 7541 §6.3): that each does spares us to know which is the next on the wire.
func (c *conn) beginBlock(b []byte) []byte {
	if c.tableless {
		return hpack.AppendNoTable(b)
	}
	return b
}

// beginFrame leaves room in g for the header of a DATA frame, and endFrame writes it, when length and
// flags are known.
func (c *conn) beginFrame(g *gather) (at int) {
	at = len(g.buf)
	if c.proto == protoHTTP2 {
		g.buf = g.buf[:at+frame.HeaderLen]
		g.size += frame.HeaderLen
	}
	return at
}

func (c *conn) endFrame(g *gather, at int, h frame.Header) {
	if c.proto == protoHTTP2 {
		frame.PutHeader(g.buf[at:], h)
	}
}

// appendFrames gives payload to each of the streams, of which a raw connection has one.
func (c *conn) appendFrames(g *gather, ids []uint32, payload []byte) {
	if c.proto == protoHTTP2 {
		appendFrames(g, ids, payload)
	} else {
		g.share(payload)
	}
}

// openWindows opens the windows of a raw connection when half of them is used: wide enough for many
// gathers, so that they never are in the way of one.
func (c *conn) openWindows() {
	if c.proto != protoRaw || c.sendWindow.Available(flow.InitialSize) > flow.MaxSize/2 {
		return
	}
	c.sendWindow = flow.SendWindow{}
	if err := c.sendWindow.Grant(flow.InitialSize, flow.MaxSize-flow.InitialSize); err != nil {
		panic("BUG: " + err.Error())
	}
	if s := c.streams.find(rawID); s != nil {
		s.settle()
		s.sendWindow = flow.SendWindow{}
	}
}
