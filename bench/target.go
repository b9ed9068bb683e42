package bench

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"h2ws/bench/raw"
)

// Target is where WebSockets are opened, and how. With nothing but Addr and Path it is cleartext HTTP/2 with
// prior knowledge. What is in Path to differ between sockets is for expand.
type Target struct {
	raw.Target
	HTTP1        bool     // over HTTP/1.1 instead, each socket on a connection of its own
	Subprotocols []string // offered
	Locals       []netip.Addr
}

// Protocol names what is spoken.
func (t *Target) Protocol() string {
	switch {
	case t.HTTP1 && t.TLS != nil:
		return "HTTP/1.1 over TLS"
	case t.HTTP1:
		return "HTTP/1.1"
	case t.TLS != nil:
		return "HTTP/2 over TLS"
	}
	return "HTTP/2"
}

// alpn is the protocol that TLS is to agree on.
func (t *Target) alpn() string {
	if t.HTTP1 {
		return "http/1.1"
	}
	return "h2"
}

// offers says whether a subprotocol is among those offered.
func (t *Target) offers(subprotocol string) bool {
	for _, s := range t.Subprotocols {
		if s == subprotocol {
			return true
		}
	}
	return false
}

// What a path may contain to differ between sockets: the numbers, from 0, of the socket and its connection.
const (
	socketMark = "{socket}"
	connMark   = "{conn}"
)

// expand returns what socket n on connection conn opens.
func expand(path string, n, conn int) string {
	if !strings.Contains(path, "{") {
		return path
	}
	return strings.NewReplacer(socketMark, strconv.Itoa(n), connMark, strconv.Itoa(conn)).Replace(path)
}

// reserved are fields that the opening handshake says itself.
var reserved = []string{
	"Host", "Connection", "Upgrade", "Content-Length", "Transfer-Encoding", "Te", "Keep-Alive", "Proxy-Connection",
	"Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions",
}

// check finds what cannot be said to a server. Its errors begin with the name of a wsbench flag.
func (t *Target) check() error {
	if !validPath(t.Path) {
		return fmt.Errorf("path must begin with / and consist of at most %d printable octets, not %.40q", pathBytesMax, t.Path)
	}
	for name, values := range t.Header {
		for _, v := range values {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(v) {
				return fmt.Errorf("header %.40q is none: it is Name: value (RFC 9110 §5)", name+": "+v)
			}
		}
		for _, r := range reserved {
			if strings.EqualFold(name, r) {
				return fmt.Errorf("header %s is part of the opening handshake, and not to be set", name)
			}
		}
	}
	for _, s := range t.Subprotocols {
		if !httpguts.ValidHeaderFieldName(s) {
			return fmt.Errorf("subprotocol %.40q is no token (RFC 6455 §4.1)", s)
		}
	}
	return nil
}
