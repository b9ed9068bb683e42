package bench

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"h2ws/bench/served"
	"h2ws/engine/frame"
)

// fakeServer is a server on the loopback that does what a test tells it, and otherwise accepts every
// socket and echoes every message. It has nothing in common with package engine but the frames.
type fakeServer struct {
	settings string      // the first line it says
	tls      *tls.Config // nil: cleartext

	// These are told what arrives, and return what the server says instead of its usual answer; nil: that.
	onOpen    func(n int) []string                               // the n-th request, from 0
	onMessage func(n int, id uint32, op byte, p []byte) []string // the n-th message
	onText    func(n int, id uint32, p []byte) []string          // the n-th text message
	credit    bool                                               // return what was consumed, at once
	hangUp    bool                                               // close after the first answer that was not the usual one

	mu       sync.Mutex
	remotes  []string // where the connections came from
	opens    int
	messages int
	texts    int
}

// start serves until the test is over, and returns the address.
func (s *fakeServer) start(t *testing.T) string {
	t.Helper()
	return served.Frames(t, s.tls, func(_ *served.Script, nc net.Conn) func(h frame.Header, p []byte) {
		s.mu.Lock()
		s.remotes = append(s.remotes, nc.RemoteAddr().(*net.TCPAddr).IP.String())
		s.mu.Unlock()
		say(nc, s.settings)
		partial := map[uint32][]byte{}
		return func(h frame.Header, p []byte) {
			usual := true
			switch h.Type {
			case frame.Headers:
				usual = s.answerOpen(nc, h)
			case frame.Data:
				usual = s.answerData(nc, h, p, partial)
			}
			if s.hangUp && !usual {
				nc.Close()
			}
		}
	}).Addr()
}

func (s *fakeServer) answerOpen(nc net.Conn, h frame.Header) (usual bool) {
	s.mu.Lock()
	n := s.opens
	s.opens++
	s.mu.Unlock()
	if s.onOpen != nil {
		if lines := s.onOpen(n); lines != nil {
			say(nc, lines...)
			return false
		}
	}
	say(nc, fmt.Sprintf("HEADERS %d END_HEADERS 0x88", h.StreamID))
	return true
}

func (s *fakeServer) answerData(nc net.Conn, h frame.Header, p []byte, partial map[uint32][]byte) (usual bool) {
	if s.credit && len(p) > 0 {
		say(nc, fmt.Sprintf("WINDOW_UPDATE 0 increment=%d", len(p)), fmt.Sprintf("WINDOW_UPDATE %d increment=%d", h.StreamID, len(p)))
	}
	partial[h.StreamID] = append(partial[h.StreamID], p...)
	op, data, ok := unmask(partial[h.StreamID])
	if !ok {
		return true
	}
	delete(partial, h.StreamID)
	if h.Flags.Has(frame.FlagEndStream) {
		say(nc, fmt.Sprintf("DATA %d END_STREAM 0x%x", h.StreamID, unmaskedFrame(opcode(op), data)))
		return true
	}
	if s.onText != nil && op == byte(opText) {
		s.mu.Lock()
		n := s.texts
		s.texts++
		s.mu.Unlock()
		if lines := s.onText(n, h.StreamID, data); lines != nil {
			say(nc, lines...)
			return false
		}
	}
	if s.onMessage != nil && op != byte(opText) {
		s.mu.Lock()
		n := s.messages
		s.messages++
		s.mu.Unlock()
		if lines := s.onMessage(n, h.StreamID, op, data); lines != nil {
			say(nc, lines...)
			return false
		}
	}
	for b := unmaskedFrame(opcode(op), data); len(b) > 0; {
		n := min(len(b), frame.MaxPayloadMin)
		say(nc, fmt.Sprintf("DATA %d 0x%x", h.StreamID, b[:n]))
		b = b[n:]
	}
	return true
}

// say writes frames. A client that is gone does not hear them.
func say(nc net.Conn, lines ...string) {
	var wire []byte
	for _, line := range lines {
		b, err := frame.ParseText(line)
		if err != nil {
			panic(fmt.Sprintf("BUG: bad line %q: %v", line, err))
		}
		wire = append(wire, b...)
	}
	nc.Write(wire)
}

// testConfig is small.
func testConfig(addr string) Config {
	cfg := DefaultConfig()
	cfg.Addr, cfg.Sockets, cfg.InFlight, cfg.Memory = addr, 10, 4, true
	cfg.Duration, cfg.Rounds = 10*time.Millisecond, 3
	return cfg
}

// echoMessages opens the sockets and echoes n messages at least, however long that takes.
func echoMessages(t *testing.T, cfg Config, n int) {
	t.Helper()
	cl, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := cl.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	e, err := newEcho(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.outcome(cl.run(t.Context(), e, func() bool { return e.turn() || e.count >= n })); err != nil {
		t.Fatal(err)
	}
	e.stopped = true
	if err := cl.run(t.Context(), e, func() bool { return e.away == 0 }); err != nil {
		t.Fatal(err)
	}
	if l := e.samples.latency(); l.Count != e.count {
		t.Errorf("%d samples of %d echoes", l.Count, e.count)
	}
}

// runEcho opens the sockets and echoes.
func runEcho(ctx context.Context, cfg Config) (Result, error) {
	cl, err := Dial(ctx, cfg)
	if err != nil {
		return Result{}, err
	}
	defer cl.Close()
	if r, err := cl.Open(ctx); err != nil {
		return r, err
	}
	return cl.Echo(ctx)
}
