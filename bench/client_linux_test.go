package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"h2ws/engine/frame"
)

func TestEcho(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"in turn":                  func(*Config) {},
		"random":                   func(c *Config) { c.Random = true },
		"several connections":      func(c *Config) { c.Conns = 3 },
		"one socket":               func(c *Config) { c.Sockets = 1 },
		"more under way":           func(c *Config) { c.InFlight = 50 },
		"as many DATA as it takes": func(c *Config) { c.Size = 40000 },
	} {
		t.Run(name, func(t *testing.T) {
			s := fakeServer{settings: offer, credit: true}
			cfg := testConfig(s.start(t))
			change(&cfg)
			echoMessages(t, cfg, 300)
		})
	}
}

func TestEchoThroughTinyWindows(t *testing.T) {
	s := fakeServer{settings: offer + " INITIAL_WINDOW_SIZE=100", credit: true}
	cfg := testConfig(s.start(t))
	cfg.Size, cfg.InFlight = 5000, 100
	echoMessages(t, cfg, 200)
}

func TestNotAWebSocketServer(t *testing.T) {
	s := fakeServer{settings: "SETTINGS MAX_CONCURRENT_STREAMS=100"}
	if _, err := runEcho(t.Context(), testConfig(s.start(t))); !errors.Is(err, ErrNoConnectProtocol) {
		t.Errorf("got %v", err)
	}
}

func TestHandshakeRefused(t *testing.T) {
	for _, n := range []int{0, 5} { // the first one is opened by Dial
		s := fakeServer{settings: offer, onOpen: func(k int) []string {
			if k < n {
				return nil
			}
			return []string{fmt.Sprintf("HEADERS %d END_HEADERS 0x8d", streamID(k)), fmt.Sprintf(`DATA %d END_STREAM "no such path"`, streamID(k))}
		}}
		_, err := runEcho(t.Context(), testConfig(s.start(t)))
		var refused *RefusedError
		if !errors.As(err, &refused) || *refused != (RefusedError{404, "no such path"}) {
			t.Errorf("request %d refused: got %v", n, err)
		}
	}
}

func TestTooFewStreams(t *testing.T) {
	s := fakeServer{settings: offer + " MAX_CONCURRENT_STREAMS=3"}
	_, err := runEcho(t.Context(), testConfig(s.start(t)))
	if err == nil || !strings.Contains(err.Error(), "allows 3 streams") || !strings.Contains(err.Error(), "need 4 connections") {
		t.Errorf("got %v", err)
	}
}

func TestGoAwayMidRun(t *testing.T) {
	for _, hangUp := range []bool{false, true} {
		s := fakeServer{settings: offer, hangUp: hangUp, onMessage: func(n int, _ uint32, _ byte, _ []byte) []string {
			if n < 20 {
				return nil
			}
			return []string{`GOAWAY last=19 ENHANCE_YOUR_CALM "enough"`}
		}}
		_, err := runEcho(t.Context(), testConfig(s.start(t)))
		var away *GoAwayError
		if !errors.As(err, &away) || *away != (GoAwayError{19, frame.EnhanceYourCalm, "enough"}) {
			t.Errorf("hangUp %v: got %v", hangUp, err)
		}
	}
}

func TestServerHangsUp(t *testing.T) {
	s := fakeServer{settings: offer, hangUp: true, onOpen: func(n int) []string {
		if n < 5 {
			return nil
		}
		return []string{}
	}}
	cfg := testConfig(s.start(t))
	cfg.InFlight = 1 // what the server has not read when it closes would make a reset of it
	if _, err := runEcho(t.Context(), cfg); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

func TestWrongEchoes(t *testing.T) {
	for text, wrong := range map[string]func(id uint32, p []byte) string{
		"differs": func(id uint32, p []byte) string {
			p[len(p)-1] ^= 1
			return fmt.Sprintf("DATA %d 0x%x", id, unmaskedFrame(opBinary, p))
		},
		"opcode": func(id uint32, p []byte) string {
			return fmt.Sprintf("DATA %d 0x%x", id, unmaskedFrame(opText, p))
		},
		"octets": func(id uint32, p []byte) string {
			return fmt.Sprintf("DATA %d 0x%x", id, unmaskedFrame(opBinary, p[1:]))
		},
		"what was sent on socket": func(id uint32, p []byte) string {
			return fmt.Sprintf("DATA %d 0x%x", (id+2)%20, unmaskedFrame(opBinary, p))
		},
		"expected was": func(id uint32, p []byte) string {
			p[3]++
			return fmt.Sprintf("DATA %d 0x%x", id, unmaskedFrame(opBinary, p))
		},
	} {
		s := fakeServer{settings: offer, onMessage: func(n int, id uint32, _ byte, p []byte) []string {
			if n < 7 {
				return nil
			}
			return []string{wrong(id, p)}
		}}
		_, err := runEcho(t.Context(), testConfig(s.start(t)))
		wantFault(t, err, text)
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := Dial(t.Context(), testConfig(l.Addr().String())); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
}

func TestConnectionsHaveDifferentSources(t *testing.T) {
	s := fakeServer{settings: offer}
	cfg := testConfig(s.start(t))
	cfg.Conns, cfg.Sources = 4, 2
	if _, err := runEcho(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.remotes)
	if want := []string{"127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2"}; !slices.Equal(s.remotes, want) {
		t.Errorf("got connections from %q, want %q", s.remotes, want)
	}
}

func TestInterrupted(t *testing.T) {
	s := fakeServer{settings: offer, credit: true}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := testConfig(s.start(t))
	cfg.Duration = time.Hour
	cfg.Progress = func(p Progress) {
		// The warm-up would be a tenth of an hour: leave it out of this test by ending it.
		if p.Name == "echo warm-up" && p.Done > 0 {
			cancel()
		}
	}
	if _, err := runEcho(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// interruptedFanout is interrupted as soon as something is delivered.
func interruptedFanout(t *testing.T, cfg Config) (Result, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg.Progress = func(p Progress) {
		if p.Name == "fanout" && p.Done > 0 {
			cancel()
		}
	}
	return openAll(t, cfg).Fanout(ctx)
}

// Rounds that are shorter than a tick are seen all the same, and end when they are to.
func TestInterruptedRounds(t *testing.T) {
	addr, _ := startReference(t, 0)
	cfg := testConfig(addr)
	cfg.Duration, cfg.Rounds = time.Hour, 200_000
	r, err := interruptedFanout(t, cfg)
	if !errors.Is(err, context.Canceled) || !r.Partial || r.Count == 0 || r.Failure != "" {
		t.Errorf("got %v after %d deliveries, partial %v, failure %q", err, r.Count, r.Partial, r.Failure)
	}
}

func TestInterruptedResultIsPartial(t *testing.T) {
	s := fakeServer{settings: offer, onOpen: func(n int) []string {
		if n < 5 {
			return nil
		}
		return []string{} // no answer: the storm would never end
	}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := testConfig(s.start(t))
	cfg.Progress = func(p Progress) {
		if p.Name == "open" && p.Done == 4 {
			cancel()
		}
	}
	cl, err := Dial(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	r, err := cl.Open(ctx)
	if !errors.Is(err, context.Canceled) || !r.Partial || r.Count != 4 {
		t.Errorf("got %+v, %v, want a partial result of the 4 sockets that opened", r, err)
	}
}

func TestCloseLeavesNoDescriptors(t *testing.T) {
	s := fakeServer{settings: offer}
	cfg := testConfig(s.start(t))
	cfg.Conns = 5
	cl, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var held []string
	for _, l := range cl.links {
		held = append(held, descriptor(t, l.fd))
	}
	cl.Close()
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if to, err := os.Readlink(name); err == nil && slices.Contains(held, to) {
			t.Errorf("%s is still open", to)
		}
	}
	cl.Close() // again does nothing
}

// What is awaited and does not come is missed, whatever else the server says. The clock of this test leaps.
func TestSilence(t *testing.T) {
	for answer, silent := range map[string]bool{"PING 0x0102030405060708": true, "WINDOW_UPDATE 0 increment=1": true, "": false} {
		s := fakeServer{settings: offer, onMessage: func(int, uint32, byte, []byte) []string {
			if silent {
				return []string{answer}
			}
			return nil
		}}
		cl := openAll(t, testConfig(s.start(t)))
		var a answers
		asked := 0
		err := cl.run(t.Context(), &a, func() bool {
			if silent || len(a.got) == asked {
				c, i := cl.socket(0)
				c.send(i, opBinary, []byte("x"), false)
				asked++
				cl.start = cl.start.Add(-silenceMax / 3)
			}
			return asked == 20
		})
		if (err != nil) != silent {
			t.Errorf("a server that says %q: %v after %d messages", answer, err, asked)
		}
	}
}

// descriptor returns what fd is, such as "socket:[1234]".
func descriptor(t *testing.T, fd int) string {
	t.Helper()
	to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func TestWritesThatBlock(t *testing.T) {
	// The server reads nothing until the client has been made to wait for room in its socket.
	read := make(chan struct{})
	s := fakeServer{settings: offer + " INITIAL_WINDOW_SIZE=2147483647", onMessage: func(n int, _ uint32, _ byte, _ []byte) []string {
		if n == 0 {
			<-read
		}
		return nil
	}}
	cfg := testConfig(s.start(t))
	cfg.Size, cfg.InFlight = SizeMax, 2000
	cl, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := cl.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(cl.links[0].fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 64<<10); err != nil {
		t.Fatal(err)
	}
	cl.conns[0].sendWindow = 1 << 40
	e, err := newEcho(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	for range 120 { // 8 MB
		e.send(cl.now)
	}
	e.stopped = true
	released := false
	err = cl.run(t.Context(), e, func() bool {
		if cl.links[0].blocked && !released {
			released = true
			close(read)
		}
		return e.away == 0
	})
	if err != nil || !released {
		t.Errorf("blocked %v, error %v", released, err)
	}
}
