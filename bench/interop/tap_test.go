package interop

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A tap is a TCP relay in front of a server. It keeps what went through it as text, and shows it if the
// test fails.
type tap struct {
	net.Listener
	keys  *keyLog // nil: cleartext
	lines transcript

	mu      sync.Mutex
	backend string
	ended   bool
	conns   map[net.Conn]struct{}
	next    int
	done    sync.WaitGroup
}

// newTap relays to backend until the test ends. keys are those of the server, nil if it has no TLS.
func newTap(t *testing.T, backend string, keys *keyLog) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tap := &tap{Listener: l, backend: backend, keys: keys, conns: make(map[net.Conn]struct{})}
	tap.lines.start = time.Now()
	tap.done.Go(tap.accept)
	t.Cleanup(func() {
		tap.end()
		tap.lines.show(t, tap.port())
	})
	return tap
}

func (tap *tap) port() string {
	_, port, _ := net.SplitHostPort(tap.Addr().String())
	return port
}

// redirect has new connections go to another server.
func (tap *tap) redirect(backend string) {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	tap.backend = backend
}

// end closes everything and waits for it.
func (tap *tap) end() {
	tap.Close()
	tap.mu.Lock()
	tap.ended = true
	for nc := range tap.conns {
		nc.Close()
	}
	tap.mu.Unlock()
	tap.done.Wait()
}

func (tap *tap) accept() {
	for {
		client, err := tap.Accept()
		if err != nil {
			return
		}
		tap.done.Go(func() { tap.relay(client.(*net.TCPConn)) })
	}
}

// relay copies both ways until both sides have ended, and passes on how they did.
func (tap *tap) relay(client *net.TCPConn) {
	tap.mu.Lock()
	backend := tap.backend
	tap.mu.Unlock()
	nc, err := net.Dial("tcp", backend)
	if err != nil {
		client.SetLinger(0)
		client.Close()
		return
	}
	server := nc.(*net.TCPConn)
	number, ok := tap.add(client, server)
	if !ok {
		return
	}
	defer tap.remove(client, server)
	c := newConversation(&tap.lines, number, tap.keys)
	var ways sync.WaitGroup
	ways.Go(func() { carry(server, client, c.client) })
	ways.Go(func() { carry(client, server, c.server) })
	ways.Wait()
}

func (tap *tap) add(both ...net.Conn) (number int, ok bool) {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	for _, nc := range both {
		if tap.ended {
			nc.Close()
		}
		tap.conns[nc] = struct{}{}
	}
	tap.next++
	return tap.next, !tap.ended
}

func (tap *tap) remove(both ...net.Conn) {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	for _, nc := range both {
		nc.Close()
		delete(tap.conns, nc)
	}
}

// carry copies one way. What is written down comes before what it causes.
func carry(to, from *net.TCPConn, s *speaker) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		s.hear(buf[:n])
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				from.SetLinger(0) // as it was ended: with a reset
				from.Close()
				return
			}
		}
		switch {
		case err == io.EOF:
			s.note("ends")
			to.CloseWrite()
			return
		case err != nil:
			s.note(fmt.Sprint("is gone: ", err))
			to.SetLinger(0)
			to.Close()
			return
		}
	}
}
