package engine_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"h2ws/engine"
	"h2ws/engine/frame"
)

// Whatever speaks neither HTTP/2 nor HTTP/1.1 has its connection closed, and is told why as far as it may
// understand; the others do not notice.

// say connects and sends octets. The deadline is a guard.
func say(t *testing.T, r *running, octets []byte) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", r.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(hangGuard))
	nc.Write(octets) // may be more than the server wants to hear
	return nc.(*net.TCPConn)
}

// answer returns all that the server says until it closes.
func answer(t *testing.T, nc net.Conn) []byte {
	t.Helper()
	defer nc.Close()
	answer, err := io.ReadAll(nc)
	if err != nil && !isReset(err) {
		t.Errorf("reading the answer: %v", err)
	}
	return answer
}

// goaway finds the GOAWAY in a server's frames.
func goaway(t *testing.T, answer []byte) (code frame.ErrCode, found bool) {
	t.Helper()
	for len(answer) > 0 {
		h, n := frame.ConsumeHeader(answer)
		if n == 0 || len(answer) < n+int(h.Length) {
			t.Errorf("half a frame: %x", answer)
			return 0, false
		}
		if h.Type == frame.GoAway {
			_, code, _ = frame.ParseGoAway(answer[n : n+int(h.Length)])
			found = true
		}
		answer = answer[n+int(h.Length):]
	}
	return code, found
}

// withBystander runs f on a server with a socket that echoes before and after.
func withBystander(t *testing.T, limits engine.Limits, f func(r *running)) {
	r := serve(t, &engine.Server{Handler: echo, Limits: limits, Loops: 1})
	bystander := r.dial()
	id := bystander.open("/")
	bystander.echo(id, "before")
	f(r)
	bystander.echo(id, "after")
	until(t, "only the bystander is left", func() bool { return r.Stats().Connections == 1 })
}

func TestForeignOctets(t *testing.T) {
	var hello bytes.Buffer
	tls.Client(recorder{&hello}, &tls.Config{ServerName: "example.com", NextProtos: []string{"h2"}}).Handshake()
	if hello.Len() < 100 {
		t.Fatalf("the ClientHello has only %d octets", hello.Len())
	}
	settings := frame.AppendSettings([]byte(frame.Preface), roomy...)
	for _, test := range []struct {
		name   string
		octets []byte
		status string        // of an answer in HTTP/1.1; "none": no answer at all
		code   frame.ErrCode // of one in HTTP/2
	}{
		{"HTTP/1.1 without a key", []byte("GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), "400", 0},
		{"a TLS ClientHello", hello.Bytes(), "400", 0},
		{"zeros", make([]byte, 100), "400", 0},
		{"a long word", bytes.Repeat([]byte("x"), 100<<10), "431", 0},
		{"a preface that goes wrong at its end", []byte(frame.Preface[:23] + "x"), "none", 0},
		{"an invalid preface", []byte("INVALID CONNECTION PREFACE\r\n\r\n"), "none", 0},
		{"a request of HTTP/0.9", []byte("GET /\r\n\r\n"), "none", 0},
		{"an HTTP/1.1 request behind the preface", []byte(frame.Preface + "GET / HTTP/1.1\r\n\r\n"), "", frame.ProtocolError},
		{"a preface without SETTINGS", frame.AppendPing([]byte(frame.Preface), false, [8]byte{}), "", frame.ProtocolError},
		{"a second preface", append(bytes.Clone(settings), frame.Preface...), "", frame.FrameSizeError},
	} {
		t.Run(test.name, func(t *testing.T) {
			withBystander(t, engine.Limits{}, func(r *running) {
				answer := answer(t, say(t, r, test.octets))
				if test.status == "none" {
					if len(answer) > 0 {
						t.Errorf("%q", answer)
					}
					return
				}
				if status, foreign := bytes.CutPrefix(answer, []byte("HTTP/1.1 ")); foreign {
					if string(status[:3]) != test.status {
						t.Errorf("%q, want %s", answer, test.status)
					}
					return
				}
				code, found := goaway(t, answer)
				if !found || code != test.code {
					t.Errorf("GOAWAY: %v with %v, want %v", found, code, test.code)
				}
			})
		})
	}
}

// recorder is a connection that keeps what is written and answers nothing.
type recorder struct{ *bytes.Buffer }

func (recorder) Read([]byte) (int, error)         { return 0, io.EOF }
func (recorder) Close() error                     { return nil }
func (recorder) LocalAddr() net.Addr              { return nil }
func (recorder) RemoteAddr() net.Addr             { return nil }
func (recorder) SetDeadline(time.Time) error      { return nil }
func (recorder) SetReadDeadline(time.Time) error  { return nil }
func (recorder) SetWriteDeadline(time.Time) error { return nil }

// Random octets, at the beginning and where frames are expected, do no harm.
func TestForeignRandomOctets(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	withBystander(t, engine.Limits{}, func(r *running) {
		for range 200 {
			octets := make([]byte, random.IntN(4000))
			for i := range octets {
				octets[i] = byte(random.Uint32())
			}
			switch random.IntN(3) {
			case 0:
				octets = append(frame.AppendSettings([]byte(frame.Preface)), octets...)
			case 1:
				octets = append([]byte("GET / HTTP/1.1\r\n"), octets...)
			}
			nc := say(t, r, octets)
			nc.CloseWrite() // they may end where the server waits for more
			answer(t, nc)
		}
	})
	if t.Failed() {
		t.Logf("seed %d", seed)
	}
}

// Whoever connects and says too little is shown the door.
func TestForeignSilence(t *testing.T) {
	withBystander(t, engine.Limits{PrefaceTimeout: 300 * time.Millisecond}, func(r *running) {
		silent := make(map[string]net.Conn)
		for name, octets := range map[string]string{
			"nothing":                  "",
			"half a preface":           frame.Preface[:12],
			"a preface, no SETTINGS":   frame.Preface,
			"half of a SETTINGS frame": frame.Preface + "\x00\x00\x06\x04",
		} {
			silent[name] = say(t, r, []byte(octets))
		}
		for name, nc := range silent {
			answer := answer(t, nc)
			if name == "nothing" || name == "half a preface" {
				if len(answer) > 0 { // who knows in which language
					t.Errorf("%s: %q", name, answer)
				}
				continue
			}
			if code, found := goaway(t, answer); !found || code != frame.ProtocolError {
				t.Errorf("%s: GOAWAY: %v with %v, want PROTOCOL_ERROR", name, found, code)
			}
		}
	})
}

// A TLS client understands that this is no TLS, soon.
func TestForeignTLSClient(t *testing.T) {
	withBystander(t, engine.Limits{}, func(r *running) {
		conn, err := tls.Dial("tcp", r.addr.String(), &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			conn.Close()
		}
		if notTLS := (tls.RecordHeaderError{}); !errors.As(err, &notTLS) {
			t.Errorf("a TLS client got %v", err)
		}
	})
}
