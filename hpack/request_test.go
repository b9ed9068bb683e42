package hpack

import (
	"slices"
	"testing"
)

func TestWebSocket(t *testing.T) {
	for _, tc := range []struct {
		r    Request
		want bool
	}{
		{Request{Method: "CONNECT", Protocol: "websocket"}, true},
		{Request{Method: "CONNECT", Protocol: "WebSocket"}, true},
		{Request{Method: "CONNECT", Protocol: "WEBSOCKET"}, true},
		{Request{Method: "CONNECT"}, false},
		{Request{Method: "CONNECT", Protocol: "connect-udp"}, false},
		{Request{Method: "CONNECT", Protocol: "websockets"}, false},
		{Request{Method: "GET", Protocol: "websocket"}, false},
		{Request{}, false},
	} {
		if got := tc.r.WebSocket(); got != tc.want {
			t.Errorf("WebSocket() of %q %q = %v", tc.r.Method, tc.r.Protocol, got)
		}
	}
}

func TestGet(t *testing.T) {
	r := Request{Fields: fields("a", "1", "b", "", "a", "2")}
	for name, want := range map[string]string{"a": "1", "b": "", "c": "", "A": ""} {
		if got := r.Get(name); got != want {
			t.Errorf("Get(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestCookiesAreJoined(t *testing.T) {
	for _, tc := range []struct {
		name         string
		fields, want []Field
	}{
		{"one cookie stays", fields("cookie", "a=1", "x", "y"), fields("cookie", "a=1", "x", "y")},
		{"neighbours", fields("cookie", "a=1", "cookie", "b=2"), fields("cookie", "a=1; b=2")},
		{"with others between", fields("x", "1", "cookie", "a=1", "y", "2", "cookie", "b=2", "z", "3", "cookie", "c=3"),
			fields("x", "1", "cookie", "a=1; b=2; c=3", "y", "2", "z", "3")},
		{"empty crumbs", fields("cookie", "", "cookie", ""), fields("cookie", "; ")},
		{"other fields of one name stay apart", fields("a", "1", "a", "2"), fields("a", "1", "a", "2")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r Request
			if err := NewDecoder(Limits{}).Decode(block(append(connect(), tc.fields...)...), &r); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(r.Fields, tc.want) {
				t.Errorf("Fields = %q, want %q", r.Fields, tc.want)
			}
		})
	}
}

func TestResetLetsGoOfEveryString(t *testing.T) {
	var r Request
	crumbs := slices.Repeat(fields("cookie", "a=1", "x", "y"), 8)
	if err := NewDecoder(Limits{}).Decode(block(append(connect(), crumbs...)...), &r); err != nil {
		t.Fatal(err)
	}
	r.Reset()
	if r.Method != "" || r.Path != "" || len(r.Fields) != 0 || r.ContentLength != -1 {
		t.Errorf("after Reset: %+v", r)
	}
	if cap(r.Fields) < 9 {
		t.Errorf("Reset gave the array of %d fields away", cap(r.Fields))
	}
	for i, f := range r.Fields[:cap(r.Fields)] {
		if f != (Field{}) {
			t.Errorf("field %d is still held: %q", i, f)
		}
	}
}

func TestRequestIsReusedWithoutRest(t *testing.T) {
	d := NewDecoder(Limits{})
	var r Request
	if err := d.Decode(block(with(get("content-length", "7", "x", "y", "host", "example.com"), ":method", "POST")...), &r); err != nil {
		t.Fatal(err)
	}
	if err := d.Decode(block(get(":bad", "")...), &r); err == nil {
		t.Fatal("unknown pseudo-header field accepted")
	}
	if err := d.Decode(block(fields(":method", "CONNECT", ":authority", "a:1")...), &r); err != nil {
		t.Fatalf("a block is judged by what an earlier one left in the Request: %v", err)
	}
	if r.Scheme != "" || r.Path != "" || len(r.Fields) != 0 || r.ContentLength != -1 || r.host != "" {
		t.Errorf("left from an earlier block: %+v", r)
	}
}
