package raw

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// A frame that breaks no rule is the one that package ws makes.
func TestWSFrame(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536} {
		payload := make([]byte, n)
		for i := range payload {
			payload[i] = byte(r.Uint32())
		}
		got := WSFrame{Op: ws.OpBinary, Key: 0x01020304, Payload: payload}.Append([]byte("x"))
		want := ws.AppendMasked([]byte("x"), ws.OpBinary, 0x04030201, payload)
		if !bytes.Equal(got, want) {
			t.Errorf("%d octets differ", n)
		}
		got = WSFrame{Op: ws.OpText, Unmasked: true, Payload: payload}.Append(nil)
		if want := append(ws.AppendHeader(nil, true, ws.OpText, n), payload...); !bytes.Equal(got, want) {
			t.Errorf("%d octets differ without a mask", n)
		}
	}
}

func TestWSFrameBits(t *testing.T) {
	for _, test := range []struct {
		f    WSFrame
		want string
	}{
		{WSFrame{Op: 0xf, Open: true, RSV: 7, Unmasked: true}, "\x7f\x00"},
		{WSFrame{Op: ws.OpText, RSV: 4, Key: 1, Payload: []byte("a")}, "\xc1\x81\x00\x00\x00\x01a"},
		{WSFrame{Op: ws.OpText, Form: Form16, Unmasked: true, Payload: []byte("a")}, "\x81\x7e\x00\x01a"},
		{WSFrame{Op: ws.OpText, Form: Form64, Unmasked: true}, "\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x00"},
		{WSFrame{Op: ws.OpPing, Declared: 1<<64 - 1, Unmasked: true, Payload: []byte("a")}, "\x89\x7f\xff\xff\xff\xff\xff\xff\xff\xffa"},
	} {
		if got := string(test.f.Append(nil)); got != test.want {
			t.Errorf("%+v: %q", test.f, got)
		}
	}
}

func TestWSText(t *testing.T) {
	p := WSFrame{Op: ws.OpText, Open: true, Key: 7, Payload: []byte("hel")}.Append(nil)
	p = WSFrame{Op: 0xb, RSV: 1, Unmasked: true}.Append(p)
	if text, whole := WSText(p); text != `text unfinished "hel" opcode 0xb rsv=1` || !whole {
		t.Errorf("%s, %v", text, whole)
	}
	if text, whole := WSText(p[:len(p)-1]); text != `text unfinished "hel"` || whole {
		t.Errorf("%s, %v", text, whole)
	}
}

// Blocks do not refer to each other, and any field can be in them.
func TestBlock(t *testing.T) {
	fields := append((&Target{Addr: "a:1", Path: "/", Header: http.Header{"X-B": {"2"}, "X-A": {"1", "0"}}}).Handshake(),
		Field{Name: "Upper case", Value: "\x00\r\n"}, Field{Name: ":path", Value: ""})
	for range 3 {
		got, err := hpack.NewDecoder(0, nil).DecodeFull(Block(fields))
		if err != nil || len(got) != len(fields) {
			t.Fatalf("%v, %v", got, err)
		}
		for i := range got {
			if got[i].Name != fields[i].Name || got[i].Value != fields[i].Value {
				t.Errorf("%v where %v was encoded", got[i], fields[i])
			}
		}
	}
	if fields[6].Name != "x-a" || fields[8].Name != "x-b" {
		t.Errorf("not in order: %v", fields)
	}
}

// connected is a client and the server's end of its connection.
func connected(t *testing.T) (c *Conn, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if c, err = Dial(t.Context(), &Target{Addr: l.Addr().String()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return c, server
}

// soon is when a test gives up.
func soon() time.Time { return time.Now().Add(10 * time.Second) }

// Frames are handed over whole, however they come.
func TestRecv(t *testing.T) {
	c, server := connected(t)
	b := frame.AppendPing(frame.AppendData(nil, 1, 0, make([]byte, 40_000)), false, [8]byte{1})
	go func() {
		server.Write(b[:3])
		server.Write(b[3:])
		server.Close()
	}()
	for _, want := range []string{"DATA", "PING"} {
		f, err := c.Recv(soon())
		if err != nil || f.Type.String() != want || int(f.Length) != len(f.Payload) {
			t.Errorf("%v, %v where %s was sent", f, err, want)
		}
	}
	if _, err := c.Recv(soon()); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestRecvTimeout(t *testing.T) {
	c, server := connected(t)
	if _, err := c.Recv(time.Now()); !Timeout(err) {
		t.Error(err)
	}
	server.Write(frame.AppendSettings(nil))
	if f, err := c.Recv(soon()); err != nil || f.Type != frame.Settings {
		t.Errorf("%v, %v after a timeout", f, err)
	}
}
