package ws

import (
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// A Field is one field of a request or response. Names are lower-case.
type Field = struct{ Name, Value string }

// A Request is an opening handshake that is being decided. It is borrowed: its
// fields are valid until OnHandshake returns.
type Request struct {
	Scheme     string // "http" or "https", as the client says
	Authority  string // host and optional port
	Path       string // up to the query, as the client wrote it: neither decoded nor cleaned
	RawQuery   string // behind the '?'; see Query
	Fields     []Field
	RemoteAddr netip.AddrPort
	TLS        *tls.ConnectionState // of the connection, not to be changed; nil: cleartext

	decision Decision
	decided  bool
}

// AcceptOptions goes with an accepted handshake.
type AcceptOptions struct {
	// Subprotocol is one of Subprotocols, or empty. Browsers fail a WebSocket
	// for which they offered subprotocols and none was chosen.
	Subprotocol string

	// Header is added to the response. Names must be lower-case, and neither
	// about the connection nor about the handshake itself, and all of it at
	// most 8 KiB, with the subprotocol, and 32 octets more for each field.
	Header []Field

	// Data is what Conn.Data returns from OnOpen on.
	Data any

	// Topics are joined before OnOpen: what is published to them from then on is received.
	Topics []Topic

	// Queue, if not nil, replaces the server's limits of what waits for the peer.
	Queue *QueueLimits

	// Stats, if not nil, counts what becomes of the messages for this Conn. Its topics then serve it by
	// itself and not in a row with others, some 50 ns a message more.
	Stats *ConnStats
}

// headerSizeMax bounds the fields of the response, in octets as RFC 9113 §6.5.2
// counts them, so that encoded they fit one HTTP/2 frame.
const headerSizeMax = 8 << 10

// Accept accepts the handshake. It panics if the request is decided, or if o
// could not be sent.
func (r *Request) Accept(o AcceptOptions) {
	if err := r.checkAccept(&o); err != nil {
		panic(err.Error())
	}
	r.decide()
	r.decision.accept(&o)
}

// accept decides as o says. The fields are appended to those there are.
func (d *Decision) accept(o *AcceptOptions) {
	d.Status, d.Data, d.Topics, d.Queue, d.Stats = 200, o.Data, o.Topics, o.Queue, o.Stats
	if o.Subprotocol != "" {
		d.Fields = append(d.Fields, Field{Name: "sec-websocket-protocol", Value: o.Subprotocol})
	}
	d.Fields = append(d.Fields, o.Header...)
}

// checkAccept says why the handshake can't be accepted with o, or returns nil.
func (r *Request) checkAccept(o *AcceptOptions) error {
	size := len(o.Subprotocol)
	for _, f := range o.Header {
		if err := checkField(f); err != nil {
			return err
		}
		size += len(f.Name) + len(f.Value) + 32
	}
	if slices.Contains(o.Topics, nil) {
		return errors.New("ws: Accept: a topic is nil")
	}
	if size > headerSizeMax {
		return fmt.Errorf("ws: Accept: %d octets of Header, at most %d", size, headerSizeMax)
	}
	if o.Subprotocol != "" && !slices.Contains(r.Subprotocols(), o.Subprotocol) {
		// RFC 6455 §4.1 has the client fail if this "indicates the use of a
		// subprotocol that was not present in the client's handshake".
		return fmt.Errorf("ws: Accept: subprotocol %q was not offered", o.Subprotocol)
	}
	return nil
}

// Reject refuses the handshake with a status from 300 to 599 and a short text
// for the body. It panics if the request is decided, or on another status.
func (r *Request) Reject(status int, reason string) {
	if err := checkReject(status); err != nil {
		panic(err.Error())
	}
	r.decide()
	r.decision.Status, r.decision.Reason = status, reason
}

func checkReject(status int) error {
	if status < 300 || status > 599 {
		return fmt.Errorf("ws: Reject: status %d is not a refusal", status)
	}
	return nil
}

func (r *Request) decide() {
	if r.decided {
		panic("ws: Accept, Reject or Defer called for a request that is decided")
	}
	r.decided = true
}

func (r *Request) decideByOrigin() {
	if r.SameOrigin() {
		r.Accept(AcceptOptions{})
	} else {
		r.Reject(403, "origin not allowed")
	}
}

// Header returns the value of the first field of that name, or "".
func (r *Request) Header(name string) string {
	for v := range r.Values(name) {
		return v
	}
	return ""
}

// Values returns the values of all fields of that name, in order.
func (r *Request) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, f := range r.Fields {
			if len(f.Name) == len(name) && strings.EqualFold(f.Name, name) && !yield(f.Value) {
				return
			}
		}
	}
}

// Query returns the parameters of the query, decoded; of one that is malformed
// the parameters before and behind it.
func (r *Request) Query() url.Values {
	values, _ := url.ParseQuery(r.RawQuery)
	return values
}

// Cookie returns the value of the first cookie of that name (RFC 6265 §5.4),
// without quotes around it, and whether there is one.
func (r *Request) Cookie(name string) (value string, ok bool) {
	for list := range r.Values("cookie") {
		for pair := range strings.SplitSeq(list, ";") {
			key, value, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
			if ok && key == name && name != "" {
				return unquote(value), true
			}
		}
	}
	return "", false
}

// unquote takes away the quotes that RFC 6265 §4.1.1 has around a cookie-value.
func unquote(s string) string {
	if len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// Origin returns the origin of the page that opens the WebSocket, or "" if the
// client does not say, which means that it is no browser.
func (r *Request) Origin() string { return r.Header("origin") }

// Subprotocols returns the subprotocols that the client offers, the one it
// likes best first, each once (RFC 6455 §11.3.4).
func (r *Request) Subprotocols() []string {
	var offered []string
	for name := range r.subprotocolElements() {
		if name != "" && !slices.Contains(offered, name) {
			offered = append(offered, name)
		}
	}
	return offered
}

// ChooseSubprotocol returns the first of the subprotocols that the client offers
// which is one of ours, or "". So the client's taste decides: what it offers is
// "ordered by preference" (RFC 6455 §4.1). A server that goes by its own looks
// through Subprotocols.
func (r *Request) ChooseSubprotocol(ours ...string) string {
	for name := range r.subprotocolElements() {
		if name != "" && slices.Contains(ours, name) {
			return name
		}
	}
	return ""
}

// subprotocolElements returns the elements of the list that may span several
// fields: "The |Sec-WebSocket-Protocol| header field MAY appear multiple times
// in an HTTP request (which is logically the same as a single
// |Sec-WebSocket-Protocol| header field that contains all values)".
func (r *Request) subprotocolElements() iter.Seq[string] {
	return func(yield func(string) bool) {
		for list := range r.Values("sec-websocket-protocol") {
			for element := range strings.SplitSeq(list, ",") {
				if !yield(strings.Trim(element, " \t")) {
					return
				}
			}
		}
	}
}

// violation returns what the client's handshake breaks, or "". RFC 6455 §4.2.1:
// on "any violations of the ABNF grammar specified for the components of the
// handshake, the server MUST stop processing the client's handshake and return
// an HTTP response with an appropriate error code (such as 400 Bad Request)".
func (r *Request) violation() string {
	versions, version := 0, ""
	for version = range r.Values("sec-websocket-version") {
		versions++
	}
	if versions != 1 || version != "13" {
		return "sec-websocket-version must be 13"
	}
	for name := range r.subprotocolElements() {
		if name != "" && !isToken(name) {
			return "malformed sec-websocket-protocol"
		}
	}
	return ""
}

// checkField says why f can't be sent with an accepted handshake, or returns nil.
func checkField(f Field) error {
	switch {
	case !isToken(f.Name) || strings.ToLower(f.Name) != f.Name:
		// RFC 9113 §8.2.1. It covers pseudo-header fields: ':' is no token.
		return fmt.Errorf("ws: Accept: invalid field name %q", f.Name)
	case slices.Contains(forbidden, f.Name) || strings.HasPrefix(f.Name, "sec-websocket-"):
		return fmt.Errorf("ws: Accept: field %q is not the application's", f.Name)
	case strings.ContainsAny(f.Value, "\x00\r\n") || strings.Trim(f.Value, " \t") != f.Value:
		return fmt.Errorf("ws: Accept: invalid value of field %q", f.Name)
	}
	return nil
}

// forbidden are the connection-specific fields of RFC 9113 §8.2.2, and
// content-length: RFC 9110 §8.6, "A server MUST NOT send a Content-Length header
// field in any 2xx (Successful) response to a CONNECT request".
var forbidden = []string{
	"connection", "content-length", "keep-alive", "proxy-connection",
	"te", "trailer", "transfer-encoding", "upgrade",
}

// isToken reports whether s is a token (RFC 9110 §5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !alnum && !strings.Contains("!#$%&'*+-.^_`|~", s[i:i+1]) {
			return false
		}
	}
	return s != ""
}
