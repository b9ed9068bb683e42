package ws

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func requestWith(fields ...string) *Request {
	r := &Request{Scheme: "https", Authority: "example.com", Path: "/"}
	for i := 0; i < len(fields); i += 2 {
		r.Fields = append(r.Fields, Field{Name: fields[i], Value: fields[i+1]})
	}
	return r
}

func TestHeaderAndValues(t *testing.T) {
	r := requestWith("cookie", "a", "origin", "https://o", "cookie", "b")
	if got := slices.Collect(r.Values("Cookie")); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf(`Values("Cookie") = %q`, got)
	}
	for name, want := range map[string]string{"cookie": "a", "COOKIE": "a", "origin": "https://o", "absent": "", "": ""} {
		if got := r.Header(name); got != want {
			t.Errorf("Header(%q) = %q, want %q", name, got, want)
		}
	}
	if r.Origin() != "https://o" {
		t.Errorf("Origin() = %q", r.Origin())
	}
}

var subprotocols = []struct {
	values    []string
	want      []string
	malformed bool
}{
	{nil, nil, false},
	{[]string{"chat"}, []string{"chat"}, false},
	{[]string{"chat, superchat"}, []string{"chat", "superchat"}, false},
	{[]string{"chat,superchat"}, []string{"chat", "superchat"}, false},
	{[]string{" chat \t,\t superchat "}, []string{"chat", "superchat"}, false},
	{[]string{"chat", "superchat"}, []string{"chat", "superchat"}, false},
	{[]string{"b, a", "c", "a, d"}, []string{"b", "a", "c", "d"}, false},
	{[]string{"Chat, chat"}, []string{"Chat", "chat"}, false},
	{[]string{"v1.json+x!#$%&'*-^_`|~9"}, []string{"v1.json+x!#$%&'*-^_`|~9"}, false},
	{[]string{"a,,b", ",", ""}, []string{"a", "b"}, false}, // RFC 9110 §5.6.1.2: empty elements are ignored
	{[]string{"chat superchat"}, nil, true},
	{[]string{"chat; q=1"}, nil, true},
	{[]string{`"chat"`}, nil, true},
	{[]string{"chat/1"}, nil, true},
	{[]string{"a@b"}, nil, true},
	{[]string{"été"}, nil, true},
	{[]string{"a", "b\x7f"}, nil, true},
}

func TestSubprotocols(t *testing.T) {
	for _, x := range subprotocols {
		r := requestWith("sec-websocket-version", "13")
		for _, v := range x.values {
			r.Fields = append(r.Fields, Field{Name: "sec-websocket-protocol", Value: v})
		}
		if got := r.Subprotocols(); !x.malformed && !slices.Equal(got, x.want) {
			t.Errorf("%q: Subprotocols() = %q, want %q", x.values, got, x.want)
		}
		want := 200
		if x.malformed {
			want = 400
		}
		d := NewEndpoint(Nop{}, EndpointOptions{}).Handshake(r)
		if d.Status != want {
			t.Errorf("%q: status %d, want %d", x.values, d.Status, want)
		}
		if x.malformed && !strings.Contains(d.Reason, "sec-websocket-protocol") {
			t.Errorf("%q: the reason %q does not name the field", x.values, d.Reason)
		}
	}
}

func TestAcceptPanics(t *testing.T) {
	r := requestWith("sec-websocket-protocol", "chat, superchat")
	wantPanic(t, `subprotocol "Chat" was not offered`, func() { r.Accept(AcceptOptions{Subprotocol: "Chat"}) })
	wantPanic(t, `subprotocol "chat, superchat" was not offered`, func() { r.Accept(AcceptOptions{Subprotocol: "chat, superchat"}) })
	wantPanic(t, `was not offered`, func() { requestWith().Accept(AcceptOptions{Subprotocol: "chat"}) })
	for _, name := range []string{
		"", ":status", "Set-Cookie", "set cookie", "set-cookie:", "sét", "a\r\nb", "a\x00",
		"connection", "upgrade", "transfer-encoding", "keep-alive", "proxy-connection", "te", "trailer", "content-length",
		"sec-websocket-accept", "sec-websocket-protocol", "sec-websocket-extensions", "sec-websocket-version", "sec-websocket-x",
	} {
		wantPanic(t, "ws: Accept: ", func() { r.Accept(AcceptOptions{Header: []Field{{Name: name, Value: "x"}}}) })
	}
	for _, value := range []string{"a\r\nset-cookie: b", "a\n", "a\r", "a\x00", " a", "a ", "\ta", "a\t"} {
		wantPanic(t, `invalid value of field "x-ours"`, func() { r.Accept(AcceptOptions{Header: []Field{{Name: "x-ours", Value: value}}}) })
	}
	wantPanic(t, "a topic is nil", func() { r.Accept(AcceptOptions{Topics: []Topic{nil}}) })
	r.Accept(AcceptOptions{})
	wantPanic(t, "decided", func() { r.Accept(AcceptOptions{}) })
	wantPanic(t, "decided", func() { r.Reject(403, "") })
}

func TestRejectPanics(t *testing.T) {
	r := requestWith()
	for _, status := range []int{-1, 0, 100, 101, 200, 204, 299, 600, 1000} {
		wantPanic(t, "is not a refusal", func() { r.Reject(status, "") })
	}
	r.Reject(403, "")
	wantPanic(t, "decided", func() { r.Accept(AcceptOptions{}) })
}

func TestAcceptHeaderTooLarge(t *testing.T) {
	large := strings.Repeat("v", headerSizeMax-33)
	for name, test := range map[string]struct {
		options AcceptOptions
		status  int
	}{
		"as large as may be":  {AcceptOptions{Header: []Field{{Name: "x", Value: large}}}, 200},
		"too large":           {AcceptOptions{Header: []Field{{Name: "x", Value: large + "v"}}}, 500},
		"with a subprotocol":  {AcceptOptions{Header: []Field{{Name: "x", Value: large}}, Subprotocol: "c"}, 500},
		"many, each of three": {AcceptOptions{Header: slices.Repeat([]Field{{Name: "x", Value: ""}}, headerSizeMax/3)}, 500},
	} {
		e := NewEndpoint(Funcs{Handshake: func(r *Request) { r.Accept(test.options) }}, EndpointOptions{})
		if d := e.Handshake(requestWith("sec-websocket-version", "13", "sec-websocket-protocol", "c")); d.Status != test.status {
			t.Errorf("%s: %d, want %d", name, d.Status, test.status)
		}
	}
}

// Cookies as net/http reads them, and some that it takes for none, or others.
func TestCookie(t *testing.T) {
	for _, fields := range [][]string{
		{},
		{""},
		{"a=1"},
		{"a=1; b=2"},
		{"b=2;a=1"},
		{"  b=2 ;\ta=1\t;"},
		{"a=1; a=2"},
		{"A=0; a=1"},
		{"a="},
		{`a="1"`},
		{`a=""`},
		{"a=b=c"},
		{"aa=0; xa=0; a=1"},
		{"=x; a=1"},
		{"b=2", "a=1"},
	} {
		r, h := requestWith(), &http.Request{Header: http.Header{}}
		for _, f := range fields {
			r.Fields = append(r.Fields, Field{Name: "cookie", Value: f})
			h.Header.Add("Cookie", f)
		}
		for _, name := range []string{"a", "b", "x", ""} {
			got, ok := r.Cookie(name)
			want, err := h.Cookie(name)
			if ok != (err == nil) || ok && got != want.Value {
				t.Errorf("%q: Cookie(%q) = %q, %t, want %v", fields, name, got, ok, want)
			}
		}
	}
	for field, want := range map[string]string{`a="`: `"`, "a; a=1": "1"} {
		if got, ok := requestWith("cookie", field).Cookie("a"); !ok || got != want {
			t.Errorf("%q: %q, %t", field, got, ok)
		}
	}
}

func TestQuery(t *testing.T) {
	r := requestWith()
	r.RawQuery = "token=a%20b&x=1&x=2&bad=%zz&c;d&e"
	q := r.Query()
	if q.Get("token") != "a b" || !slices.Equal(q["x"], []string{"1", "2"}) || !q.Has("e") || q.Has("bad") {
		t.Errorf("%v", q)
	}
}

func TestChooseSubprotocol(t *testing.T) {
	for _, x := range []struct {
		offered, want string
		ours          []string
	}{
		{"", "", []string{"chat.v1"}},
		{"chat.v2, chat.v1", "chat.v2", []string{"chat.v1", "chat.v2"}}, // the client's order
		{"chat.v3, chat.v1", "chat.v1", []string{"chat.v1", "chat.v2"}},
		{"Chat.v1", "", []string{"chat.v1"}},
		{"chat.v1", "", nil},
		{",,chat.v1", "chat.v1", []string{"", "chat.v1"}},
	} {
		r := requestWith("sec-websocket-protocol", x.offered)
		got := r.ChooseSubprotocol(x.ours...)
		if got != x.want {
			t.Errorf("%q of %q: %q", x.ours, x.offered, got)
		}
		r.Accept(AcceptOptions{Subprotocol: got}) // and it may be chosen
	}
}
