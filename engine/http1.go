package engine

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// http1 is the HTTP/1.1 side of a Server: net/http on the connections that speak it, with goroutines for each. The
// opening handshake of a WebSocket takes a connection from here to a loop.
type http1 struct {
	limits  Limits
	service *service                 // of Server.HTTP; nil: none
	release func(net.Conn, *arrival) // to a loop
	left    func(netip.Addr)         // a connection is closed
	server  http.Server
	queue   chan *guest // not yet accepted; as many as there may be guests, so that nobody waits to send
	ended   chan struct{}
	end     sync.Once

	mu     sync.Mutex
	guests map[*guest]struct{} // nil: closed

	taken    atomic.Uint64
	fresh    atomic.Uint64 // of them, those no loop has seen
	full     atomic.Uint64
	unserved atomic.Uint64
	refused  atomic.Uint64 // opening handshakes
	plain    atomic.Uint64 // requests for nobody
	served   atomic.Uint64 // requests
	shed     atomic.Uint64 // requests
	expired  atomic.Uint64 // requests
}

func newHTTP1(l Limits, log *slog.Logger, service *service, release func(net.Conn, *arrival), left func(netip.Addr)) *http1 {
	h := &http1{
		limits: l, service: service, release: release, left: left,
		queue:  make(chan *guest, l.HTTPConnections),
		ended:  make(chan struct{}),
		guests: make(map[*guest]struct{}),
	}
	h.server = http.Server{
		Handler:           h,
		MaxHeaderBytes:    int(l.Header.ListSize),
		ReadHeaderTimeout: orNone(l.HeaderTimeout),
		IdleTimeout:       orNone(l.IdleTimeout),
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelInfo),
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return context.WithValue(ctx, guestKey{}, nc)
		},
		Protocols: new(http.Protocols),
	}
	h.server.Protocols.SetHTTP1(true)
	go h.server.Serve(listener{h})
	return h
}

// orNone is d, or what package net/http has for no deadline.
func orNone(d time.Duration) time.Duration {
	if d == never {
		return 0
	}
	return d
}

// take makes a guest of a connection that speaks HTTP/1.1, unless there are too many. ahead is what has been
// read of it. Any goroutine; it does not block.
func (h *http1) take(g *guest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.guests == nil:
		h.part(g)
	case len(h.guests) >= h.limits.HTTPConnections:
		h.full.Add(1)
		g.Conn.Write([]byte("HTTP/1.1 503 \r\nConnection: close\r\n\r\n")) // its first octets: there is room
		h.part(g)
	default:
		h.taken.Add(1)
		if g.tls != nil {
			h.fresh.Add(1)
		}
		g.home = h
		h.guests[g] = struct{}{}
		h.queue <- g
	}
}

// forget takes a guest off the list. It reports false if somebody else has: that one closes it.
func (h *http1) forget(g *guest) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, known := h.guests[g]
	delete(h.guests, g)
	return known
}

// shutdown ends the server when its requests are answered, or with an error when ctx ends. h may be nil, here and
// in close: nothing has begun.
func (h *http1) shutdown(ctx context.Context) error {
	if h == nil {
		return nil
	}
	err := h.server.Shutdown(ctx)
	h.close()
	return err
}

// close closes the connections. Handlers may take longer.
func (h *http1) close() {
	if h == nil {
		return
	}
	h.server.Close()
	h.mu.Lock()
	guests := h.guests
	h.guests = nil
	h.mu.Unlock()
	for g := range guests {
		h.part(g)
	}
}

// part closes the connection of a guest that is on no list.
func (h *http1) part(g *guest) error {
	h.left(remoteOf(g).Addr())
	return g.Conn.Close()
}

// listener hands the guests to the net/http server.
type listener struct{ *http1 }

func (l listener) Accept() (net.Conn, error) {
	select {
	case g := <-l.queue:
		return g, nil
	case <-l.ended:
		return nil, net.ErrClosed
	}
}

func (l listener) Close() error {
	l.end.Do(func() { close(l.ended) })
	return nil
}

func (l listener) Addr() net.Addr { return &net.TCPAddr{} }

// ServeHTTP implements http.Handler.
func (h *http1) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := r.Context().Value(guestKey{}).(*guest)
	g.served.Store(true)
	r.TLS = g.tls
	switch {
	case r.ProtoMajor != 1: // net/http lets through what looks like HTTP/2's preface
		refuse(w, http.StatusHTTPVersionNotSupported, "this is HTTP/1.1")
	case wantsUpgrade(r):
		h.serveUpgrade(w, r, g)
	default:
		h.servePlain(w, r, g)
	}
}

// servePlain answers a request that is no WebSocket, within the bounds that it has over HTTP/2.
func (h *http1) servePlain(w http.ResponseWriter, r *http.Request, g *guest) {
	h.boundBody(w, r)
	switch {
	case r.Method == http.MethodConnect:
		h.plain.Add(1)
		refuse(w, http.StatusNotImplemented, "CONNECT is not for this server")
	case h.service == nil:
		h.plain.Add(1)
		refuse(w, http.StatusNotFound, "this server speaks WebSocket")
	case r.ContentLength > h.limits.RequestSize:
		h.shed.Add(1)
		refuse(w, http.StatusRequestEntityTooLarge, "the body is too large")
	case !h.service.admit():
		h.shed.Add(1)
		refuse(w, http.StatusServiceUnavailable, "too many requests")
	default:
		defer h.service.running.Add(-1)
		h.served.Add(1)
		h.call(w, r, g)
	}
}

// call calls the handler. When its time is over its context ends, and with it the connection, which has no
// other word for that.
func (h *http1) call(w http.ResponseWriter, r *http.Request, g *guest) {
	if h.limits.RequestTimeout != never {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		g.expire = time.AfterFunc(h.limits.RequestTimeout, func() {
			h.expired.Add(1)
			g.Close() // first: a handler that returns when its context ends has not answered
			cancel()
		})
		defer g.expire.Stop()
		r = r.WithContext(ctx)
	}
	if h.service.call(w, r) != nil {
		panic(http.ErrAbortHandler) // logged already
	}
}

// refuse answers with a line of text and ends the connection.
func refuse(w http.ResponseWriter, status int, reason string) {
	w.Header()["Connection"] = append([]string{"close"}, w.Header()["Connection"]...) // net/http looks at the first
	http.Error(w, reason, status)
}

// boundBody gives the request's body a size and a time.
func (h *http1) boundBody(w http.ResponseWriter, r *http.Request) {
	if r.Body == http.NoBody {
		return
	}
	b := body{http.MaxBytesReader(w, r.Body, h.limits.RequestSize), http.NewResponseController(w)}
	if h.limits.RequestTimeout != never {
		b.control.SetReadDeadline(time.Now().Add(h.limits.RequestTimeout))
	}
	r.Body = b
}

// addTo adds the figures of HTTP/1.1. h may be nil: nothing has begun.
func (h *http1) addTo(s *Stats) {
	if h == nil {
		return
	}
	h.mu.Lock()
	s.HTTPConnections = int64(len(h.guests))
	h.mu.Unlock()
	s.HTTPAccepted = h.taken.Load()
	s.ConnectionsAccepted += h.fresh.Load()
	s.HTTPRefused = h.full.Load()
	s.HTTPUnserved = h.unserved.Load()
	s.RequestsPlain += h.plain.Load()
	s.RequestsServed += h.served.Load()
	s.RequestsRefused += h.shed.Load()
	s.RequestsExpired += h.expired.Load()
	s.SocketsRefused += h.refused.Load()
}
