package engine_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"h2ws/engine"
	"h2ws/ws"
)

// The client of this file shares no line of code with the server: HTTP/2 is net/http's, and what
// little of RFC 6455 is needed is written out.

// netHTTP returns net/http's HTTP/2 client on one connection to the server, with prior knowledge.
func netHTTP(r *running) http.RoundTripper {
	r.t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	r.t.Cleanup(transport.CloseIdleConnections)
	// Transport.RoundTrip takes ":protocol" for a mistake; what it would call next does not. This
	// is the way in which golang.org/x/net/http2 hands over a connection.
	transport.CloseIdleConnections() // sets TLSNextProto
	nc, err := net.Dial("tcp", r.addr.String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { nc.Close() })
	return transport.TLSNextProto["unencrypted_http2"](r.addr.String(), tls.Client(plainConn{nc}, nil))
}

type plainConn struct{ net.Conn }

func (c plainConn) UnencryptedNetConn() net.Conn { return c.Conn }

// connect sends an extended CONNECT whose body is what is written to the result's first value.
func connect(t *testing.T, client http.RoundTripper, addr net.Addr, path string, header http.Header) (*io.PipeWriter, *http.Response) {
	t.Helper()
	body, toServer := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), "CONNECT", "http://"+addr.String()+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header[":protocol"] = []string{"websocket"}
	request.Header.Set("Sec-WebSocket-Version", "13")
	response, err := client.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close(); toServer.Close() })
	return toServer, response
}

// masked is a client's frame with up to 125 octets.
func masked(first byte, payload string) []byte {
	key := [4]byte{0xde, 0xad, 0xbe, 0xef}
	b := append([]byte{first, 0x80 | byte(len(payload))}, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

func TestNetHTTPEcho(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	client := netHTTP(r)
	for i := range 3 {
		toServer, response := connect(t, client, r.addr, "/echo", nil)
		if response.StatusCode != 200 || response.ProtoMajor != 2 {
			t.Fatalf("%s %s", response.Proto, response.Status)
		}
		toServer.Write(masked(0x81, "hello"))
		wantOctets(t, response.Body, "a text frame, not masked", "\x81\x05hello")
		toServer.Write(masked(0x82, "\x00\xff"))
		wantOctets(t, response.Body, "a binary frame", "\x82\x02\x00\xff")
		toServer.Write(masked(0x89, "are you there"))
		wantOctets(t, response.Body, "a pong", "\x8a\x0dare you there")
		toServer.Write(masked(0x88, "\x03\xe8"))
		toServer.Close()
		rest, err := io.ReadAll(response.Body)
		if err != nil || string(rest) != "\x88\x02\x03\xe8" {
			t.Errorf("Close is answered with %x, %v", rest, err)
		}
		r.await(t, i+1, i+1)
	}
	if stats := r.Stats(); stats.ConnectionsAccepted != 1 {
		t.Errorf("the client used %d connections, want 1", stats.ConnectionsAccepted)
	}
}

func wantOctets(t *testing.T, from io.Reader, why, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(from, got); err != nil || string(got) != want {
		t.Fatalf("%s: got %q, %v, want %q", why, got, err, want)
	}
}

// A message larger than any window or frame passes both ways.
func TestNetHTTPLargeMessages(t *testing.T) {
	const size = 300_000
	r := serve(t, &engine.Server{Handler: echo, Limits: engine.Limits{MessageSize: size, Queue: ws.QueueLimits{MaxBytes: 1 << 20}}})
	toServer, response := connect(t, netHTTP(r), r.addr, "/", nil)
	message := bytes.Repeat([]byte("0123456789"), size/10)
	head := []byte{0x82, 127, 0, 0, 0, 0, 0, 0x04, 0x93, 0xe0} // 300,000
	go func() {
		toServer.Write(append([]byte{head[0], 0x80 | head[1]}, head[2:]...))
		toServer.Write([]byte{0, 0, 0, 0}) // a key that changes nothing
		toServer.Write(message)
	}()
	wantOctets(t, response.Body, "the header", string(head))
	wantOctets(t, response.Body, "the message", string(message))
}

// Refusals have a status and a body that a stock client shows.
func TestNetHTTPRefusals(t *testing.T) {
	r := serve(t, &engine.Server{Handler: ws.Funcs{
		Handshake: func(q *ws.Request) {
			switch q.Path {
			case "/teapot":
				q.Reject(418, "short and stout")
			case "/panic":
				panic("in the handshake")
			}
		},
	}})
	client := netHTTP(r)
	for _, test := range []struct {
		path   string
		header http.Header
		status int
		body   string
	}{
		{"/", nil, 200, ""},
		{"/", http.Header{"Origin": {"http://" + r.addr.String()}}, 200, ""},
		{"/", http.Header{"Origin": {"https://elsewhere.example"}}, 403, "origin"},
		{"/teapot", nil, 418, "418 short and stout\n"},
		{"/panic", nil, 500, "internal error"},
		{"/", http.Header{"X-Many": slices.Repeat([]string{"x"}, 100)}, 431, "too large"},
	} {
		_, response := connect(t, client, r.addr, test.path, test.header)
		if response.StatusCode != test.status {
			t.Errorf("%s %v: %s, want %d", test.path, test.header, response.Status, test.status)
		}
		if test.status == 200 {
			continue
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || !strings.Contains(string(body), test.body) {
			t.Errorf("%s %v: body %q, %v, want %q in it", test.path, test.header, body, err, test.body)
		}
	}
	until(t, "the last refusal is counted", func() bool { return r.Stats().SocketsRefused == 4 })
	if stats := r.Stats(); stats.Panics != 1 || stats.SocketsOpened != 2 {
		t.Errorf("%d panics and %d sockets, want 1 and 2", stats.Panics, stats.SocketsOpened)
	}
}

// The subprotocol and fields of an acceptance reach the client.
func TestNetHTTPAccept(t *testing.T) {
	r := serve(t, &engine.Server{Handler: ws.Funcs{
		Handshake: func(q *ws.Request) {
			q.Accept(ws.AcceptOptions{
				Subprotocol: q.Subprotocols()[1],
				Header:      []ws.Field{{Name: "x-node", Value: "seven"}},
				Data:        q.Path + " " + q.RawQuery,
			})
		},
		Open: func(c *ws.Conn) { c.Send(ws.Text, fmt.Append(nil, c.Data())) },
	}})
	_, response := connect(t, netHTTP(r), r.addr, "/chat?room=1",
		http.Header{"Sec-Websocket-Protocol": {"v1, v2"}})
	if got := response.Header.Get("Sec-WebSocket-Protocol"); got != "v2" {
		t.Errorf("subprotocol %q, want v2", got)
	}
	if got := response.Header.Get("X-Node"); got != "seven" {
		t.Errorf("x-node %q, want seven", got)
	}
	wantOctets(t, response.Body, "OnOpen finds the data of Accept", "\x81\x0c/chat room=1")
}

// Requests that are no WebSocket are answered, whatever their method and body.
func TestNetHTTPPlainRequests(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for _, test := range []struct {
		method, body string
		status       int
	}{
		{"GET", "", 404},
		{"HEAD", "", 404},
		{"POST", "a body", 404},
		{"PUT", strings.Repeat("x", 1<<20), 404},
		{"DELETE", "", 404},
	} {
		request, err := http.NewRequest(test.method, "http://"+r.addr.String()+"/page", strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Errorf("%s with %d octets: %v", test.method, len(test.body), err)
			continue
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != test.status || err != nil {
			t.Errorf("%s with %d octets: %s, %v", test.method, len(test.body), response.Status, err)
		}
		if hasBody := len(body) > 0; hasBody != (test.method != "HEAD") {
			t.Errorf("%s: body %q", test.method, body)
		}
	}
}

// The server closes: a stock client reads Close, and the end of the stream once it has answered.
func TestNetHTTPServerCloses(t *testing.T) {
	r := serve(t, &engine.Server{Handler: ws.Funcs{
		Message: func(c *ws.Conn, m ws.Message) {
			c.Send(m.Type, m.Data)
			c.Close(4000, "enough")
		},
	}})
	toServer, response := connect(t, netHTTP(r), r.addr, "/", nil)
	toServer.Write(masked(0x81, "last"))
	wantOctets(t, response.Body, "what was sent, then Close", "\x81\x04last\x88\x08\x0f\xa0enough")
	toServer.Write(masked(0x88, "\x0f\xa0"))
	if rest, err := io.ReadAll(response.Body); err != nil || len(rest) > 0 {
		t.Errorf("after our answer: %x, %v, want the end of the stream", rest, err)
	}
	r.await(t, 1, 1)
}

// Cancelling the request resets the stream; the connection lives on.
func TestNetHTTPCancel(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	client := netHTTP(r)
	_, response := connect(t, client, r.addr, "/", nil)
	response.Body.Close()
	r.await(t, 1, 1)
	toServer, response := connect(t, client, r.addr, "/", nil)
	toServer.Write(masked(0x81, "still here"))
	wantOctets(t, response.Body, "the connection lives on", "\x81\x0astill here")
	if accepted := r.Stats().ConnectionsAccepted; accepted != 1 {
		t.Errorf("%d connections, want 1", accepted)
	}
}

// Shutdown is visible: Close 1001, and no stream is left.
func TestNetHTTPShutdown(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	client := netHTTP(r)
	toServer, response := connect(t, client, r.addr, "/", nil)
	done := r.shutdown()
	wantOctets(t, response.Body, "Close 1001", "\x88\x0c\x03\xe9going away")
	toServer.Write(masked(0x88, "\x03\xe9"))
	toServer.Close()
	if rest, err := io.ReadAll(response.Body); err != nil || len(rest) > 0 {
		t.Errorf("after our answer: %x, %v, want the end of the stream", rest, err)
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}
