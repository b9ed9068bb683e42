package ws

import (
	"regexp"
	"strings"
	"testing"
)

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
	{"https", "example.com", "http\u017f://example.com", false},   // folds to an s
	{"https", "mark.example", "https://mar\u212a.example", false}, // folds to a k
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

// The origins of pages that want what is not theirs, against patterns as they are written for a site.
func TestOriginMatches(t *testing.T) {
	site := []string{"https://example.com", "https://app.example.com:8443", "https://*.example.org", "http://localhost:3000", "http://[::1]:3000"}
	for _, x := range []struct {
		origin   string
		patterns []string
		want     bool
	}{
		{"https://example.com", site, true},
		{"https://example.com:443", site, true},
		{"HTTPS://EXAMPLE.COM", site, true},
		{"https://app.example.com:8443", site, true},
		{"https://a.example.org", site, true},
		{"https://a.b.c.example.org", site, true},
		{"https://a.example.org:443", site, true},
		{"http://localhost:3000", site, true},
		{"http://[::1]:3000", site, true},

		{"null", site, false},
		{"", site, false},
		{"http://example.com", site, false},
		{"https://example.com:80", site, false},
		{"https://example.com:8443", site, false},
		{"https://app.example.com", site, false},
		{"https://app.example.com:443", site, false},
		{"https://www.example.com", site, false},
		{"https://example.com.evil.org", site, false},
		{"https://evilexample.com", site, false},
		{"https://example.com@evil.org", site, false},
		{"https://evil.org#https://example.com", site, false},
		{"https://evil.org/https://example.com", site, false},
		{"https://example.com/", site, false},
		{"https://example.com, https://evil.org", site, false},
		{"https://example.com.", site, false},
		{"https://exаmple.com", site, false}, // Cyrillic
		{"wss://example.com", site, false},

		{"https://example.org", site, false}, // not below itself
		{"https://.example.org", site, false},
		{"https://a..example.org", site, false},
		{"https://evilexample.org", site, false},
		{"https://a.example.org.evil.com", site, false},
		{"https://a.example.org:8443", site, false},
		{"http://a.example.org", site, false},
		{"https://evil.com/.example.org", site, false},
		{"https://evil.com?.example.org", site, false},
		{`https://evil.com\.example.org`, site, false},
		{"https://user:pw@a.example.org", site, false},
		{"https://evil.com:443.example.org", site, false},
		{"https://*.example.org", site, true}, // a browser sends no such host, and below it is
		{"http://localhost:3001", site, false},
		{"http://localhost", site, false},
		{"http://127.0.0.1:3000", site, false},

		{"https://anywhere.org", []string{"*"}, true},
		{"chrome-extension://abcdefghijklmnop", []string{"*"}, true},
		{"null", []string{"*"}, false},
		{"https://a b", []string{"*"}, false},
		{"://", []string{"*"}, false},
		{"null", []string{"null"}, true},
		{"null", []string{"https://example.com", "*", "null"}, true},
		{"https://null", []string{"null"}, false},
		{"Null", []string{"null"}, false},
		{"https://example.com", []string{"null"}, false},
		{"chrome-extension://abcdefghijklmnop", []string{"chrome-extension://abcdefghijklmnop"}, true},
		{"chrome-extension://abcdefghijklmnoq", []string{"chrome-extension://abcdefghijklmnop"}, false},
		{"moz-extension://abcdefghijklmnop", []string{"chrome-extension://abcdefghijklmnop"}, false},
		{"https://example.com", nil, false},
		{"https://xn--bcher-kva.example", []string{"https://xn--bcher-kva.example"}, true},
	} {
		r := requestWith("origin", x.origin)
		if got := r.OriginMatches(x.patterns...); got != x.want {
			t.Errorf("a page of %q, patterns %q: %t", x.origin, x.patterns, got)
		}
	}
	if !requestWith().OriginMatches("https://example.com") {
		t.Error("a client that is no browser is refused")
	}
	for _, p := range []string{"*", "null", "https://example.com"} {
		if requestWith("origin", "https://example.com", "origin", "https://example.com").OriginMatches(p) {
			t.Errorf("two Origin fields match %q", p)
		}
	}
}

func TestOriginMatchesPanics(t *testing.T) {
	for _, p := range []string{
		"", "example.com", "//example.com", "https://", "https://*", "https://*.", "https://*.*.org", "https://a.*.org", "https://a*.org",
		"*.example.com", "https://example.com/", "https://example.com/*", "https://example.com:*", "https://example.com:https",
		"https://user@example.com", "https://exämple.com", " https://example.com", "https://example.com https://example.org", "*://example.com",
	} {
		wantPanic(t, "is not the pattern of an origin", func() { requestWith("origin", "https://example.com").OriginMatches("https://example.com", p) })
		wantPanic(t, "is not the pattern of an origin", func() { requestWith().OriginMatches(p) })
	}
}

// FuzzOrigin: whatever Origin a client sends, a pattern lets in only what is spelled exactly like it, but
// for case and the scheme's own port, or has labels before it.
func FuzzOrigin(f *testing.F) {
	for _, x := range origins {
		f.Add(x.origin)
	}
	exact := regexp.MustCompile(`^(?i)https://example\.com(:|:443)?$`)
	below := regexp.MustCompile(`^(?i)https://([!-~]+\.)+example\.com(:|:443)?$`)
	f.Fuzz(func(t *testing.T, value string) {
		r := requestWith("origin", value)
		if got := r.OriginMatches("https://example.com"); got != (exact.MatchString(value) && isASCII(value)) {
			t.Errorf("%q is example.com: %t", value, got)
		}
		if r.OriginMatches("https://*.example.com") && (!below.MatchString(value) || strings.ContainsAny(value[8:], "/@?#\\") || !isASCII(value)) {
			t.Errorf("%q is below example.com", value)
		}
	})
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}
