package conform_test

import (
	"log/slog"
	"net"
	"testing"

	"h2ws/bench/conform"
	"h2ws/engine"
	"h2ws/ws"
)

// The suite and the engine agree on every case: both were written from the RFCs.
func TestEngine(t *testing.T) {
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
	defer func() {
		server.Close()
		if err := <-served; err != engine.ErrServerClosed {
			t.Error(err)
		}
	}()
	if r := run(t, l.Addr().String(), ""); r.Count(conform.Failed) > 0 {
		t.Error(table(r))
	}
}
