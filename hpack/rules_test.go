package hpack

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// block encodes fields without touching a dynamic table.
func block(fields ...Field) []byte {
	var b []byte
	for _, f := range fields {
		b = AppendField(b, f.Name, f.Value)
	}
	return b
}

// fields reads alternating names and values.
func fields(s ...string) []Field {
	var list []Field
	for i := 0; i < len(s); i += 2 {
		list = append(list, Field{s[i], s[i+1]})
	}
	return list
}

// get is a well-formed GET, connect a well-formed opening handshake, each with more fields behind.
func get(more ...string) []Field {
	return append(fields(":method", "GET", ":scheme", "https", ":authority", "example.com", ":path", "/"), fields(more...)...)
}

func connect(more ...string) []Field {
	return append(fields(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/chat",
		":authority", "example.com"), fields(more...)...)
}

// with returns list with the value of one field replaced, without returns it without that field.
func with(list []Field, name, value string) []Field {
	list = slices.Clone(list)
	i := slices.IndexFunc(list, func(f Field) bool { return f.Name == name })
	list[i].Value = value
	return list
}

func without(list []Field, name string) []Field {
	return slices.DeleteFunc(slices.Clone(list), func(f Field) bool { return f.Name == name })
}

var malformedRequests = []struct {
	name   string
	fields []Field
	want   *Malformed
}{
	// Field names, RFC 9113 §8.2.1.
	{"no name", get("", "x"), errName},
	{"upper-case name", get("X-TEST", "ok"), errName},
	{"one upper-case letter in a name", get("x-tesT", "ok"), errName},
	{"space in a name", get("x test", "ok"), errName},
	{"space behind a name", get("x-test ", "ok"), errName},
	{"NUL in a name", get("x\x00", "ok"), errName},
	{"CR LF in a name", get("x\r\ny", "ok"), errName},
	{"DEL in a name", get("x\x7f", "ok"), errName},
	{"octet above 0x7f in a name", get("x\xc3\xa9", "ok"), errName},
	{"colon inside a name", get("x:y", "ok"), errName},
	{"parenthesis in a name", get("x(y)", "ok"), errName},
	{"quote in a name", get(`"x"`, "ok"), errName},

	// Field values, RFC 9113 §8.2.1.
	{"NUL in a value", get("x", "a\x00b"), errValue},
	{"LF in a value", get("x", "a\nb"), errValue},
	{"CR in a value", get("x", "a\rb"), errValue},
	{"smuggled field line", get("x", "a\r\nhost: evil"), errValue},
	{"value starts with a space", get("x", " a"), errValue},
	{"value ends with a space", get("x", "a "), errValue},
	{"value starts with a tab", get("x", "\ta"), errValue},
	{"value ends with a tab", get("x", "a\t"), errValue},
	{"value is one space", get("x", " "), errValue},
	{"ESC in a value", get("x", "a\x1bb"), errValue},
	{"DEL in a value", get("x", "a\x7fb"), errValue},
	{"LF in a cookie", connect("cookie", "a=b\n"), errValue},

	// Connection-specific fields, RFC 9113 §8.2.2.
	{"connection", get("connection", "keep-alive"), errConnection},
	{"connection of an HTTP/1.1 handshake", connect("connection", "upgrade"), errConnection},
	{"upgrade", connect("upgrade", "websocket"), errConnection},
	{"keep-alive", get("keep-alive", "timeout=5"), errConnection},
	{"proxy-connection", get("proxy-connection", "keep-alive"), errConnection},
	{"transfer-encoding", get("transfer-encoding", "chunked"), errConnection},
	{"te with more than trailers", get("te", "trailers, deflate"), errTE},
	{"te with another s", get("te", "trailer\u017f"), errTE},
	{"te without trailers", get("te", "gzip"), errTE},
	{"empty te", get("te", ""), errTE},

	// Pseudo-header fields, RFC 9113 §8.3.
	{"unknown pseudo-header field", get(":test", "ok"), errPseudoUnknown},
	{"unknown pseudo-header field alone", fields(":a", ""), errPseudoUnknown},
	{"a colon as name", fields(":", "x"), errPseudoUnknown},
	{"upper-case pseudo-header field", fields(":Method", "GET"), errPseudoUnknown},
	{"pseudo-header field of a response", get(":status", "200"), errPseudoUnknown},
	{"pseudo-header field after a regular one", append(fields("x-test", "ok"), get()...), errPseudoLate},
	{":path after a regular field", append(without(get("x", "y"), ":path"), Field{":path", "/"}), errPseudoLate},
	{":method twice", append(get(), Field{":method", "GET"}), errPseudoTwice},
	{":scheme twice", append(get(), Field{":scheme", "https"}), errPseudoTwice},
	{":path twice", append(get(), Field{":path", "/"}), errPseudoTwice},
	{":authority twice", append(get(), Field{":authority", "example.com"}), errPseudoTwice},
	{":protocol twice", append(connect(), Field{":protocol", "websocket"}), errPseudoTwice},
	{"empty :path, then another", append(fields(":path", ""), get()...), errPseudoTwice},

	// What a request must have, RFC 9113 §8.3.1.
	{"no field at all", nil, errMethod},
	{"regular fields only", fields("x", "y"), errMethod},
	{":method missing", without(get(), ":method"), errMethod},
	{":method empty", with(get(), ":method", ""), errMethod},
	{":method with a space", with(get(), ":method", "GET /"), errMethod},
	{":scheme missing", without(get(), ":scheme"), errScheme},
	{":scheme empty", with(get(), ":scheme", ""), errScheme},
	{":scheme starts with a digit", with(get(), ":scheme", "1http"), errScheme},
	{":scheme with more behind it", with(get(), ":scheme", "https://evil"), errScheme},
	{":path missing", without(get(), ":path"), errPath},
	{":path empty", with(get(), ":path", ""), errPath},
	{":path relative", with(get(), ":path", "chat"), errPath},
	{":path with a scheme", with(get(), ":path", "http://example.com/"), errPath},
	{":path with a space", with(get(), ":path", "/ HTTP/1.1"), errPath},
	{":path with LF", with(get(), ":path", "/\n"), errPath},
	{":path with DEL", with(get(), ":path", "/\x7f"), errPath},
	{":path with a fragment", with(get(), ":path", "/a#b"), errPath},
	{"asterisk without OPTIONS", with(get(), ":path", "*"), errPath},
	{":authority empty", with(get(), ":authority", ""), errAuthority},
	{":authority with userinfo", with(get(), ":authority", "user@example.com"), errAuthority},
	{":authority with a path", with(get(), ":authority", "example.com/"), errAuthority},
	{":authority with a space", with(get(), ":authority", "example.com "), errAuthority},
	{":authority with NUL", with(get(), ":authority", "example.com\x00"), errAuthority},
	{"host differs", get("host", "other.example"), errHostOther},
	{"host differs in its port", get("host", "example.com:8443"), errHostOther},
	{"host has the port of the other scheme", get("host", "example.com:80"), errHostOther},
	{"host empty next to :authority", get("host", ""), errHostOther},
	{"host twice", get("host", "example.com", "host", "example.com"), errHost},
	{"host with userinfo", without(get("host", "a@b"), ":authority"), errHost},

	// CONNECT, RFC 9113 §8.5, and :protocol, RFC 8441 §4.
	{"CONNECT with :scheme", fields(":method", "CONNECT", ":authority", "h:1", ":scheme", "https"), errConnect},
	{"CONNECT with :path", fields(":method", "CONNECT", ":authority", "h:1", ":path", "/"), errConnect},
	{"CONNECT with empty :path", fields(":method", "CONNECT", ":authority", "h:1", ":path", ""), errConnect},
	{"CONNECT without :authority", fields(":method", "CONNECT"), errAuthority},
	{"CONNECT with empty :authority", fields(":method", "CONNECT", ":authority", ""), errAuthority},
	{"CONNECT with Host only", fields(":method", "CONNECT", "host", "h:1"), errAuthority},
	{"GET with :protocol", append(get(), Field{":protocol", "websocket"}), errExtended},
	{"connect in lower case is not CONNECT", with(connect(), ":method", "connect"), errExtended},
	{":protocol empty", with(connect(), ":protocol", ""), errProtocol},
	{":protocol not a token", with(connect(), ":protocol", "web socket"), errProtocol},
	{":protocol that folds to websocket", with(connect(), ":protocol", "web\u017focket"), errProtocol},
	{"extended CONNECT without :scheme", without(connect(), ":scheme"), errScheme},
	{"extended CONNECT without :path", without(connect(), ":path"), errPath},
	{"extended CONNECT without :authority", without(connect(), ":authority"), errAuthority},
	{"extended CONNECT with empty :scheme", with(connect(), ":scheme", ""), errScheme},
	{"extended CONNECT with empty :path", with(connect(), ":path", ""), errPath},
	{"extended CONNECT with empty :authority", with(connect(), ":authority", ""), errAuthority},
	{"extended CONNECT with asterisk", with(connect(), ":path", "*"), errPath},
	{"extended CONNECT, host differs", connect("host", "evil.example"), errHostOther},

	// content-length, RFC 9110 §8.6.
	{"content-length empty", get("content-length", ""), errLength},
	{"content-length negative", get("content-length", "-1"), errLength},
	{"content-length with a plus", get("content-length", "+1"), errLength},
	{"content-length hexadecimal", get("content-length", "0x10"), errLength},
	{"content-length with an underscore", get("content-length", "1_0"), errLength},
	{"content-length a list", get("content-length", "1, 1"), errLength},
	{"content-length of 2^63", get("content-length", "9223372036854775808"), errLength},
	{"content-length of 25 digits", get("content-length", strings.Repeat("9", 25)), errLength},
	{"two content-lengths", get("content-length", "1", "content-length", "2"), errLength},
}

func TestMalformedRequests(t *testing.T) {
	for _, tc := range malformedRequests {
		t.Run(tc.name, func(t *testing.T) {
			var r Request
			err := NewDecoder(Limits{}).Decode(block(tc.fields...), &r)
			var fault *Malformed
			if !errors.As(err, &fault) || fault != tc.want {
				t.Errorf("Decode of %q: %v, want %v", tc.fields, err, tc.want)
			}
		})
	}
}

func TestEveryRuleHasARequestThatBreaksIt(t *testing.T) {
	broken := map[*Malformed]bool{errPseudoTrailers: true} // see TestTrailers
	for _, tc := range malformedRequests {
		broken[tc.want] = true
	}
	for _, rule := range []*Malformed{errName, errValue, errConnection, errTE, errPseudoUnknown, errPseudoLate,
		errPseudoTrailers, errPseudoTwice, errMethod, errScheme, errPath, errAuthority, errHost, errHostOther,
		errConnect, errProtocol, errExtended, errLength} {
		if !broken[rule] {
			t.Errorf("no request in the table breaks %q", rule.Rule)
		}
	}
}

func TestWellFormedRequests(t *testing.T) {
	for _, tc := range []struct {
		name   string
		fields []Field
		want   Request // Fields are checked to be all regular ones
	}{
		{"GET", get("x", "y"),
			Request{Method: "GET", Scheme: "https", Authority: "example.com", Path: "/", ContentLength: -1}},
		{"GET with the pseudo-header fields in another order", fields(":path", "/", ":scheme", "http", ":method", "GET"),
			Request{Method: "GET", Scheme: "http", Path: "/", ContentLength: -1}},
		{"Host instead of :authority", without(get("host", "Example.com:8080"), ":authority"),
			Request{Method: "GET", Scheme: "https", Authority: "Example.com:8080", Path: "/", ContentLength: -1}},
		{"Host equal to :authority but for case", get("host", "EXAMPLE.com"),
			Request{Method: "GET", Scheme: "https", Authority: "example.com", Path: "/", ContentLength: -1}},
		{"Host with the default port", get("host", "example.com:443"),
			Request{Method: "GET", Scheme: "https", Authority: "example.com", Path: "/", ContentLength: -1}},
		{":authority with the default port", append(with(with(get(), ":scheme", "http"), ":authority", "example.com:80"),
			Field{"host", "example.com"}),
			Request{Method: "GET", Scheme: "http", Authority: "example.com:80", Path: "/", ContentLength: -1}},
		{"IPv6 authority", with(get(), ":authority", "[::1]:8443"),
			Request{Method: "GET", Scheme: "https", Authority: "[::1]:8443", Path: "/", ContentLength: -1}},
		{"OPTIONS *", with(with(get(), ":method", "OPTIONS"), ":path", "*"),
			Request{Method: "OPTIONS", Scheme: "https", Authority: "example.com", Path: "*", ContentLength: -1}},
		{"POST with content-length", with(get("content-length", "42"), ":method", "POST"),
			Request{Method: "POST", Scheme: "https", Authority: "example.com", Path: "/", ContentLength: 42}},
		{"content-length 0", get("content-length", "0"),
			Request{Method: "GET", Scheme: "https", Authority: "example.com", Path: "/"}},
		{"content-length 2^63-1", get("content-length", "9223372036854775807"),
			Request{Method: "GET", Scheme: "https", Authority: "example.com", Path: "/", ContentLength: 1<<63 - 1}},
		{"the same content-length twice", get("content-length", "7", "content-length", "7"),
			Request{Method: "GET", Scheme: "https", Authority: "example.com", Path: "/", ContentLength: 7}},
		{"te: trailers", get("te", "trailers"),
			Request{Method: "GET", Scheme: "https", Authority: "example.com", Path: "/", ContentLength: -1}},
		{"empty value, inner white space, octets above 0x7f", get("a", "", "b", "x \ty", "c", "caf\xc3\xa9"),
			Request{Method: "GET", Scheme: "https", Authority: "example.com", Path: "/", ContentLength: -1}},
		{"plain CONNECT", fields(":method", "CONNECT", ":authority", "example.com:443"),
			Request{Method: "CONNECT", Authority: "example.com:443", ContentLength: -1}},
		{"extended CONNECT", connect("sec-websocket-version", "13"),
			Request{Method: "CONNECT", Protocol: "websocket", Scheme: "https", Authority: "example.com", Path: "/chat",
				ContentLength: -1}},
		{"extended CONNECT through HAProxy", with(connect("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ":protocol", "WebSocket"),
			Request{Method: "CONNECT", Protocol: "WebSocket", Scheme: "https", Authority: "example.com", Path: "/chat",
				ContentLength: -1}},
		{"content-length says nothing on CONNECT", connect("content-length", "none"),
			Request{Method: "CONNECT", Protocol: "websocket", Scheme: "https", Authority: "example.com", Path: "/chat",
				ContentLength: -1}},
		{"another :protocol", with(connect(), ":protocol", "connect-udp"),
			Request{Method: "CONNECT", Protocol: "connect-udp", Scheme: "https", Authority: "example.com", Path: "/chat",
				ContentLength: -1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r Request
			if err := NewDecoder(Limits{}).Decode(block(tc.fields...), &r); err != nil {
				t.Fatalf("Decode of %q: %v", tc.fields, err)
			}
			want := tc.want
			regular := slices.DeleteFunc(slices.Clone(tc.fields), func(f Field) bool { return f.Name[0] == ':' })
			if !slices.Equal(r.Fields, regular) {
				t.Errorf("Fields = %q, want %q", r.Fields, regular)
			}
			if r.Method != want.Method || r.Scheme != want.Scheme || r.Authority != want.Authority ||
				r.Path != want.Path || r.Protocol != want.Protocol || r.ContentLength != want.ContentLength {
				t.Errorf("got %+v, want %+v", r, want)
			}
		})
	}
}

func TestTrailers(t *testing.T) {
	for _, tc := range []struct {
		name   string
		fields []Field
		want   error
	}{
		{"none", nil, nil},
		{"regular fields", fields("grpc-status", "0", "x", "y"), nil},
		{"fields that mean something in a request only", fields("content-length", "x", "host", "@"), nil},
		{"pseudo-header field", fields(":method", "POST"), errPseudoTrailers},
		{"unknown pseudo-header field behind a regular one", fields("x", "y", ":z", ""), errPseudoTrailers},
		{"upper-case name", fields("X", "y"), errName},
		{"LF in a value", fields("x", "\n"), errValue},
		{"connection-specific", fields("upgrade", "h2c"), errConnection},
		{"as many as the soft limit", slices.Repeat(fields("x", "y"), 64), nil},
		{"one more", slices.Repeat(fields("x", "y"), 65), ErrTooLarge},
		{"more octets than the soft limit", fields("x", strings.Repeat("y", 16384)), ErrTooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := NewDecoder(Limits{}).Trailers(block(tc.fields...))
			if err != tc.want {
				t.Errorf("Trailers: %v, want %v", err, tc.want)
			}
		})
	}
}
