package raw

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
)

// Target is a server, and where on it WebSockets are opened.
type Target struct {
	Addr      string      // host:port to connect to
	Authority string      // :authority, or Host; "": Addr
	Path      string      // what a WebSocket opens
	TLS       *tls.Config // nil: cleartext with prior knowledge
	Header    http.Header // what every opening handshake says besides
}

// Host is what requests say the server is.
func (t *Target) Host() string {
	if t.Authority != "" {
		return t.Authority
	}
	return t.Addr
}

// Scheme is that of the requests' target URI.
func (t *Target) Scheme() string {
	if t.TLS != nil {
		return "https"
	}
	return "http"
}

// Handshake returns the fields of the opening handshake of a WebSocket (RFC 8441 §5), which the caller owns.
func (t *Target) Handshake() []Field {
	fields := []Field{
		{Name: ":method", Value: "CONNECT"},
		{Name: ":protocol", Value: "websocket"},
		{Name: ":scheme", Value: t.Scheme()},
		{Name: ":path", Value: t.Path},
		{Name: ":authority", Value: t.Host()},
		{Name: "sec-websocket-version", Value: "13"},
	}
	for name, values := range t.Header {
		for _, v := range values {
			fields = append(fields, Field{Name: strings.ToLower(name), Value: v})
		}
	}
	slices.SortFunc(fields[6:], func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return fields
}

// ErrNotHTTP2 is wrapped by what Dial returns when TLS did not agree on HTTP/2.
var ErrNotHTTP2 = errors.New("the server does not speak HTTP/2")

// dial connects, and shakes hands if there is TLS.
func (t *Target) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", t.Addr)
	if err != nil || t.TLS == nil {
		return nc, err
	}
	cfg := t.TLS.Clone()
	cfg.NextProtos = []string{"h2"}
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(t.Host())
	}
	secure := tls.Client(nc, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	if got := secure.ConnectionState().NegotiatedProtocol; got != "h2" {
		secure.Close()
		return nil, fmt.Errorf("%w: it chose %q of ALPN \"h2\"", ErrNotHTTP2, got)
	}
	return secure, nil
}
