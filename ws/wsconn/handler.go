// Package wsconn gives every WebSocket a goroutine of its own, which reads and
// writes in calls that block, for code that is simpler that way. It costs some
// 4 KiB a socket where package ws alone takes some 200 octets.
//
// What is not read in time is not lost and not piled up: the peer is kept from
// sending more (ws.Conn.Pause). What the peer does not take keeps Write waiting.
package wsconn

import (
	"context"
	"log/slog"
	"runtime/debug"

	"h2ws/ws"
)

// A Handler is a ws.Handler that calls Serve for every WebSocket. Its fields
// must not change once a Server has it.
type Handler struct {
	// Serve is called in a goroutine of its own. When it returns the
	// WebSocket is closed with 1000, and when it panics with 1011, and logged.
	// When the Server ends, Context ends, and nobody waits for Serve to return.
	Serve func(c *Conn)

	// Handshake, if not nil, decides on opening handshakes, as
	// ws.Handshaker.OnHandshake does: on the event loop.
	Handshake func(r *ws.Request)

	// Buffer is how many octets of messages may wait for Read before the peer
	// is kept from sending more; what it is allowed to send then, a window of
	// its stream, may come on top. Default 16 KiB.
	Buffer int

	// Logger gets panics; slog.Default() if nil.
	Logger *slog.Logger
}

const bufferDefault = 16 << 10

// OnHandshake implements ws.Handshaker.
func (h Handler) OnHandshake(r *ws.Request) {
	if h.Handshake != nil {
		h.Handshake(r)
	}
}

// OnOpen implements ws.Handler.
func (h Handler) OnOpen(socket *ws.Conn) {
	c := &Conn{
		socket:  socket,
		data:    socket.Data(),
		buffer:  h.Buffer,
		arrived: make(chan struct{}, 1),
		room:    make(chan struct{}, 1),
		writing: make(chan struct{}, 1),
	}
	if c.buffer <= 0 {
		c.buffer = bufferDefault
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	socket.SetData(c)
	go h.serve(c)
}

func (h Handler) serve(c *Conn) {
	defer func() {
		code, reason := ws.CloseNormal, ""
		if v := recover(); v != nil {
			h.logger().Error("handler panicked", "panic", v, "remote", c.socket.RemoteAddr(), "stack", string(debug.Stack()))
			code, reason = ws.CloseInternalError, "internal error"
		}
		c.Close(code, reason)
	}()
	h.Serve(c)
}

func (h Handler) logger() *slog.Logger {
	if h.Logger != nil {
		return h.Logger
	}
	return slog.Default()
}

// OnMessage implements ws.Handler.
func (h Handler) OnMessage(socket *ws.Conn, m ws.Message) { socket.Data().(*Conn).recv(m) }

// OnDrain implements ws.Drainer.
func (h Handler) OnDrain(socket *ws.Conn) { signal(socket.Data().(*Conn).room) }

// OnClose implements ws.Handler.
func (h Handler) OnClose(socket *ws.Conn, err error) { socket.Data().(*Conn).end(err) }
