package ws

import "testing"

var origins = []struct {
	scheme, authority string
	origin            string
	same              bool
}{
	{"https", "example.com", "https://example.com", true},
	{"https", "example.com", "https://example.com:443", true},
	{"https", "example.com:443", "https://example.com", true},
	{"https", "example.com:", "https://example.com", true}, // RFC 3986 §3.2.3
	{"http", "example.com", "http://example.com:80", true},
	{"http", "localhost:8080", "http://localhost:8080", true},
	{"https", "Example.COM", "https://example.com", true},
	{"HTTPS", "example.com", "https://EXAMPLE.com", true},
	{"http", "127.0.0.1:8080", "http://127.0.0.1:8080", true},
	{"http", "[::1]:8080", "http://[::1]:8080", true},
	{"https", "[2001:DB8::1]", "https://[2001:db8::1]:443", true},
	{"https", "a_b.example", "https://a_b.example", true},

	// Not an origin at all.
	{"https", "example.com", "null", false},
	{"https", "example.com", "", false},
	{"https", "example.com", "https://", false},
	{"https", "example.com", "example.com", false},
	{"https", "example.com", "//example.com", false},
	{"https", "example.com", "://example.com", false},
	{"", "example.com", "://example.com", false},
	{"https", "null", "null", false},
	{"https", "", "https://", false},
	{"https", ":443", "https://:443", false},

	// Another scheme.
	{"https", "example.com", "http://example.com", false},
	{"http", "example.com", "https://example.com", false},
	{"https", "example.com", "http://example.com:443", false},
	{"https", "example.com", "wss://example.com", false},
	{"https", "example.com", "chrome-extension://example.com", false},
	{"file", "example.com", "file://example.com", false},

	// Another port.
	{"https", "example.com", "https://example.com:444", false},
	{"https", "example.com:8443", "https://example.com", false},
	{"https", "example.com:8443", "https://example.com:443", false},
	{"http", "localhost:8080", "http://localhost:3000", false},
	{"https", "example.com", "https://example.com:0443", false},
	{"https", "example.com", "https://example.com:443:443", false},
	{"https", "example.com", "https://example.com:+443", false},
	{"https", "example.com", "https://example.com:https", false},
	{"http", "[::1]:8080", "http://[::1]", false},
	{"http", "[::1]", "http://::1", false},

	// Another host that looks like ours.
	{"https", "example.com", "https://example.com.evil.org", false},
	{"https", "example.com", "https://evil-example.com", false},
	{"https", "example.com", "https://evil.example.com", false},
	{"https", "sub.example.com", "https://example.com", false},
	{"https", "example.com", "https://example.co", false},
	{"https", "example.com", "https://example.com.", false},
	{"https", "example.com", "https://example.com@evil.org", false},
	{"https", "example.com", "https://evil.org@example.com", false},
	{"https", "user@example.com", "https://user@example.com", false},
	{"https", "example.com", "https://example.com/", false},
	{"https", "example.com", "https://example.com/path", false},
	{"https", "example.com", `https://example.com\evil.org`, false},
	{"https", "example.com", "https://example.com?", false},
	{"https", "example.com", "https://example.com#", false},
	{"https", "example.com", "https://example.com evil.org", false},
	{"https", "example.com", " https://example.com", false},
	{"https", "example.com", "https://example.com ", false},
	{"https", "example.com", "https://example.com\x00", false},
	{"https", "example.com", "https://example.com, https://evil.org", false},
	{"https", "example.com", "https://exampl%65.com", false},
	{"https", "example.com", "https://еxample.com", false}, // Cyrillic
	{"https", "еxample.com", "https://еxample.com", false}, // not as it is written on the wire
	{"https", "[example.com]", "https://[example.com]", false},
	{"https", "[]", "https://[]", false},
}

func TestSameOrigin(t *testing.T) {
	for _, x := range origins {
		r := &Request{Scheme: x.scheme, Authority: x.authority, Fields: []Field{{Name: "origin", Value: x.origin}}}
		if r.SameOrigin() != x.same {
			t.Errorf("%s://%s opened by a page of %q: SameOrigin() = %t", x.scheme, x.authority, x.origin, !x.same)
		}
	}
}

func TestSameOriginAbsent(t *testing.T) {
	if !(&Request{Scheme: "https", Authority: "example.com"}).SameOrigin() {
		t.Error("a client that is no browser is refused")
	}
}

func TestSameOriginTwice(t *testing.T) {
	ours := Field{Name: "origin", Value: "https://example.com"}
	r := &Request{Scheme: "https", Authority: "example.com", Fields: []Field{ours, ours}}
	if r.SameOrigin() {
		t.Error("two Origin fields pass")
	}
}
