package engine

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"h2ws/engine/frame"
)

// errNoCertificate is what Serve returns for a TLSConfig that no handshake can succeed with.
var errNoCertificate = errors.New("engine: TLSConfig is without certificates")

// serverConfig is what listeners use of an application's tls.Config: a copy that satisfies RFC 9113 §9.2.
func serverConfig(c *tls.Config) (*tls.Config, error) {
	if len(c.Certificates) == 0 && c.GetCertificate == nil && c.GetConfigForClient == nil {
		return nil, errNoCertificate
	}
	c = c.Clone()
	if len(c.NextProtos) == 0 {
		c.NextProtos = []string{"h2", "http/1.1"}
	}
	// "Implementations of HTTP/2 MUST use TLS version 1.2 [TLS12] or higher" (RFC 9113 §9.2).
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	c.DynamicRecordSizingDisabled = true // small records first are for pages; a gather is made of large ones
	return c, nil
}

// withKeyPair is c, which may be nil, with a certificate from files, if they are named.
func withKeyPair(c *tls.Config, certFile, keyFile string) (*tls.Config, error) {
	if c == nil {
		c = new(tls.Config)
	}
	if certFile == "" && keyFile == "" {
		return c, nil
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	c = c.Clone()
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// handshakes are the TLS handshakes under way, each in a goroutine and on the net.Conn of its connection.
type handshakes struct {
	limits Limits
	slots  chan struct{}

	mu      sync.Mutex
	running map[net.Conn]*handshake // nil: closed

	failed   atomic.Uint64
	timedOut atomic.Uint64
}

type handshake struct {
	began   time.Time
	hurried bool
}

// hurriedTimeout is what a handshake has when others wait for its place: a client that is alive needs two
// round trips, and one that is not must not keep it for the whole of Limits.TLSHandshakeTimeout.
const hurriedTimeout = time.Second

func newHandshakes(l Limits) *handshakes {
	return &handshakes{limits: l, slots: make(chan struct{}, l.TLSHandshakes), running: make(map[net.Conn]*handshake)}
}

// enter waits for a place. It reports false when the server ends first.
func (h *handshakes) enter(nc net.Conn, closed <-chan struct{}) bool {
	select {
	case h.slots <- struct{}{}:
	default:
		h.hurry()
		select {
		case h.slots <- struct{}{}:
		case <-closed:
			return false
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running == nil {
		<-h.slots
		return false
	}
	now := time.Now()
	h.running[nc] = &handshake{began: now}
	if h.limits.TLSHandshakeTimeout != never {
		nc.SetDeadline(now.Add(h.limits.TLSHandshakeTimeout))
	}
	return true
}

// hurry shortens the time of those that have not been hurried yet.
func (h *handshakes) hurry() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for nc, shake := range h.running {
		if !shake.hurried {
			shake.hurried = true
			nc.SetDeadline(shake.began.Add(min(hurriedTimeout, h.limits.TLSHandshakeTimeout)))
		}
	}
}

// leave gives the place back, and the connection its time. It reports false when the server has ended.
func (h *handshakes) leave(nc net.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	<-h.slots
	if h.running == nil {
		return false
	}
	delete(h.running, nc)
	nc.SetDeadline(time.Time{})
	return true
}

// close ends all of them. h may be nil: nothing has begun.
func (h *handshakes) close() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for nc := range h.running {
		nc.Close()
	}
	h.running = nil
}

// count counts a handshake that failed.
func (h *handshakes) count(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		h.timedOut.Add(1)
	} else {
		h.failed.Add(1)
	}
}

func (h *handshakes) addTo(s *Stats) {
	if h == nil {
		return
	}
	s.TLSHandshakes = int64(len(h.slots))
	s.TLSHandshakesFailed = h.failed.Load()
	s.TLSHandshakesTimedOut = h.timedOut.Load()
}

// secure shakes hands on a connection and hands it to where it belongs. It has a place among the handshakes.
func (s *Server) secure(nc net.Conn, config *tls.Config) {
	t := newTLSWire(nc, config)
	protocol, ahead, err := t.handshake()
	running := s.handshakes.leave(nc)
	switch {
	case !running:
		s.part(nc)
	case err != nil:
		s.handshakes.count(err)
		s.logger().Info("TLS handshake failed", "remote", nc.RemoteAddr(), "error", err)
		s.part(nc)
	case protocol == "h2":
		s.release(t.conn, &arrival{proto: protoHTTP2, ahead: ahead, remote: remoteOf(nc)})
	default:
		s.http1.take(&guest{Conn: t.conn, tls: t.state, ahead: ahead})
	}
}

// handshake shakes hands and finds out what the client will speak: what was negotiated or, without ALPN, what
// it begins with. That has been read then.
func (t *tlsWire) handshake() (protocol string, ahead []byte, err error) {
	if err := t.conn.Handshake(); err != nil {
		return "", nil, err
	}
	state := t.conn.ConnectionState()
	t.state = &state
	switch state.NegotiatedProtocol {
	case "h2", "http/1.1":
		return state.NegotiatedProtocol, nil, nil
	case "":
		return t.sniff()
	}
	return "", nil, errors.New("ALPN has chosen " + state.NegotiatedProtocol + ", which is not ours")
}

func (t *tlsWire) sniff() (protocol string, ahead []byte, err error) {
	b := make([]byte, sniffSize)
	n := 0
	for n < len(frame.Preface) {
		m, err := t.conn.Read(b[n:])
		if n += m; string(b[:min(n, len(frame.Preface))]) != frame.Preface[:min(n, len(frame.Preface))] {
			return "http/1.1", b[:n], nil
		}
		if err != nil {
			return "", nil, err
		}
	}
	return "h2", b[:n], nil
}
