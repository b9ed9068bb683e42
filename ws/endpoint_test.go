package ws

import (
	"slices"
	"strings"
	"testing"
)

func handshake(decide func(r *Request), r *Request) Decision {
	return NewEndpoint(Funcs{Handshake: decide}, EndpointOptions{}).Handshake(r)
}

func TestHandshakeDefault(t *testing.T) {
	for _, x := range []struct {
		origin string
		status int
	}{
		{"https://example.com", 200},
		{"https://evil.org", 403},
		{"null", 403},
	} {
		for _, h := range []Handler{Nop{}, Funcs{}, Funcs{Handshake: func(*Request) {}}} {
			d := NewEndpoint(h, EndpointOptions{}).Handshake(requestWith("sec-websocket-version", "13",
				"origin", x.origin, "sec-websocket-protocol", "chat"))
			if d.Status != x.status || len(d.Fields) != 0 || d.Data != nil || d.Panic != nil {
				t.Errorf("%T, origin %s: %+v, want status %d", h, x.origin, d, x.status)
			}
			if (d.Reason == "") != (x.status == 200) {
				t.Errorf("status %d with reason %q", d.Status, d.Reason)
			}
		}
	}
	if d := handshake(nil, requestWith("sec-websocket-version", "13")); d.Status != 200 {
		t.Errorf("without an Origin: %+v", d)
	}
}

func TestHandshakeVersion(t *testing.T) {
	for _, fields := range [][]string{
		{},
		{"sec-websocket-version", ""},
		{"sec-websocket-version", "8"},
		{"sec-websocket-version", "013"},
		{"sec-websocket-version", "13, 8"},
		{"sec-websocket-version", "8", "sec-websocket-version", "13"},
		{"sec-websocket-version", "13", "sec-websocket-version", "13"},
	} {
		asked := false
		d := handshake(func(*Request) { asked = true }, requestWith(fields...))
		if d.Status != 400 || !slices.Equal(d.Fields, []Field{{"sec-websocket-version", "13"}}) || d.Reason == "" {
			t.Errorf("%q: %+v", fields, d)
		}
		if asked {
			t.Errorf("%q: the handler was asked", fields)
		}
	}
}

func TestHandshakeAccept(t *testing.T) {
	r := requestWith("sec-websocket-version", "13", "origin", "https://elsewhere.org", "sec-websocket-protocol", "chat, superchat")
	d := handshake(func(r *Request) {
		r.Accept(AcceptOptions{
			Subprotocol: "superchat",
			Header:      []Field{{"set-cookie", "a=b; Secure"}, {"x-empty", ""}},
			Data:        "user",
		})
	}, r)
	fields := []Field{{"sec-websocket-protocol", "superchat"}, {"set-cookie", "a=b; Secure"}, {"x-empty", ""}}
	if d.Status != 200 || d.Data != "user" || !slices.Equal(d.Fields, fields) || d.Reason != "" {
		t.Errorf("%+v", d)
	}
}

func TestHandshakeReject(t *testing.T) {
	for _, status := range []int{300, 401, 404, 429, 503, 599} {
		d := handshake(func(r *Request) { r.Reject(status, "because") }, requestWith("sec-websocket-version", "13"))
		if d.Status != status || d.Reason != "because" || len(d.Fields) != 0 {
			t.Errorf("Reject(%d): %+v", status, d)
		}
	}
}

func TestHandshakePanics(t *testing.T) {
	for what, decide := range map[string]func(r *Request){
		"at once":         func(*Request) { panic("at once") },
		"was not offered": func(r *Request) { r.Accept(AcceptOptions{Subprotocol: "x"}) },
		"is decided":      func(r *Request) { r.Accept(AcceptOptions{Data: 1}); r.Reject(403, "") },
	} {
		d := handshake(decide, requestWith("sec-websocket-version", "13"))
		text, _ := d.Panic.(string)
		if d.Status != 500 || !strings.Contains(text, what) || !strings.Contains(string(d.Stack), "endpoint_test.go") {
			t.Errorf("%s: status %d, panic %v", what, d.Status, d.Panic)
		}
		if d.Data != nil || len(d.Fields) != 0 || strings.Contains(d.Reason, what) {
			t.Errorf("%s: %+v says more than that it failed", what, d)
		}
	}
}

// TestHandshakeReused: a decision leaves nothing behind for the next.
func TestHandshakeReused(t *testing.T) {
	first := true
	e := NewEndpoint(Funcs{Handshake: func(r *Request) {
		if first {
			r.Accept(AcceptOptions{Subprotocol: "chat", Data: "secret"})
		}
		first = false
	}}, EndpointOptions{})
	r := requestWith("sec-websocket-version", "13", "sec-websocket-protocol", "chat")
	if d := e.Handshake(r); d.Status != 200 || len(d.Fields) != 1 {
		t.Fatalf("%+v", d)
	}
	if d := e.Handshake(r); d.Status != 200 || len(d.Fields) != 0 || d.Data != nil {
		t.Errorf("the second decision is %+v", d)
	}
}

func TestHandshakeReachesConn(t *testing.T) {
	d := handshake(func(r *Request) { r.Accept(AcceptOptions{Data: 7}) }, requestWith("sec-websocket-version", "13"))
	s := newScript(t, EndpointOptions{})
	var c Conn
	c.Init(s.ep, s, d.Data)
	var seen any
	s.onOpen = func() { seen = c.Data() }
	c.Opened()
	if seen != 7 {
		t.Errorf("Data() in OnOpen = %v", seen)
	}
}

func TestEndpointDefaults(t *testing.T) {
	for _, o := range []EndpointOptions{{}, {MessageBytesMax: -1, FragmentsMax: -1}} {
		e := NewEndpoint(Nop{}, o)
		if e.messageBytesMax != 65536 || e.fragmentsMax != 1024 {
			t.Errorf("%+v: %+v", o, e)
		}
	}
}
