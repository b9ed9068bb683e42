package engine_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

var tlsConns = flag.Int("conns", 1000, "connections of TestTLSManyConnections")

// TestTLSManyConnections: very many connections under TLS, each with a full handshake and one socket, are opened, hear
// what is published, are closed by a closing handshake and close_notify, and leave nothing. The clients are a process of
// their own. It is the same at any size that the limit on descriptors allows:
//
//	go test ./engine -run TLSManyConnections -v -args -conns 10000
func TestTLSManyConnections(t *testing.T) {
	conns := *tlsConns
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < uint64(conns+conns/10+100) {
		t.Fatalf("%d connections, and a limit of %d descriptors (ulimit -n), %v", conns, limit.Cur, err)
	}
	wantNoLeaks(t)
	topic := engine.NewTopic("", engine.TopicOptions{})
	book := &register{open: make(map[*ws.Conn]bool)}
	s := secureServer(t, ws.Funcs{
		Handshake: func(r *ws.Request) { r.Accept(ws.AcceptOptions{Topics: []ws.Topic{topic}}) },
		Open:      book.opened,
		Close:     book.closed,
	})
	s.Logger = slog.New(slog.DiscardHandler)
	s.Limits.PingInterval = time.Hour // a client that is busy with others does not answer
	l := listen(t)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	round := func(n int) (with memoryUse) {
		before := topic.Stats()
		clients := startProcess(t, "TestManyProcess", fmt.Sprint(manyEnv, "=", l.Addr(), " ", n))
		clients.await("open")
		until(t, "the figures have them", func() bool {
			stats := s.Stats()
			return topic.Len() == n && stats.Connections == int64(n) && stats.Sockets == int64(n)
		})
		with = memoryOf(t)
		for _, text := range manyTexts {
			p, err := ws.Prepare(ws.Binary, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			topic.Publish(p)
		}
		clients.await("heard")
		clients.in.Write([]byte("\n"))
		clients.await("closed")
		until(t, "all are gone", func() bool { return s.Stats().Connections == 0 && topic.Len() == 0 })
		after := topic.Stats()
		if after.Delivered-before.Delivered != uint64(n*len(manyTexts)) || after.Dropped+uint64(after.Pending) != 0 {
			t.Errorf("%+v", after)
		}
		return with
	}
	round(conns/2 + 1) // what there is once is there
	before := memoryOf(t)
	peak := round(conns)
	after := memoryOf(t)
	t.Logf("%d connections, before, with and without them: heap %d, %d, %d KiB; RSS %d, %d, %d KiB", conns,
		before.heap>>10, peak.heap>>10, after.heap>>10, before.resident>>10, peak.resident>>10, after.resident>>10)
	if grown, left := peak.heap-before.heap, after.heap-before.heap; left > grown/8+1<<20 {
		t.Errorf("%d octets of memory for %d connections, and %d are left", grown, conns, left)
	}
	// The process keeps more: what the first pages of the allocator, of threads and of the race detector are.
	if grown, left := peak.resident-before.resident, after.resident-before.resident; left > grown/4+32<<20 {
		t.Errorf("%d octets of RSS for %d connections, and %d are left", grown, conns, left)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	<-served
	book.check(t, conns+conns/2+1)
	if stats := s.Stats(); stats.SocketsOpened != uint64(conns+conns/2+1) || stats.TLSHandshakesFailed+stats.TLSHandshakesTimedOut != 0 {
		t.Errorf("%+v", stats)
	}
}

// memoryUse is what a process has, without garbage.
type memoryUse struct{ heap, resident int }

func memoryOf(t *testing.T) memoryUse {
	rss := resident(t)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memoryUse{int(m.HeapAlloc), rss}
}

// register has the sockets that are open, and no others, so that it keeps no memory.
type register struct {
	mu     sync.Mutex
	open   map[*ws.Conn]bool
	count  int // of those closed
	faults []string
}

func (b *register) opened(c *ws.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[c] {
		b.faults = append(b.faults, "OnOpen twice")
	}
	b.open[c] = true
}

func (b *register) closed(c *ws.Conn, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open[c] {
		b.faults = append(b.faults, "OnClose of a socket that is not open")
	}
	if closeError := (*ws.CloseError)(nil); !errors.As(err, &closeError) || closeError.Code != ws.CloseNormal {
		b.faults = append(b.faults, fmt.Sprint("OnClose with ", err))
	}
	delete(b.open, c)
	b.count++
}

func (b *register) check(t *testing.T, count int) {
	t.Helper()
	if len(b.open) > 0 || b.count != count {
		t.Errorf("%d sockets are open, %d were closed, want 0 and %d", len(b.open), b.count, count)
	}
	for _, fault := range b.faults[:min(len(b.faults), 10)] {
		t.Error(fault)
	}
}

// manyEnv is set in the process of the clients.
const manyEnv = "H2WS_TEST_MANY"

var manyTexts = []string{"a", strings.Repeat("b", 20_000), "c"}

// TestManyProcess is the clients, in a process of its own; else it is nothing.
func TestManyProcess(t *testing.T) {
	args := os.Getenv(manyEnv)
	if args == "" {
		return
	}
	var addr string
	var conns int
	if _, err := fmt.Sscan(args, &addr, &conns); err != nil {
		t.Fatal(err)
	}
	clients := make([]*client, conns)
	all := func(f func(c *client)) {
		for _, c := range clients {
			c.nc.SetDeadline(time.Now().Add(hangGuard))
			f(c)
		}
	}
	sockets := make([]*net.TCPConn, conns)
	for i := range clients {
		from := &net.TCPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}
		nc, err := (&net.Dialer{LocalAddr: from}).Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		sockets[i] = nc.(*net.TCPConn)
		clients[i] = newClient(t, shake(t, nc, clientConfig("h2")), roomy...)
		clients[i].open("/")
	}
	fmt.Println("open")
	all(func(c *client) {
		for _, text := range manyTexts {
			c.wantOf(1, "what was published", "message "+text)
		}
	})
	fmt.Println("heard")
	os.Stdin.Read(make([]byte, 1))
	all(func(c *client) {
		c.close(1, frame.FlagEndStream, ws.CloseNormal)
		c.wantOf(1, "the end", "close 1000", "end")
	})
	for i, c := range clients {
		sockets[i].SetLinger(0) // both sides have said all when it is closed
		c.nc.(interface{ CloseWrite() error }).CloseWrite()
		if h, err := c.hear(); err != io.EOF {
			t.Fatalf("behind close_notify come %v, %v", h, err)
		}
	}
	fmt.Println("closed")
}
