package engine

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// FuzzHTTP1 gives octets to a connection of which nobody knows what it will speak, cut anywhere, with pauses of
// 2^(pause%16) ms between or none. The loop's sniffing, the HTTP/1.1 server and, behind an opening handshake, the loop
// again take part as they do in a Server; a pipe stands for the socket, and the clock is a fake one.
//
// Every request has one answer, which is one of HTTP/1.1. A connection becomes a WebSocket if and only if the rules of
// RFC 6455 §4.2.1, put differently, say so. In the end nothing is left. Without pauses, what is said does not depend on
// the cuts.
func FuzzHTTP1(f *testing.F) {
	for i, octets := range httpSeeds() {
		f.Add([]byte(octets), uint64(i), byte(0))
		f.Add([]byte(octets), uint64(i), byte(i))
		f.Add([]byte(octets), uint64(i), byte(128))
	}
	f.Fuzz(func(t *testing.T, octets []byte, cuts uint64, pause byte) {
		random := rand.New(rand.NewPCG(cuts, 0))
		var cut, whole *door
		synctest.Test(t, func(t *testing.T) {
			cut = newDoor(t, pause >= 128)
			for rest := octets; len(rest) > 0; {
				n := min(1+random.IntN(1<<random.IntN(13)), len(rest))
				cut.write(rest[:n])
				rest = rest[n:]
				if pause%16 != 0 {
					cut.sleep(time.Millisecond << (pause % 16))
				}
			}
			cut.end(pause%16 == 0)
		})
		if pause%16 != 0 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			whole = newDoor(t, pause >= 128)
			whole.write(octets[:cut.handed]) // what comes behind an opening handshake must not come with it
			whole.write(octets[cut.handed:])
			whole.end(true)
		})
		if got, want := whole.said(), cut.said(); got != want {
			t.Errorf("whole:\n%.1000q\nin cuts:\n%.1000q", got, want)
		}
	})
}

// httpSeeds are what a front door hears.
func httpSeeds() []string {
	const (
		host = " HTTP/1.1\r\nHost: a\r\n"
		key  = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		up   = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		open = "GET /" + host + up + key + "\r\n"
	)
	hello := string(message(ws.OpText, "hello")) + string(message(ws.OpPing, "?")) + string(message(ws.OpClose, "\x03\xe8"))
	return []string{
		"GET /" + host + "\r\n", "HEAD /" + host + "\r\n", "OPTIONS *" + host + "\r\n", "CONNECT a:1" + host + "\r\n",
		"GET / HTTP/1.0\r\n\r\n", "GET /\r\n", "\r\n\r\nGET /" + host + "\r\n", "GET / HTTP/1.1\r\n\r\n",
		strings.Repeat("GET /"+host+"\r\n", 3),
		"POST /" + host + "Content-Length: 5\r\n\r\nhelloGET /" + host + "Connection: close\r\n\r\n",
		"POST /" + host + "Content-Length: 500\r\n\r\n" + strings.Repeat("x", 500),
		"POST /" + host + "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
		"POST /" + host + "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n",
		"POST /" + host + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nhello",
		"POST /" + host + "Transfer-Encoding: chunked\r\n\r\nfff\r\n" + strings.Repeat("x", 0xfff) + "\r\n0\r\n\r\n",
		"GET /" + host + "X-Long: " + strings.Repeat("y", 40_000) + "\r\n\r\n",
		open, open + hello, "GET /" + host + "\r\n" + open + hello,
		"GET /later" + host + up + key + "\r\n" + hello, "GET /nowhere" + host + up + key + "\r\n" + hello, "GET /panic" + host + up + key + "\r\n" + hello,
		"GET /subprotocol" + host + up + key + "Sec-WebSocket-Protocol: a, b\r\n\r\n" + hello,
		"GET /" + host + "Upgrade: h2c, WebSocket\r\nConnection: keep-alive, upgrade\r\nSec-WebSocket-Version: 13\r\n" + key + "Cookie: a\r\nCookie: b\r\nOrigin: http://a\r\n\r\n" + hello,
		"GET /" + host + strings.Replace(up, "websocket", "web\u017focket", 1) + key + "\r\n",
		"GET /" + host + strings.Replace(up, "13", "8", 1) + key + "\r\n", "GET /" + host + up + "\r\n", "GET /" + host + up + key + key + "\r\n",
		"POST /" + host + up + key + "Content-Length: 1\r\n\r\nx", "GET / HTTP/1.0\r\nHost: a\r\n" + up + key + "\r\n",
		frame.Preface, frame.Preface + string(frame.AppendSettings(nil)), "PRI * HTTP/1.1\r\nHost: a\r\n\r\n", frame.Preface[:14], "PRI * HTTP/2.0\r\nHost: a\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00", "", strings.Repeat("x", 5000),
	}
}

// door is such a connection.
type door struct {
	t    *testing.T
	app  *fuzzApp
	p    *testPeer
	http *http1

	client   net.Conn // it writes to that; nil: HTTP/1.1's server has not got it
	answer   bytes.Buffer
	read     chan struct{} // nothing more comes from it
	requests []*http.Request
	released *arrival // by HTTP/1.1's server
	left     int

	count  int // octets written
	handed int // of them, when the connection became a WebSocket's
	socket bool
	raw    []byte // what the loop said
}

// pipe is the server's end of two of them, one for each way, so that the client can end its own. Its peer has an address.
type pipe struct {
	net.Conn // in
	out      net.Conn
}

func (p pipe) Write(b []byte) (int, error)         { return p.out.Write(b) }
func (p pipe) SetWriteDeadline(at time.Time) error { return p.out.SetWriteDeadline(at) }
func (p pipe) RemoteAddr() net.Addr                { return net.TCPAddrFromAddrPort(testRemote) }

func (p pipe) SetDeadline(at time.Time) error {
	p.out.SetWriteDeadline(at)
	return p.Conn.SetReadDeadline(at)
}

func (p pipe) Close() error {
	p.out.Close()
	return p.Conn.Close()
}

func newDoor(t *testing.T, alone bool) *door {
	limits := fuzzLimits
	limits.RequestSize = 200
	d := &door{t: t, app: newFuzzApp(t)}
	d.p = newUnconnectedPeer(t, limits, d.app)
	d.p.sniff()
	log := slog.New(slog.DiscardHandler)
	var v *service
	if !alone {
		v = newService(http.HandlerFunc(plainAnswer), d.p.core.limits, log)
	}
	d.http = newHTTP1(d.p.core.limits, log, v, func(nc net.Conn, a *arrival) {
		d.released = a
		nc.Close()
	}, func(netip.Addr) { d.left++ })
	d.http.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.requests = append(d.requests, r.Clone(r.Context()))
		d.http.ServeHTTP(w, r)
	})
	return d
}

// plainAnswer tells how long the body was.
func plainAnswer(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	fmt.Fprintf(w, "%s of %d octets", r.Method, n)
}

func (d *door) write(octets []byte) {
	if d.count += len(octets); len(octets) == 0 {
		return
	}
	if d.client != nil && !d.socket {
		d.client.Write(octets) // it fails when the server has closed
	} else if d.p.conn.state < connLeaving {
		d.p.write(string(octets))
	}
	d.look()
}

func (d *door) sleep(pause time.Duration) {
	<-time.After(pause) // on the fake clock, for HTTP/1.1's server
	if d.client == nil || d.socket {
		d.p.later(pause)
	}
	d.look()
}

// look does what loops and server do with a connection that is another's now.
func (d *door) look() {
	synctest.Wait()
	d.raw = append(d.raw, d.p.out...)
	d.p.out = nil
	if c := d.p.conn; c.state == connLost && c.cause == errGuest && d.client == nil {
		d.enter(c.held)
	}
	if d.released != nil && !d.socket {
		d.adopt(d.released)
	}
	if d.client == nil || d.socket {
		d.p.checkFuzz()
	}
}

// enter is the way from the loop to HTTP/1.1's server.
func (d *door) enter(ahead []byte) {
	in, client := net.Pipe()
	out, heard := net.Pipe()
	d.client, d.read = client, make(chan struct{})
	go func() {
		io.Copy(&d.answer, heard)
		close(d.read)
	}()
	d.http.take(&guest{Conn: pipe{in, out}, ahead: bytes.Clone(ahead)})
	synctest.Wait()
}

// adopt is the way back.
func (d *door) adopt(a *arrival) {
	d.socket, d.handed = true, d.count
	d.p.conn = a.conn(d.p.core)
	if len(a.ahead) > 0 {
		d.p.conn.recv(a.ahead)
	}
	d.p.conn.openUpgrade(a.upgrade)
	d.p.settle()
	d.look()
}

// end is when the client has nothing more to say. quick says that nobody was made to wait.
func (d *door) end(quick bool) {
	t := d.t
	if d.client != nil {
		if d.client.Close(); d.socket != (d.released != nil) {
			t.Error("released and not adopted")
		}
		<-time.After(time.Hour) // on the fake clock
		synctest.Wait()
		<-d.read
	}
	if entered := d.client != nil; entered != (d.left+btoi(d.socket) == 1) || !entered && d.left > 0 {
		t.Errorf("entered: %v, left %d times, a WebSocket: %v", entered, d.left, d.socket)
	}
	if n := len(d.http.guests); n != 0 || d.http.service != nil && d.http.service.running.Load() != 0 {
		t.Errorf("%d guests are left, or their handlers", n)
	}
	d.http.close()
	d.checkAnswers(quick)
	d.checkOpening()
	d.p.endFuzz(d.app, &fuzzHandlers{p: d.p, before: held.Load()})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// checkAnswers reads what HTTP/1.1's server said: one answer to each request, and at most one more to what is none.
func (d *door) checkAnswers(quick bool) {
	r := bufio.NewReader(bytes.NewReader(d.answer.Bytes()))
	n := 0
	for {
		if _, err := r.Peek(1); err != nil {
			break
		}
		method := http.MethodGet
		if n < len(d.requests) {
			method = d.requests[n].Method
		}
		response, err := http.ReadResponse(r, &http.Request{Method: method})
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
		}
		if err != nil {
			if quick {
				d.t.Errorf("answer %d: %v", n, err)
			}
			return
		}
		if response.StatusCode >= 200 {
			n++
		}
	}
	if want := len(d.requests) - btoi(d.socket); quick && n != want && n != want+1 {
		d.t.Errorf("%d answers to %d requests, %d of which opened a WebSocket", n, len(d.requests), btoi(d.socket))
	}
}

// hasElement looks for an element of a list, in any case of ASCII.
func hasElement(values []string, token string) bool {
	return regexp.MustCompile(`(^|,)[ \t]*` + token + `[ \t]*(,|$)`).MatchString(asciiLower(strings.Join(values, ",")))
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

// checkOpening holds the last request against RFC 6455 §4.2.1: whoever breaks it is no WebSocket, whoever keeps to it is.
func (d *door) checkOpening() {
	if len(d.requests) == 0 {
		if d.socket {
			d.t.Error("a WebSocket without a request")
		}
		return
	}
	for i, r := range d.requests {
		h := r.Header
		key, err := base64.StdEncoding.DecodeString(strings.Join(h["Sec-Websocket-Key"], ","))
		opens := r.Method == "GET" && r.Proto == "HTTP/1.1" && r.ContentLength == 0 && len(r.TransferEncoding) == 0 &&
			hasElement(h["Upgrade"], "websocket") && hasElement(h["Connection"], "upgrade") &&
			err == nil && len(key) == 16 && slices.Equal(h["Sec-Websocket-Version"], []string{"13"})
		if did := d.socket && i == len(d.requests)-1; did != opens {
			d.t.Errorf("a WebSocket: %v, by the rules: %v: %s %s %v", did, opens, r.Method, r.Proto, h)
		}
	}
}

// date differs from run to run, if not here.
var date = regexp.MustCompile(`\r\nDate: [^\r]*`)

// said is all that the peer was told.
func (d *door) said() string {
	return string(date.ReplaceAll(d.answer.Bytes(), nil)) + " | " + string(d.raw)
}
