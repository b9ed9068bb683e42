package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"h2ws/engine"
	"h2ws/ws"
)

// patience is when a step is taken for hung. Nothing waits for it to pass.
const patience = 30 * time.Second

// until waits for a condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	hung := time.After(patience)
	for tick := time.NewTicker(2 * time.Millisecond); !condition(); {
		select {
		case <-tick.C:
		case <-hung:
			t.Fatalf("in vain: %s", what)
		}
	}
}

// A server is the server under test. It echoes, remembers what each socket was and how it ended, and
// obeys text messages that begin with "!":
//
//	!publish COUNT SIZE   publishes COUNT messages of SIZE octets to the sockets of /topic and /patient
//	!close CODE REASON    closes this socket
//
// A socket of /patient has a long queue. One of /refuse/STATUS is refused, one of /origin is decided on by
// its origin. The subprotocol "good" is chosen if it is offered.
type server struct {
	engine.Server
	topic *engine.Topic

	mu      sync.Mutex
	sockets []*socket
	log     bytes.Buffer
}

// socket is what the server knows of one opening handshake and the socket it became.
type socket struct {
	request
	first    string // message
	messages int
	opened   bool
	closed   *ws.CloseError // nil: open, or never opened
}

// request is what a client said in its opening handshake.
type request struct {
	path, authority, origin string
	remote                  netip.AddrPort
	offered                 []string
	fields                  []ws.Field
}

// limits are roomier than the defaults: a message of 1 MiB is echoed, and a proxy may put
// thousands of sockets on one connection.
var limits = engine.Limits{
	MaxConcurrentStreams: 10_000,
	MessageSize:          1 << 20,
}

// newServer makes a server that is not yet serving.
func newServer(t *testing.T) *server {
	s := &server{topic: engine.NewTopic("all", engine.TopicOptions{})}
	s.Server.Limits = limits
	s.Server.Handler = s
	s.Server.Logger = slog.New(slog.NewTextHandler(s, nil))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server saw:\n%s", s)
		}
	})
	return s
}

// listen serves until the test ends, and returns the address.
func (s *server) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; !errors.Is(err, engine.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

// Write is for the Logger.
func (s *server) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(line)
}

func (s *server) OnHandshake(r *ws.Request) {
	k := &socket{request: request{
		path: strings.Clone(r.Path), authority: strings.Clone(r.Authority), origin: strings.Clone(r.Origin()),
		remote: r.RemoteAddr,
	}}
	for _, f := range r.Fields {
		k.fields = append(k.fields, ws.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)})
	}
	for _, offered := range r.Subprotocols() {
		k.offered = append(k.offered, strings.Clone(offered))
	}
	s.mu.Lock()
	s.sockets = append(s.sockets, k)
	s.mu.Unlock()

	path, _, _ := strings.Cut(r.Path, "?")
	if status, refused := strings.CutPrefix(path, "/refuse/"); refused {
		code, _ := strconv.Atoi(status)
		r.Reject(code, "as you asked")
		return
	}
	if path == "/origin" && !r.SameOrigin() {
		return
	}
	accept := ws.AcceptOptions{Data: k}
	if slices.Contains(k.offered, "good") {
		accept.Subprotocol = "good"
	}
	switch path {
	case "/patient":
		accept.Queue = &ws.QueueLimits{MaxBytes: 4 << 20}
		fallthrough
	case "/topic":
		accept.Topics = []ws.Topic{s.topic}
	}
	r.Accept(accept)
}

func (s *server) OnOpen(c *ws.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := c.Data().(*socket); ok {
		k.opened = true
	}
}

func (s *server) OnMessage(c *ws.Conn, m ws.Message) {
	s.count(c.Data().(*socket), m)
	if m.Type == ws.Text && len(m.Data) > 0 && m.Data[0] == '!' {
		s.obey(c, strings.SplitN(string(m.Data), " ", 3))
		return
	}
	c.Send(m.Type, m.Data)
}

func (s *server) count(k *socket, m ws.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.messages == 0 {
		k.first = fmt.Sprintf("%.100s", m.Data)
	}
	k.messages++
}

func (s *server) OnClose(c *ws.Conn, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !errors.As(err, &c.Data().(*socket).closed) {
		panic(fmt.Sprintf("OnClose with %T", err))
	}
}

func (s *server) obey(c *ws.Conn, words []string) {
	if len(words) != 3 {
		panic(fmt.Sprintf("no command: %q", words))
	}
	n, err := strconv.Atoi(words[1])
	if err != nil {
		panic(err)
	}
	switch words[0] {
	case "!publish":
		size, err := strconv.Atoi(words[2])
		if err != nil {
			panic(err)
		}
		go s.publish(n, size)
	case "!close":
		c.Close(ws.CloseCode(n), words[2])
	default:
		panic(fmt.Sprintf("no command: %q", words))
	}
}

// publish publishes numbered messages, as fast as the slowest connection takes them.
func (s *server) publish(count, size int) {
	for i := range count {
		framed := make(chan struct{})
		s.topic.PublishThen(numbered(i, size), func() { close(framed) })
		<-framed
	}
}

// numbered is the i-th message of a publisher: its number, and dots.
func numbered(i, size int) *ws.Prepared {
	text := strconv.AppendInt(nil, int64(i), 10)
	text = append(append(text, ' '), bytes.Repeat([]byte("."), max(size-len(text)-1, 0))...)
	p, err := ws.Prepare(ws.Text, text)
	if err != nil {
		panic(err)
	}
	return p
}

// seen returns a copy of what the server knows of the sockets of a path.
func (s *server) seen(path string) (list []socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.sockets {
		if k.path == path {
			list = append(list, *k)
		}
	}
	return list
}

// one returns what the server knows of the only socket of a path.
func (s *server) one(t *testing.T, path string) socket {
	t.Helper()
	list := s.seen(path)
	if len(list) != 1 {
		t.Fatalf("the server had %d opening handshakes for %s, want 1", len(list), path)
	}
	return list[0]
}

// wantClosed waits until all n sockets of a path are closed, each with the closing handshake.
func (s *server) wantClosed(t *testing.T, path string, n int, want ws.CloseError) {
	t.Helper()
	until(t, fmt.Sprintf("the server sees %d sockets of %s closed", n, path), func() bool {
		list := s.seen(path)
		return len(list) == n && !slices.ContainsFunc(list, func(k socket) bool { return k.closed == nil })
	})
	for _, k := range s.seen(path) {
		if *k.closed != want {
			t.Fatalf("the server saw the end of %s as %v, want %v", path, k.closed, &want)
		}
	}
}

// String is all of it, for a test that failed. Like sockets are one line.
func (s *server) String() string {
	text := fmt.Sprintf("%+v\n", s.Stats())
	s.mu.Lock()
	defer s.mu.Unlock()
	count := 0
	for i, k := range s.sockets {
		line := k.String()
		if count++; i+1 < len(s.sockets) && s.sockets[i+1].String() == line {
			continue
		}
		text += fmt.Sprintf("%d x %s\n", count, line)
		count = 0
	}
	return text + s.log.String()
}

func (k *socket) String() string {
	return fmt.Sprintf("%s of %s from %q, %q: opened %v, %d messages, closed %v",
		k.path, k.authority, k.origin, k.offered, k.opened, k.messages, k.closed)
}

// shutdown ends the server gracefully, and tells when it has.
func (s *server) shutdown() (ended chan error) {
	ended = make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		ended <- s.Shutdown(ctx)
	}()
	return ended
}
