package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// secure is the TLS of one connection. The handshake is done on the connection itself; from then on records
// come and go through memory, so that the Client's loop does all reading and writing.
type secure struct {
	conn *tls.Conn
	wire wire
}

// wire is the net.Conn below a tls.Conn.
type wire struct {
	net.Conn        // during the handshake; nil afterwards, and then:
	in       []byte // records that have arrived; borrowed
	out      []byte // records to be sent
}

// errDry is what wire has instead of data. To crypto/tls it is a temporary error: the tls.Conn stays usable,
// and keeps the beginning of a record.
var errDry net.Error = dry{}

type dry struct{}

func (dry) Error() string   { return "no more records have arrived" }
func (dry) Timeout() bool   { return true }
func (dry) Temporary() bool { return true }

func (w *wire) Read(p []byte) (int, error) {
	if w.Conn != nil {
		return w.Conn.Read(p)
	}
	if len(w.in) == 0 {
		return 0, errDry
	}
	n := copy(p, w.in)
	w.in = w.in[n:]
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	if w.Conn != nil {
		return w.Conn.Write(p)
	}
	w.out = append(w.out, p...)
	return len(p), nil
}

// handshake makes nc a TLS connection that has agreed on the target's protocol.
func handshake(ctx context.Context, nc net.Conn, t *Target) (*secure, error) {
	cfg := t.TLS.Clone()
	cfg.NextProtos = []string{t.alpn()}
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(t.Host())
	}
	s := &secure{wire: wire{Conn: nc}}
	s.conn = tls.Client(&s.wire, cfg)
	if err := s.conn.HandshakeContext(ctx); err != nil {
		return nil, &TLSError{err}
	}
	// A server without ALPN says nothing, and speaks HTTP/1.1.
	if got := s.conn.ConnectionState().NegotiatedProtocol; got != t.alpn() && (got != "" || !t.HTTP1) {
		return nil, &TLSError{fmt.Errorf("%w: it chose %q of ALPN %q", ErrNotHTTP2, got, t.alpn())}
	}
	s.wire.Conn = nil
	return s, nil
}

// open decrypts what has arrived into p. It returns 0 when the rest of the next record is missing.
func (s *secure) open(p []byte) (n int, err error) {
	n, err = s.conn.Read(p)
	if errors.Is(err, errDry) {
		return n, nil
	}
	return n, err
}

// seal encrypts p behind what waits in wire.out.
func (s *secure) seal(p []byte) error {
	_, err := s.conn.Write(p)
	return err
}
