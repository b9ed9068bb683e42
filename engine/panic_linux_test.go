package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// records keeps what a server logs.
type records struct {
	slog.Handler
	mu   sync.Mutex
	list []slog.Record
}

func (r *records) Handle(_ context.Context, record slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, record)
	return nil
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }

// withStack returns the messages of the records that say "panic" what, and where it came from.
func (r *records) withStack(what, where string) (messages []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range r.list {
		attrs := make(map[string]slog.Value)
		record.Attrs(func(a slog.Attr) bool {
			attrs[a.Key] = a.Value
			return true
		})
		if record.Level == slog.LevelError && attrs["panic"].String() == what && strings.Contains(attrs["stack"].String(), where) {
			messages = append(messages, record.Message)
		}
	}
	return messages
}

// touchy is an echo that panics where the path of its socket says.
func touchy() ws.Funcs {
	explode := func(c *ws.Conn, where string) {
		if c.Data() == "/"+where {
			panic("in " + where)
		}
	}
	return ws.Funcs{
		Handshake: func(q *ws.Request) {
			if q.Path == "/handshake" {
				panic("in handshake")
			}
			q.Accept(ws.AcceptOptions{Data: q.Path})
		},
		Open: func(c *ws.Conn) { explode(c, "open") },
		Message: func(c *ws.Conn, m ws.Message) {
			c.Send(m.Type, m.Data)
			explode(c, "message")
		},
		Close: func(c *ws.Conn, err error) { explode(c, "close") },
	}
}

// A callback that panics ends its own socket with 1011, is logged with its stack and counted. The sockets
// beside it, on its connection and its loop, do not notice.
func TestPanics(t *testing.T) {
	log := new(records)
	r := serve(t, &engine.Server{Handler: touchy(), Loops: 1, Logger: slog.New(log)})
	c, other := r.dial(), r.dial()
	neighbour, bystander := c.open("/"), other.open("/")
	wantAlive := func(why string) {
		t.Helper()
		c.echo(neighbour, "alive "+why)
		other.echo(bystander, "alive "+why)
	}

	id := c.begin("/handshake")
	c.wantOf(id, "OnHandshake panics", "status 500", "body 500 internal error\n", "end", "reset NO_ERROR")
	wantAlive("after OnHandshake")

	id = c.begin("/open")
	c.wantOf(id, "OnOpen panics", "status 200", "close 1011 internal error", "end")
	c.close(id, frame.FlagEndStream, ws.CloseInternalError)
	wantAlive("after OnOpen")

	id = c.open("/message")
	c.message(id, "first")
	c.message(id, "never seen")
	c.wantOf(id, "OnMessage panics, what it sent before arrives", "message first", "close 1011 internal error", "end")
	c.close(id, frame.FlagEndStream, ws.CloseInternalError)
	wantAlive("after OnMessage")

	id = c.open("/close")
	c.close(id, frame.FlagEndStream, ws.CloseNormal)
	c.wantOf(id, "OnClose panics, which changes nothing for the peer", "close 1000", "end")
	wantAlive("after OnClose")

	r.await(t, 5, 3)
	failed := 0
	for _, err := range r.errs() {
		var e *ws.CloseError
		if errors.Is(err, ws.ErrPanic) && errors.As(err, &e) && e.Code == ws.CloseInternalError {
			failed++
		}
	}
	if failed != 2 {
		t.Errorf("%d sockets were closed for a panic, want 2: %v", failed, r.errs())
	}
	for _, where := range []string{"handshake", "open", "message", "close"} {
		if messages := log.withStack("in "+where, "touchy"); len(messages) != 1 {
			t.Errorf("the panic in %s was logged %d times with its stack, want once", where, len(messages))
		}
	}
	until(t, "the figures have 4 panics", func() bool { return r.Stats().Panics == 4 })
}

// Panics while a connection is lost, with many sockets, do not keep the rest from being closed.
func TestPanicInEveryOnClose(t *testing.T) {
	r := serve(t, &engine.Server{Handler: touchy()})
	c := r.dial()
	for range 100 {
		c.open("/close")
	}
	c.cut()
	r.await(t, 100, 100)
	until(t, "the figures have 100 panics", func() bool { return r.Stats().Panics == 100 })
}
