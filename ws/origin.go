package ws

import "strings"

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
// check of its own.
func (r *Request) SameOrigin() bool {
	origin, n := "", 0
	for origin = range r.Values("origin") {
		n++
	}
	if n == 0 {
		return true
	}
	scheme, authority, ok := strings.Cut(origin, "://")
	if n > 1 || !ok || !strings.EqualFold(scheme, r.Scheme) {
		return false
	}
	host, port, ok := splitAuthority(authority, scheme)
	ourHost, ourPort, ourOK := splitAuthority(r.Authority, scheme)
	return ok && ourOK && strings.EqualFold(host, ourHost) && port == ourPort
}

// splitAuthority takes apart a host and an optional port; the default is the
// scheme's. ok is false for anything else, user information included.
func splitAuthority(s, scheme string) (host, port string, ok bool) {
	host, port = s, defaultPort(scheme)
	// The colon of a port comes after the brackets of an IPv6 address.
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host = s[:i]
		if i+1 < len(s) {
			port = s[i+1:]
		}
	}
	return host, port, isHost(host) && isPort(port)
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

func isPort(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func defaultPort(scheme string) string {
	switch {
	case strings.EqualFold(scheme, "http"):
		return "80"
	case strings.EqualFold(scheme, "https"):
		return "443"
	}
	return ""
}
