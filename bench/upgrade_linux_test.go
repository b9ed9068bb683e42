package bench

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// http1Server is a server of WebSockets over HTTP/1.1 on net/http that follows the convention of Reference.
type http1Server struct {
	mu       sync.Mutex
	sockets  map[net.Conn]bool
	from     map[netip.Addr]int // sockets that came from there
	sequence uint64
}

// start serves until the test is over, and returns the address.
func (s *http1Server) start(t *testing.T) string {
	s.sockets, s.from = map[net.Conn]bool{}, map[netip.Addr]int{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func (s *http1Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Sec-WebSocket-Version") != "13" || r.URL.Path != "/" {
		http.Error(w, "not here", http.StatusNotFound)
		return
	}
	nc, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer nc.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	s.mu.Lock()
	s.sockets[nc] = true
	s.from[netip.MustParseAddrPort(r.RemoteAddr).Addr()]++
	fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	s.mu.Unlock()
	for {
		op, payload, err := readMasked(buffered.Reader)
		if err != nil {
			break
		}
		s.answer(nc, opcode(op), payload)
		if opcode(op) == opClose {
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sockets, nc)
}

// answer echoes, or publishes.
func (s *http1Server) answer(nc net.Conn, op opcode, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var count, size int
	if n, _ := fmt.Sscanf(string(payload), "!B %d %d", &count, &size); n != 2 {
		nc.Write(unmaskedFrame(op, payload))
		return
	}
	for range count {
		s.sequence++
		message := make([]byte, max(size, 8))
		binary.BigEndian.PutUint64(message, s.sequence)
		for to := range s.sockets {
			to.Write(unmaskedFrame(opBinary, message[:size]))
		}
	}
}

// readMasked reads one frame of the client.
func readMasked(r *bufio.Reader) (op byte, payload []byte, err error) {
	head, err := r.Peek(2)
	if err != nil {
		return 0, nil, err
	}
	more := map[byte]int{126: 2, 127: 8}[head[1]&0x7f]
	if head, err = r.Peek(2 + more); err != nil {
		return 0, nil, err
	}
	size := int(head[1] & 0x7f)
	if more > 0 {
		var long [8]byte
		copy(long[8-more:], head[2:])
		size = int(binary.BigEndian.Uint64(long[:]))
	}
	whole := make([]byte, 2+more+4+size)
	if _, err = io.ReadFull(r, whole); err != nil {
		return 0, nil, err
	}
	op, payload, ok := unmask(whole)
	if !ok {
		return 0, nil, fmt.Errorf("not a masked frame: % x", whole)
	}
	return op, payload, nil
}

func TestScenariosOverHTTP1(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"one":     func(c *Config) { c.Sockets = 1 },
		"some":    func(*Config) {},
		"batches": func(c *Config) { c.Batch = 100 },
		"large":   func(c *Config) { c.Size = SizeMax },
	} {
		t.Run(name, func(t *testing.T) {
			var s http1Server
			cfg := testConfig(s.start(t))
			cfg.HTTP1 = true
			change(&cfg)
			cfg.Conns = cfg.Sockets
			echoMessages(t, cfg, 300)
			runAll(t, cfg)
		})
	}
}

// What a server sees of Locals.
func TestLocals(t *testing.T) {
	var s http1Server
	cfg := testConfig(s.start(t))
	cfg.HTTP1, cfg.Sockets, cfg.Conns = true, 7, 7
	cfg.Locals = []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3")}
	echoMessages(t, cfg, 50)
	s.mu.Lock()
	defer s.mu.Unlock()
	want := map[netip.Addr]int{cfg.Locals[0]: 4, cfg.Locals[1]: 3}
	if !maps.Equal(s.from, want) {
		t.Errorf("sockets came from %v, want %v", s.from, want)
	}
}

func TestUpgradeNotFound(t *testing.T) {
	var s http1Server
	cfg := testConfig(s.start(t))
	cfg.HTTP1, cfg.Conns, cfg.Path = true, cfg.Sockets, "/elsewhere"
	_, err := Dial(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), `status 404: "not here`) {
		t.Errorf("got %v", err)
	}
}
