package engine_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"h2ws/engine"
	"h2ws/ws"
)

// HTTP/1.1 on the port of HTTP/2. The clients here write their octets themselves, or are net/http's.

// handshake is RFC 6455 §1.3's, with other fields in place of its own; "" leaves one out.
func handshake(path string, fields ...string) string {
	names := []string{"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"}
	values := map[string]string{
		"Host": "example.com", "Upgrade": "websocket", "Connection": "Upgrade",
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13",
	}
	for i := 0; i < len(fields); i += 2 {
		if _, known := values[fields[i]]; !known {
			names = append(names, fields[i])
		}
		values[fields[i]] = fields[i+1]
	}
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\n", path)
	for _, name := range names {
		if values[name] != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, values[name])
		}
	}
	return b.String() + "\r\n"
}

// socket is a WebSocket over HTTP/1.1 as its client sees it.
type socket struct {
	t  testing.TB
	nc net.Conn
	in *bufio.Reader
}

// upgrade opens a WebSocket over HTTP/1.1.
func upgrade(t testing.TB, nc net.Conn, path string, fields ...string) *socket {
	t.Helper()
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(hangGuard))
	if _, err := io.WriteString(nc, handshake(path, fields...)); err != nil {
		t.Fatal(err)
	}
	s := &socket{t, nc, bufio.NewReader(nc)}
	response, err := http.ReadResponse(s.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 101 || response.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("%+v", response)
	}
	return s
}

func (r *running) upgrade(path string, fields ...string) *socket {
	r.t.Helper()
	return upgrade(r.t, dialTCP(r.t, r.addr), path, fields...)
}

func dialTCP(t testing.TB, addr net.Addr) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	return nc
}

func (s *socket) send(op ws.Opcode, payload string) {
	s.t.Helper()
	if _, err := s.nc.Write(ws.AppendMasked(nil, op, 0x04030201, []byte(payload))); err != nil {
		s.t.Fatal(err)
	}
}

// hear reads one frame.
func (s *socket) hear() (op ws.Opcode, payload string, err error) {
	var head []byte
	for {
		b, err := s.in.ReadByte()
		if err != nil {
			return 0, "", err
		}
		head = append(head, b)
		if h, n := ws.ConsumeHeader(head); n > 0 {
			p := make([]byte, h.Length)
			_, err := io.ReadFull(s.in, p)
			return h.Opcode(), string(p), err
		}
	}
}

func (s *socket) want(why string, op ws.Opcode, payload string) {
	s.t.Helper()
	gotOp, got, err := s.hear()
	if err != nil || gotOp != op || got != payload {
		s.t.Fatalf("%s: got %v %.100q, %v; want %v %.100q", why, gotOp, got, err, op, payload)
	}
}

func (s *socket) echo(text string) {
	s.t.Helper()
	s.send(ws.OpBinary, text)
	s.want("an echo", ws.OpBinary, text)
}

// close exchanges Close frames, and reads to the end that the server makes.
func (s *socket) close() {
	s.t.Helper()
	s.send(ws.OpClose, "\x03\xe8")
	s.want("the answer to a Close", ws.OpClose, "\x03\xe8")
	s.wantEnd("the server closes first (RFC 6455 §7.1.1)")
}

func (s *socket) wantEnd(why string) {
	s.t.Helper()
	if _, _, err := s.hear(); err != io.EOF {
		s.t.Fatalf("%s: %v", why, err)
	}
	s.nc.Close()
}

func TestHTTP1WebSocket(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	s := r.upgrade("/")
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		s.echo(strings.Repeat("x", n))
	}
	s.send(ws.OpPing, "?")
	s.want("a ping is answered", ws.OpPong, "?")
	s.close()
	r.await(t, 1, 1)
	stats := r.Stats()
	if stats.SocketsHTTP1 != 1 || stats.HTTPAccepted != 1 || stats.ConnectionsAccepted != 1 || stats.HTTPUnserved != 0 {
		t.Errorf("%+v", stats)
	}
}

// The request may come in any pieces.
func TestHTTP1OctetByOctet(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	request := handshake("/chat?a=b", "Origin", "http://example.com")
	for _, size := range []int{1, 2, 7, 23, 24, 25} {
		nc := dialTCP(t, r.addr)
		nc.(*net.TCPConn).SetNoDelay(true)
		for rest := request; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			if _, err := io.WriteString(nc, rest[:min(size, len(rest))]); err != nil {
				t.Fatal(err)
			}
		}
		s := &socket{t, nc, bufio.NewReader(nc)}
		if response, err := http.ReadResponse(s.in, nil); err != nil || response.StatusCode != 101 {
			t.Fatalf("%v, %+v", err, response)
		}
		s.echo("hello")
		s.close()
	}
}

// converse sends octets and returns the response to them, of which the connection must end.
func converse(t *testing.T, r *running, octets string) (status int, header http.Header, body string) {
	t.Helper()
	nc := say(t, r, []byte(octets))
	defer nc.Close()
	in := bufio.NewReader(nc)
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("%.60q: %v", octets, err)
	}
	b, err := io.ReadAll(response.Body)
	if err != nil && !isReset(err) {
		t.Fatalf("%.60q: %v", octets, err)
	}
	if rest, err := io.ReadAll(in); err != nil && !isReset(err) || len(rest) > 0 {
		t.Errorf("%.60q: behind the response %q, %v", octets, rest, err)
	}
	return response.StatusCode, response.Header, string(b)
}

func TestHTTP1BadHandshakes(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	refused := uint64(0)
	for name, test := range map[string]struct {
		octets string
		status int
	}{
		"no version":            {handshake("/", "Sec-WebSocket-Version", ""), 426},
		"another version":       {handshake("/", "Sec-WebSocket-Version", "8"), 426},
		"two versions in one":   {handshake("/", "Sec-WebSocket-Version", "13, 8"), 426},
		"no key":                {handshake("/", "Sec-WebSocket-Key", ""), 400},
		"a key of 15 octets":    {handshake("/", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j"), 400},
		"a key of 17 octets":    {handshake("/", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTE="), 400},
		"a key that is none":    {handshake("/", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ!=="), 400},
		"two keys":              {strings.Replace(handshake("/"), "Upgrade: ", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nUpgrade: ", 1), 400},
		"no Connection":         {handshake("/", "Connection", ""), 400},
		"another Connection":    {handshake("/", "Connection", "keep-alive"), 400},
		"POST":                  {"POST" + handshake("/")[3:], 400},
		"HTTP/1.0":              {strings.Replace(handshake("/"), "HTTP/1.1", "HTTP/1.0", 1), 400},
		"content":               {handshake("/", "Content-Length", "5") + "hello", 400},
		"chunks":                {handshake("/", "Transfer-Encoding", "chunked") + "0\r\n\r\n", 400},
		"a request behind it":   {handshake("/") + "GET /admin HTTP/1.1\r\nHost: example.com\r\n\r\n", 400},
		"a handshake behind it": {handshake("/") + handshake("/"), 400},
		"a message behind it":   {handshake("/") + "\x82\x80\x00\x00\x00\x00", 400},
		"an octet behind it":    {handshake("/") + "\x00", 400},
		"a malformed list":      {handshake("/", "Sec-WebSocket-Protocol", "a b"), 400},
		"another origin":        {handshake("/", "Origin", "http://evil.example"), 403},
		"null":                  {handshake("/", "Origin", "null"), 403},
		"a suffix":              {handshake("/", "Origin", "http://example.com.evil.example"), 403},
		"a prefix":              {handshake("/", "Origin", "http://notexample.com"), 403},
		"another port":          {handshake("/", "Origin", "http://example.com:8080"), 403},
		"another scheme":        {handshake("/", "Origin", "https://example.com"), 403},
		"user information":      {handshake("/", "Origin", "http://example.com@evil.example"), 403},
		"two origins":           {handshake("/", "Origin", "http://example.com\r\nOrigin: http://evil.example"), 403},
	} {
		status, header, body := converse(t, r, test.octets)
		refused++
		if status != test.status {
			t.Errorf("%s: %d %v %q, want %d", name, status, header, body, test.status)
		}
		if status == 426 && header.Get("Sec-WebSocket-Version") != "13" {
			t.Errorf("%s: %v", name, header)
		}
	}
	until(t, "the last one is gone", func() bool { return r.Stats().Connections == 0 }) // and counted
	stats := r.Stats()
	if stats.SocketsRefused != refused || stats.SocketsOpened != 0 {
		t.Errorf("%d handshakes refused: %+v", refused, stats)
	}
	for name, octets := range map[string]string{
		"no Host":           handshake("/", "Host", ""),
		"two Hosts":         strings.Replace(handshake("/"), "Upgrade: ", "Host: example.com\r\nUpgrade: ", 1),
		"space before ':'":  handshake("/", "X ", "a"),
		"both lengths":      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\n\r\nhello",
		"another encoding":  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nhello",
		"oversized headers": handshake("/", "X", strings.Repeat("x", 30<<10)),
	} {
		status, _, _ := converse(t, r, octets)
		if status/100 != 4 && status != 501 {
			t.Errorf("%s: %d", name, status)
		}
	}
	until(t, "all connections are gone", func() bool {
		s := r.Stats()
		return s.HTTPConnections == 0 && s.Connections == 0
	})
}

func TestHTTP1Plain(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, method := range []string{"GET", "HEAD", "POST"} {
		request, _ := http.NewRequest(method, "http://"+r.addr.String()+"/", strings.NewReader("hello"))
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != 404 || method != "HEAD" && len(body) == 0 || len(body) > 100 {
			t.Errorf("%s: %d %q", method, response.StatusCode, body)
		}
	}
	if stats := r.Stats(); stats.RequestsPlain != 3 {
		t.Errorf("%+v", stats)
	}
}

func TestHTTP1Handler(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		w.Write(b)
	})
	r := serve(t, &engine.Server{Handler: echo, HTTP: mux, Limits: engine.Limits{RequestSize: 1000}})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, n := range []int{0, 1000, 1001} {
		sent := bytes.Repeat([]byte("x"), n)
		response, err := client.Post("http://"+r.addr.String()+"/echo", "text/plain", bytes.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if n <= 1000 && (response.StatusCode != 200 || !bytes.Equal(body, sent)) || n > 1000 && response.StatusCode != 413 {
			t.Errorf("%d octets: %d %q", n, response.StatusCode, body)
		}
	}
	if stats := r.Stats(); stats.HTTPAccepted != 1 {
		t.Errorf("no connection is used twice: %+v", stats)
	}
	s := r.upgrade("/echo") // is still a WebSocket
	s.echo("hello")
}

// A message in a topic reaches whoever is in it, whatever they speak.
func TestHTTP1Topic(t *testing.T) {
	topic := engine.NewTopic("", engine.TopicOptions{})
	r := serve(t, &engine.Server{Loops: 2, Handler: ws.Funcs{
		Handshake: func(r *ws.Request) { r.Accept(ws.AcceptOptions{Topics: []ws.Topic{topic}}) },
		Message:   func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) },
	}})
	const sockets, messages = 50, 30
	var raw []*socket
	for range sockets {
		raw = append(raw, r.upgrade("/"))
	}
	c := r.dial()
	id := c.open("/")
	for i := range messages {
		text := fmt.Sprintf("%d %s", i, strings.Repeat("x", i*i*40))
		p, err := ws.Prepare(ws.Binary, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		topic.Publish(p)
		for _, s := range raw {
			s.want("what was published", ws.OpBinary, text)
		}
		c.wantOf(id, "what was published", "message "+text)
	}
	for _, s := range raw {
		s.echo("still here")
		s.close()
	}
	if s := topic.Stats(); s.Delivered != messages*(sockets+1) || s.Pending+s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
}

func TestHTTP1TooMany(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo, Limits: engine.Limits{HTTPConnections: 3}})
	var held []net.Conn
	for range 3 {
		held = append(held, say(t, r, []byte("GET / HTTP/1.1\r\n")))
	}
	until(t, "three are there", func() bool { return r.Stats().HTTPConnections == 3 })
	if status, _, _ := converse(t, r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); status != 503 {
		t.Errorf("status %d", status)
	}
	for _, nc := range held {
		nc.Close()
	}
	until(t, "none is there", func() bool { return r.Stats().HTTPConnections == 0 })
	for range 10 { // WebSockets don't count
		r.upgrade("/").echo("hello")
	}
	if stats := r.Stats(); stats.HTTPRefused != 1 || stats.HTTPUnserved != 3 {
		t.Errorf("%+v", stats)
	}
}

// Whoever takes too long over a request is hung up on.
func TestHTTP1Slow(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo, HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	}), Limits: engine.Limits{HeaderTimeout: 200 * time.Millisecond, IdleTimeout: 200 * time.Millisecond, RequestTimeout: 200 * time.Millisecond}})
	for name, octets := range map[string]string{
		"half a header":           "GET / HTTP/1.1\r\nHost:",
		"half a body":             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
		"a request, then silence": "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		t.Log(name)
		answer(t, say(t, r, []byte(octets))) // reads to the end, or hangs
	}
	until(t, "all connections are gone", func() bool { return r.Stats().HTTPConnections == 0 })
}

// Lost in any way at any octet: OnClose comes once, and nothing is left.
func TestHTTP1CutAtEveryOctet(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	whole := handshake("/") + string(ws.AppendMasked(nil, ws.OpText, 1, []byte("hello")))
	request := len(handshake("/"))
	for n := range len(whole) + 1 {
		for _, reset := range []bool{false, true} {
			nc := dialTCP(t, r.addr).(*net.TCPConn)
			nc.SetDeadline(time.Now().Add(hangGuard))
			io.WriteString(nc, whole[:min(n, request)])
			if n > request {
				http.ReadResponse(bufio.NewReader(nc), nil)
				io.WriteString(nc, whole[request:n])
			}
			if reset {
				nc.SetLinger(0)
			}
			nc.Close()
		}
	}
	until(t, "all connections are gone", func() bool {
		s := r.Stats()
		opened, closed := r.count()
		return s.ConnectionsAccepted == uint64(2*len(whole)+2) && s.HTTPConnections == 0 && s.Connections == 0 && opened == closed
	})
}

func TestHTTP1Shutdown(t *testing.T) {
	release, entered := make(chan bool), make(chan bool)
	r := serve(t, &engine.Server{Handler: echo, HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- true
		<-release
		io.WriteString(w, "done")
	})})
	s := r.upgrade("/")
	idle := say(t, r, []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	<-entered
	release <- true
	http.ReadResponse(bufio.NewReader(idle), nil)
	busy := say(t, r, []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	<-entered
	done := r.shutdown()
	s.want("a socket is told", ws.OpClose, "\x03\xe9going away")
	s.send(ws.OpClose, "\x03\xe9")
	s.wantEnd("and its connection closed")
	select {
	case err := <-done:
		t.Errorf("Shutdown did not wait for a request: %v", err)
	default:
	}
	release <- true
	if b := answer(t, busy); !bytes.HasSuffix(b, []byte("done")) {
		t.Errorf("the request's answer: %q", b)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	answer(t, idle)
}

// A handler has its time, may ask for more, and may panic.
func TestHTTP1HandlerBounds(t *testing.T) {
	mux := http.NewServeMux()
	ended := make(chan error, 1)
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		ended <- r.Context().Err()
	})
	mux.HandleFunc("/more", func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).SetWriteDeadline(time.Time{})
		<-ended // until the slow one is over
		io.WriteString(w, "done")
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("handler") })
	r := serve(t, &engine.Server{Handler: echo, HTTP: mux, Limits: engine.Limits{Requests: 2, RequestTimeout: 300 * time.Millisecond}})
	more := say(t, r, []byte("GET /more HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
	until(t, "one is served", func() bool { return r.Stats().RequestsRunning == 1 })
	slow := say(t, r, []byte("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"))
	until(t, "two are served", func() bool { return r.Stats().RequestsRunning == 2 })
	if status, _, _ := converse(t, r, "GET /more HTTP/1.1\r\nHost: a\r\n\r\n"); status != 503 {
		t.Errorf("the third of two requests got %d", status)
	}
	if b := answer(t, slow); len(b) > 0 {
		t.Errorf("%q", b)
	}
	if b := answer(t, more); !bytes.HasSuffix(b, []byte("done")) {
		t.Errorf("%q", b)
	}
	if b := answer(t, say(t, r, []byte("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n"))); len(b) > 0 {
		t.Errorf("%q", b)
	}
	until(t, "all are over", func() bool { return r.Stats().RequestsRunning == 0 })
	if s := r.Stats(); s.RequestsServed != 3 || s.RequestsRefused != 1 || s.RequestsExpired != 1 || s.Panics != 1 || s.RequestsPlain != 0 {
		t.Errorf("%+v", s)
	}
}
