package served

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"

	"h2ws/engine/frame"
)

// Script is a server on the loopback that does what a test tells it. It has nothing in common with package engine but the
// frames.
type Script struct {
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
}

// Frames starts a server that ends with the test; secure is nil for cleartext. For each connection accept says what comes
// first, and returns what hears the frames behind the client's preface, until somebody closes nc. It owns p. A frame that is
// longer than every endpoint must take is the last, and comes without its payload.
func Frames(t testing.TB, secure *tls.Config, accept func(s *Script, nc net.Conn) (recv func(h frame.Header, p []byte))) *Script {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	s := &Script{listener: l}
	var accepting, serving sync.WaitGroup
	accepting.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, nc)
			s.mu.Unlock()
			serving.Go(func() {
				defer nc.Close()
				read(nc, accept(s, nc))
			})
		}
	})
	t.Cleanup(func() {
		s.Close()
		accepting.Wait()
		s.Drop()
		serving.Wait()
	})
	return s
}

// Addr is where it listens.
func (s *Script) Addr() string { return s.listener.Addr().String() }

// Close has it accept nothing any more.
func (s *Script) Close() { s.listener.Close() }

// Drop closes all connections.
func (s *Script) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, nc := range s.conns {
		nc.Close()
	}
	s.conns = nil
}

// read hands over frames until there are no more.
func read(nc net.Conn, recv func(h frame.Header, p []byte)) {
	r := bufio.NewReader(nc)
	if _, err := io.CopyN(io.Discard, r, int64(len(frame.Preface))); err != nil {
		return
	}
	for {
		var head [frame.HeaderLen]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		h, _ := frame.ConsumeHeader(head[:])
		if h.Length > frame.MaxPayloadMin {
			recv(h, nil)
			return
		}
		p := make([]byte, h.Length)
		if _, err := io.ReadFull(r, p); err != nil {
			return
		}
		recv(h, p)
	}
}
