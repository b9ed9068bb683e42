package ws

import (
	"errors"
	"slices"
	"testing"
)

func TestFuncs(t *testing.T) {
	var called []string
	var c Conn
	cause := errors.New("cause")
	f := Funcs{
		Handshake: func(r *Request) { called = append(called, "handshake "+r.Path) },
		Open: func(got *Conn) {
			called = append(called, "open")
			if got != &c {
				t.Error("Open got another Conn")
			}
		},
		Message: func(_ *Conn, m Message) { called = append(called, message(m.Type, m.Data)) },
		Close: func(_ *Conn, err error) {
			called = append(called, "close")
			if err != cause {
				t.Errorf("Close got %v", err)
			}
		},
	}
	f.OnHandshake(&Request{Path: "/x"})
	f.OnOpen(&c)
	f.OnMessage(&c, Message{Text, []byte("m")})
	f.OnClose(&c, cause)
	if want := []string{"handshake /x", "open", `text "m"`, "close"}; !slices.Equal(called, want) {
		t.Errorf("called %q, want %q", called, want)
	}
}

func TestFuncsNil(t *testing.T) {
	var f Funcs
	f.OnHandshake(nil)
	f.OnOpen(nil)
	f.OnMessage(nil, Message{})
	f.OnClose(nil, nil)
}

// TestNop: a handler may embed Nop and define what it needs.
func TestNop(t *testing.T) {
	var h Handler = struct{ Nop }{}
	h.OnOpen(nil)
	h.OnMessage(nil, Message{})
	h.OnClose(nil, nil)
	if _, ok := h.(Handshaker); ok {
		t.Error("Nop decides on handshakes")
	}
}

func TestMessageTypeString(t *testing.T) {
	for typ, want := range map[MessageType]string{Text: "text", Binary: "binary", 0: "invalid", 8: "invalid"} {
		if typ.String() != want {
			t.Errorf("MessageType %d is %q, want %q", typ, typ, want)
		}
	}
}
