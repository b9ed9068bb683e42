// Package engine serves WebSockets over HTTP/2 (RFC 8441) from event loops: one goroutine per loop,
// none per connection or socket. Plain requests have one each, as net/http's handlers expect.
//
// A [Server] with a [ws.Handler] is all that is needed; see [ListenAndServe]. Callbacks run on the
// loop of their connection and must not block it.
package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"h2ws/ws"
)

// Server serves WebSockets over HTTP/2 and over HTTP/1.1, on the same port, in cleartext or under TLS. What a
// client speaks it says by ALPN or, where there is none, by beginning (RFC 9113 §3.3).
// Its zero value, with a Handler, is ready for ListenAndServe. Fields must not change once it serves.
type Server struct {
	// Addr is the TCP address for ListenAndServe, "host:port"; ":8080" if empty.
	Addr string
	// Handler gets the sockets. It must not be nil.
	Handler ws.Handler
	// HTTP answers the requests that are no WebSocket, each in a goroutine of its own, within the bounds of Limits;
	// without it they get 404. Handlers find what net/http gives them: Flush, 1xx, 100 (Continue) when the body is
	// read, trailers of the response, http.ErrAbortHandler, and with http.ResponseController SetWriteDeadline, as
	// Limits.RequestTimeout says; no Hijack, Push, SetReadDeadline, and no trailers of the request. Fields that
	// HTTP/2 does not carry are left out. Close and Shutdown end the contexts of handlers whose requests they cut
	// off, and do not wait for these to return.
	HTTP http.Handler
	// TLSConfig, if not nil, has Serve and ListenAndServe speak TLS. A copy is used, with NextProtos "h2" and "http/1.1" if
	// it has none and at least TLS 1.2. Certificates are replaced while the server runs by GetCertificate, or by
	// GetConfigForClient, whose result is used as it is and must name NextProtos itself.
	TLSConfig *tls.Config
	// Loops is the number of event loops; 0 means GOMAXPROCS.
	Loops int
	// Limits bounds what peers can make the server hold or wait for.
	Limits Limits
	// Logger gets connection errors and panics; slog.Default() if nil.
	Logger *slog.Logger

	mu           sync.Mutex
	state        serverState
	loops        []*loop
	service      *service // of HTTP; nil: none
	http1        *http1
	handshakes   *handshakes
	watchdog     *watchdog
	admission    *admission
	listeners    map[net.Listener]struct{}
	closed       chan struct{} // closed when the server begins to end
	acceptErrors atomic.Uint64
	pending      atomic.Int64 // handshakes whose decision was deferred
}

type serverState uint8

const (
	serverNew serverState = iota
	serverServing
	serverClosed
)

// ListenAndServe serves h on the TCP address addr, in cleartext. It returns only on an error, never nil.
func ListenAndServe(addr string, h ws.Handler) error {
	return (&Server{Addr: addr, Handler: h}).ListenAndServe()
}

// ListenAndServeTLS does the same under TLS, with the certificate and the key in two files in PEM.
func ListenAndServeTLS(addr, certFile, keyFile string, h ws.Handler) error {
	return (&Server{Addr: addr, Handler: h}).ListenAndServeTLS(certFile, keyFile)
}

// ListenAndServe listens on s.Addr and serves. It returns ErrServerClosed after Shutdown or Close,
// and never nil.
func (s *Server) ListenAndServe() error { return s.listenAndServe(s.TLSConfig) }

// ListenAndServeTLS does the same under TLS. The certificate in the files takes the place of those in s.TLSConfig;
// both names may be empty if that has one.
func (s *Server) ListenAndServeTLS(certFile, keyFile string) error {
	config, err := withKeyPair(s.TLSConfig, certFile, keyFile)
	if err != nil {
		return err
	}
	return s.listenAndServe(config)
}

func (s *Server) listenAndServe(config *tls.Config) error {
	addr := s.Addr
	if addr == "" {
		addr = ":8080"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return s.serve(l, config)
}

// Serve accepts connections from l until Shutdown or Close, and then returns ErrServerClosed. It closes
// l in any case. It may be called for several listeners. The connections must be sockets with a
// descriptor, as those of package net are (TCP and Unix): it is taken from the net.Conn, which is
// closed at once, so a wrapper that counts open connections counts none. When descriptors run out,
// accepting pauses and goes on as they are freed.
func (s *Server) Serve(l net.Listener) error { return s.serve(l, s.TLSConfig) }

func (s *Server) serve(l net.Listener, config *tls.Config) (err error) {
	defer l.Close()
	if config != nil {
		if config, err = serverConfig(config); err != nil {
			return err
		}
	}
	if err := s.begin(l); err != nil {
		return err
	}
	defer s.forget(l)
	return s.acceptAll(l, config)
}

// begin starts the loops, once, and registers l.
func (s *Server) begin(l net.Listener) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == serverClosed {
		return ErrServerClosed
	}
	if s.state == serverNew {
		if err := s.startLoops(); err != nil {
			return err
		}
		s.listeners = make(map[net.Listener]struct{})
		s.closed = make(chan struct{})
		s.state = serverServing
	}
	s.listeners[l] = struct{}{}
	return nil
}

func (s *Server) startLoops() error {
	if s.Handler == nil {
		return errors.New("engine: Server.Handler is nil")
	}
	limits := s.Limits.withDefaults()
	endpoint := ws.NewEndpoint(s.Handler, ws.EndpointOptions{MessageBytesMax: limits.MessageSize, Queue: limits.Queue})
	log := s.Logger
	if log == nil {
		log = slog.Default()
	}
	growDescriptors(limits.Connections)
	s.admission = newAdmission(limits)
	s.service = newService(s.HTTP, limits, log)
	n := s.Loops
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	for range n {
		l, err := startLoop(limits, endpoint, s.service, log, &s.pending, s.admit, s.admission.leave)
		if err != nil {
			s.endLoops(stopNow, 0)
			s.loops = nil
			return err
		}
		s.loops = append(s.loops, l)
	}
	s.handshakes = newHandshakes(limits)
	s.http1 = newHTTP1(limits, log, s.service, s.release, s.admission.leave)
	s.watchdog = newWatchdog(limits.BlockTime, log, s.loops)
	return nil
}

func (s *Server) forget(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

func (s *Server) logger() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.Default()
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == serverClosed
}

// Shutdown ends the server gracefully: it stops accepting, says GOAWAY on every connection, closes every
// socket with 1001 behind what was sent to it, and waits for the peers to answer. Many closes are spread
// over Limits.DrainTime, and at most half of the time that ctx leaves. When ctx
// ends first, what is left is closed as by Close and ctx's error returned. Do not call it from a callback.
func (s *Server) Shutdown(ctx context.Context) error {
	loops, guests := s.endAll(stopDrain, s.drainTime(ctx)), make(chan error, 1)
	go func() { guests <- s.http1.shutdown(ctx) }()
	for _, l := range loops {
		select {
		case <-l.done:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), s.Close())
		}
	}
	s.watchdog.end()
	return <-guests
}

// drainTime is over what time Shutdown spreads the closing of sockets.
func (s *Server) drainTime(ctx context.Context) time.Duration {
	limits := s.Limits.withDefaults()
	d := limits.DrainTime
	if d == never {
		return 0
	}
	if end, ok := ctx.Deadline(); ok {
		d = min(d, time.Until(end)/2)
	}
	return d
}

// Close ends the server at once: listeners and connections are closed, and every open
// socket has its OnClose before Close returns. Do not call it from a callback.
func (s *Server) Close() error {
	loops := s.endAll(stopNow, 0)
	s.http1.close()
	for _, l := range loops {
		<-l.done
	}
	s.watchdog.end()
	return nil
}

// endAll closes the listeners and asks the loops to end.
func (s *Server) endAll(how stopState, spread time.Duration) []*loop {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == serverServing {
		close(s.closed)
	}
	s.state = serverClosed
	for l := range s.listeners {
		l.Close()
	}
	s.handshakes.close()
	s.endLoops(how, spread)
	return s.loops
}

func (s *Server) endLoops(how stopState, spread time.Duration) {
	for _, l := range s.loops {
		l.end(how, spread)
	}
}

// Stats returns the server's counters, a few milliseconds old at most while it is busy. Any goroutine.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := Stats{AcceptErrors: s.acceptErrors.Load(), MemoryHeld: memoryHeld()}
	s.service.count(&total)
	for _, l := range s.loops {
		stats := l.stats()
		total.add(&stats)
	}
	s.http1.addTo(&total)
	s.handshakes.addTo(&total)
	s.watchdog.addTo(&total)
	s.admission.addTo(&total)
	return total
}
