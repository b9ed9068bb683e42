package engine

import (
	"net/netip"
	"strconv"

	"h2ws/flow"
	"h2ws/hpack"
	"h2ws/ws"
)

// upgrade is the opening handshake of a WebSocket over HTTP/1.1 (RFC 6455 §4.2.1) that has been found in order,
// but for what OnHandshake says.
type upgrade struct {
	request hpack.Request
	accept  string // Sec-WebSocket-Accept
}

// newRawConn begins a connection that carries one WebSocket, once that is accepted: see openUpgrade.
func newRawConn(k *core, remote netip.AddrPort) *conn {
	c := newBareConn(k, remote)
	c.proto, c.state, c.recvPhase = protoRaw, connOpen, recvEarly
	c.peerInitial = flow.MaxSize
	return c
}

// openUpgrade has the handshake decided, and answers it, unless refuseEarly has.
func (c *conn) openUpgrade(u *upgrade) {
	if c.recvPhase != recvEarly || c.state != connOpen {
		return
	}
	c.held = []byte(u.accept)
	c.openSocket(rawID, &u.request)
}

// recvRaw takes octets behind the opening handshake.
func (c *conn) recvRaw(p []byte) (n int) {
	switch s := c.streams.find(rawID); {
	case c.recvPhase == recvEarly:
		c.refuseEarly()
	case c.recvPhase == recvRaw && s != nil:
		return len(p) - len(c.feed(s, p))
	}
	return len(p)
}

// refuseEarly refuses a handshake behind which octets came. RFC 6455 §4.1: "Once the client's opening handshake has been
// sent, the client MUST wait for a response from the server before sending any further data." What comes all
// the same is a request that somebody smuggled past a proxy, or may be taken for one.
func (c *conn) refuseEarly() {
	d := ws.Decision{Status: 400, Reason: "octets behind the opening handshake (RFC 6455 §4.1)"}
	if s := c.streams.find(rawID); s != nil { // its decision was deferred
		c.losePending(s, errEarly)
		c.refuseStream(s, d)
		return
	}
	c.refuse(rawID, false, d)
}

// sayRawHeaders writes the head of the one response (RFC 6455 §4.2.2): 101 in place of 200, or an error
// that is also the end.
func (c *conn) sayRawHeaders(status int, fields []ws.Field) {
	accepted := status == 200
	c.recvPhase = recvNothing
	b := append(c.controls(), "HTTP/1.1 "...)
	if accepted {
		c.recvPhase = recvRaw
		c.core.stats.SocketsHTTP1++
		b = append(b, "101 Switching Protocols\r\n"...)
		b = appendField(b, "Upgrade", "websocket")
		b = appendField(b, "Connection", "Upgrade")
		b = appendField(b, "Sec-WebSocket-Accept", string(c.held))
	} else {
		b = append(strconv.AppendInt(b, int64(status), 10), " \r\n"...) // no words: nobody may look at them (RFC 9112 §4)
		b = appendField(b, "Connection", "close")                       // and that is where the body ends (§6.3)
	}
	for _, f := range fields {
		b = appendField(b, f.Name, f.Value)
	}
	c.control = append(b, "\r\n"...)
	c.held = nil
	c.touch()
}

func appendField(b []byte, name, value string) []byte {
	return append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
}

// pushPing queues a Ping, behind everything else, and not behind our Close.
func (s *stream) pushPing(payload []byte) {
	if s.kind != streamSocket || s.ended() {
		return
	}
	g := s.core().segments.get()
	g.kind = segmentPing
	g.buf = append(ws.AppendHeader(g.buf[:0], true, ws.OpPing, len(payload)), payload...)
	g.b = g.buf
	s.queue.push(g)
	s.schedule()
}
