package engine

import (
	"errors"
	"fmt"
	"strings"

	"h2ws/engine/frame"
	"h2ws/flow"
	"h2ws/hpack"
	"h2ws/ws"
)

var errAnswered = errors.New("the request was answered")

// resetError is the peer's RST_STREAM.
type resetError struct{ code frame.ErrCode }

func (e *resetError) Error() string { return "RST_STREAM " + e.code.String() }
func (e *resetError) Unwrap() error { return ws.ErrReset }

// newStream registers a stream that the peer has just opened; end says that it has ended its side.
func (c *conn) newStream(id uint32, kind streamKind, end bool) *stream {
	s := &stream{
		conn:       c,
		id:         id,
		kind:       kind,
		recvWindow: flow.NewRecvWindow(c.core.limits.StreamWindow),
		reset:      c.proto == protoRaw,
	}
	if end {
		s.state = stateHalfClosedRemote
	}
	c.streams.insert(s)
	return s
}

// recvRequest decides what a well-formed request becomes.
func (c *conn) recvRequest(id uint32, end bool, r *hpack.Request) error {
	switch {
	case r.WebSocket() && end:
		// RFC 8441 §5.1: the stream is the WebSocket's transport; this one is closed already.
		c.refuse(id, end, ws.Decision{Status: 400, Reason: "END_STREAM on an opening handshake"})
	case r.WebSocket():
		c.openSocket(id, r)
	case r.Method == "CONNECT":
		c.refuse(id, end, ws.Decision{Status: 501, Reason: "CONNECT is for :protocol websocket (RFC 8441)"})
	case c.core.http == nil && c.count(RulePlain, 1) == actRefuse:
		c.resetStream(id, frame.RefusedStream, nil)
	default:
		return c.recvPlain(id, end, r)
	}
	return nil
}

// openSocket is the opening handshake (RFC 8441 §5). Nothing of the request is kept.
func (c *conn) openSocket(id uint32, r *hpack.Request) {
	k := c.core
	q := &k.handshake
	q.Scheme, q.Authority, q.Fields, q.RemoteAddr = r.Scheme, r.Authority, r.Fields, c.remote
	q.Path, q.RawQuery, _ = strings.Cut(r.Path, "?")
	q.TLS = c.tlsState()
	d := k.endpoint.Handshake(q)
	q.Scheme, q.Authority, q.Path, q.RawQuery, q.Fields, q.TLS = "", "", "", "", nil, nil
	if d.Panic != nil {
		k.stats.Panics++
		k.log.Error("handshake panicked", "panic", d.Panic, "remote", c.remote, "stack", string(d.Stack))
	}
	switch {
	case d.Pending != nil:
		c.deferSocket(id, d)
		return
	case d.Status != 200:
		c.refuse(id, false, d)
		return
	}
	s := c.newStream(id, streamSocket, false)
	c.accept(s, d)
	for _, t := range d.Topics {
		s.joinAccepted(t)
	}
	s.ws.Opened()
	if c.closes {
		s.ws.Close(ws.CloseGoingAway, drainReason) // behind what OnOpen sent
	}
}

// accept says yes. What is left to do is to join the topics, and then OnOpen.
func (c *conn) accept(s *stream, d ws.Decision) {
	k := c.core
	c.sayHeaders(s.id, d.Status, d.Fields)
	s.kind = streamSocket
	s.ws.Init(k.endpointFor(d.Endpoint, d.Queue), s, d.Data)
	if d.Stats != nil {
		s.rare = &rare{stats: d.Stats}
	}
	k.stats.Sockets++
	k.stats.SocketsOpened++
	c.startPings()
}

// joinAccepted joins a topic that a handshake was accepted with. Any goroutine.
func (s *stream) joinAccepted(t ws.Topic) {
	join := t.Join
	if t, ours := t.(*Topic); ours {
		join = func(*ws.Conn) error { return t.join(s, true) }
	}
	if err := join(&s.ws); err != nil && !errors.Is(err, ws.ErrClosed) {
		s.core().log.Error("topic not joined", "error", err, "remote", s.conn.remote)
	}
}

// refuse answers an opening handshake, or what may be one, with an error.
func (c *conn) refuse(id uint32, end bool, d ws.Decision) {
	c.refuseStream(c.newStream(id, streamResponse, end), d)
}

func (c *conn) refuseStream(s *stream, d ws.Decision) {
	c.core.stats.SocketsRefused++
	c.respond(s, d.Status, d.Fields, d.Reason)
}

// respond answers a request completely: status, a line of text, END_STREAM, and, if the peer has not
// ended its side, RST_STREAM(NO_ERROR) behind it.
func (c *conn) respond(s *stream, status int, fields []ws.Field, text string) {
	body := fmt.Sprintf("%d %s\n", status, text)
	s.kind = streamResponse
	c.plain.drop(s.id, errAnswered)
	c.sayHeaders(s.id, status, append(fields[:len(fields):len(fields)],
		ws.Field{Name: "content-type", Value: "text/plain; charset=utf-8"}))
	g := c.core.segments.get()
	g.kind = segmentBody
	g.buf = append(g.buf[:0], body...)
	g.b = g.buf
	s.queue.push(g)
	s.end, s.reset = true, true
	s.schedule()
	c.startClosing(s)
}
