package attack

import (
	"log/slog"
	"net"
	"testing"
	"time"

	"h2ws/bench/raw"
	"h2ws/engine"
	"h2ws/ws"
)

// What the engine answers whatever its rates are.
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
	const only = "^(preface/(zeros|random|no-settings|garbage-behind-error)|size|hpack|field_block/.*(continuations|bomb)|" +
		"message/(2|endless|1-octet-fragments)|stream_stall/dribble|refused|connections/overflow)"
	r := attackOn(t, raw.Target{Addr: l.Addr().String(), Path: "/"}, only, 10*time.Second)
	for i := range r.Results {
		for _, fault := range r.Results[i].Faults {
			t.Errorf("%s: %s (%s)", r.Results[i].Name, fault, r.Results[i].Did)
		}
	}
}
