package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"h2ws/engine"
)

// patience is when a step is taken for hung. Nothing waits for it to pass.
const patience = 30 * time.Second

// until waits for a condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	hung := time.After(patience)
	for tick := time.NewTicker(2 * time.Millisecond); !condition(); {
		select {
		case <-tick.C:
		case <-hung:
			t.Fatalf("in vain: %s", what)
		}
	}
}

// A server is the server under test, with a handler that remembers everything.
type server struct {
	engine.Server
	handler
}

// limits are roomier than the defaults: a message of 1 MiB is echoed, and a proxy may put
// thousands of sockets on one connection.
var limits = engine.Limits{
	MaxConcurrentStreams: 10_000,
	MessageSize:          1 << 20,
}

// newServer makes a server that is not yet serving.
func newServer(t *testing.T) *server {
	s := &server{handler: handler{topic: engine.NewTopic("all", engine.TopicOptions{})}}
	s.Server.Limits = limits
	s.Server.Handler = &s.handler
	s.Server.Logger = slog.New(slog.NewTextHandler(&s.record, nil))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server saw:\n%s%+v\n", &s.record, s.Stats())
		}
	})
	return s
}

// tapped serves until the test ends, with TLS if there is a certificate, and returns the tap in front.
func (s *server) tapped(t *testing.T, certificate *tls.Certificate) *tap {
	t.Helper()
	if certificate == nil {
		return newTap(t, s.listen(t), nil)
	}
	keys := newKeyLog()
	s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}, KeyLogWriter: keys}
	return newTap(t, s.listen(t), keys)
}

// listen serves until the test ends, and returns the address.
func (s *server) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; !errors.Is(err, engine.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

// shutdown ends the server gracefully, and tells when it has.
func (s *server) shutdown() (ended chan error) {
	ended = make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		ended <- s.Shutdown(ctx)
	}()
	return ended
}
