package ws

import (
	"fmt"
	"strings"
)

// SameOrigin reports whether the page that opens the WebSocket comes from the
// host that it opens it to: same scheme, host and port. A request without
// Origin is not from a browser and passes; "null" and every Origin that is not
// exactly a scheme, a host and perhaps a port do not.
//
// Browsers let any page open a WebSocket to any host, and send the cookies of
// that host with it; this check is what stands in the way (RFC 6455 §10.2).
//
// The scheme is the one that the client, or the proxy in front, puts into
// :scheme. Behind a proxy that takes https and says http an application needs a
// check of its own: see OriginMatches.
func (r *Request) SameOrigin() bool {
	value, given := r.originValue()
	if !given {
		return true
	}
	theirs, ok := parseOrigin(value)
	ours, oursOK := newOrigin(r.Scheme, r.Authority)
	return ok && oursOK && theirs == ours && ours.port != ""
}

// OriginMatches reports whether the page that opens the WebSocket comes from
// one of some origins, each given as
//
//	https://example.com         this scheme and host, at the scheme's port
//	https://example.com:8443    at this port
//	https://*.example.com       any host below example.com, at any depth, but not itself
//	*                           any origin but "null"
//	null                        pages without an origin: sandboxed, local, redirected
//
// Scheme and host are compared without regard to case, and nothing else is made
// equal. A request without Origin is not from a browser and passes; one with
// several, or with one that is not exactly a scheme, a host and perhaps a port,
// does not, whatever the patterns. OriginMatches panics on anything that is not
// a pattern.
func (r *Request) OriginMatches(patterns ...string) bool {
	value, given := r.originValue()
	theirs, ok := parseOrigin(value)
	matches := !given
	for _, p := range patterns {
		switch p {
		case "*":
			matches = matches || ok
		case "null":
			matches = matches || value == "null"
		default:
			matches = parsePattern(p).matches(theirs) && ok || matches
		}
	}
	return matches
}

// originValue returns the value of the Origin field, and whether there is one.
// Of several fields it is no origin.
func (r *Request) originValue() (value string, given bool) {
	for v := range r.Values("origin") {
		if given {
			return "", true
		}
		value, given = v, true
	}
	return value, given
}

// An origin is who vouches for a page (RFC 6454 §4), in lower case. The port
// is "" if it is not given and the scheme has none of its own.
type origin struct{ scheme, host, port string }

// parseOrigin takes apart "scheme://host" and "scheme://host:port". ok is false
// for anything else, user information included.
func parseOrigin(s string) (o origin, ok bool) {
	scheme, authority, ok := strings.Cut(s, "://")
	if !ok {
		return o, false
	}
	return newOrigin(scheme, authority)
}

func newOrigin(scheme, authority string) (o origin, ok bool) {
	if !isScheme(scheme) {
		return o, false
	}
	scheme = strings.ToLower(scheme)
	host, port := authority, defaultPort(scheme)
	// The colon of a port comes after the brackets of an IPv6 address.
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		host = authority[:i]
		if i+1 < len(authority) { // else RFC 3986 §3.2.3: as without the colon
			port = authority[i+1:]
		}
	}
	if !isHost(host) || strings.Trim(port, "0123456789") != "" {
		return o, false
	}
	return origin{scheme, strings.ToLower(host), port}, true
}

// An originPattern is an origin, or all that differ from it by the labels
// before their hosts.
type originPattern struct {
	origin
	below bool
}

func parsePattern(s string) (p originPattern) {
	scheme, authority, _ := strings.Cut(s, "://")
	authority, p.below = strings.CutPrefix(authority, "*.")
	o, ok := newOrigin(scheme, authority)
	if !ok || strings.Contains(o.host, "*") {
		panic(fmt.Sprintf("ws: OriginMatches: %q is not the pattern of an origin", s))
	}
	p.origin = o
	return p
}

func (p originPattern) matches(o origin) bool {
	if p.below {
		labels, below := strings.CutSuffix(o.host, "."+p.host)
		if !below || !areLabels(labels) {
			return false
		}
		o.host = p.host
	}
	return p.origin == o
}

// areLabels reports whether s is labels of a host name with a dot between any
// two, and none of them empty.
func areLabels(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" {
			return false
		}
	}
	return true
}

// isHost refuses what could make two readers see two hosts. It does not check
// that there is such a host.
func isHost(s string) bool {
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		return strings.Trim(s[1:len(s)-1], "0123456789abcdefABCDEF:.") == ""
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`/\@?#:[]%,;"<>^{}|`+"`", s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

// isScheme implements RFC 3986 §3.1.
func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || !strings.Contains("0123456789+-.", s[i:i+1])) {
			return false
		}
	}
	return s != ""
}

// defaultPort is that of a scheme in lower case.
func defaultPort(scheme string) string {
	switch scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return ""
}
