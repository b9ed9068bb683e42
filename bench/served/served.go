// Package served starts servers for tests that drive them from outside: the engine, and what stands in for others.
package served

import (
	"log/slog"
	"net"
	"testing"

	"h2ws/engine"
	"h2ws/ws"
)

// Echo starts a server that accepts every handshake and echoes every message, and returns its address. It ends
// with the test.
func Echo(t testing.TB) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &engine.Server{Handler: ws.Funcs{
		Handshake: func(r *ws.Request) { r.Accept(ws.AcceptOptions{}) },
		Message:   func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) },
	}, Logger: slog.New(slog.DiscardHandler)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-served; err != engine.ErrServerClosed {
			t.Error(err)
		}
	})
	return l.Addr().String()
}
