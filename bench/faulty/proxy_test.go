package faulty_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"h2ws/bench"
	"h2ws/bench/faulty"
	"h2ws/bench/raw"
	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// hangGuard is when a test is taken for hung.
const hangGuard = time.Minute

// proxy is a proxy until the end of the test.
func proxy(t *testing.T, target string, up, down faulty.Path) *faulty.Proxy {
	t.Helper()
	p, err := faulty.Listen(target, up, down)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// reference is the server that scenarios drive.
func reference(t *testing.T) (addr string) {
	t.Helper()
	l := listen(t)
	r := bench.NewReference(bench.ReferenceConfig{Loops: 2, Logger: slog.New(slog.DiscardHandler)})
	served := make(chan error, 1)
	go func() { served <- r.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), hangGuard)
		defer cancel()
		if err := errors.Join(r.Shutdown(ctx), <-served); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func config(addr string) bench.Config {
	cfg := bench.DefaultConfig()
	cfg.Addr, cfg.Sockets, cfg.Conns, cfg.InFlight = addr, 8, 2, 8
	cfg.Size, cfg.Duration, cfg.Rounds = 300, 50*time.Millisecond, 5
	return cfg
}

// run runs every scenario through a proxy. Messages are numbered and filled by the client, which compares them octet for
// octet with what comes back.
func run(ctx context.Context, cfg bench.Config) error {
	cl, err := bench.Dial(ctx, cfg)
	if err != nil {
		return err
	}
	defer cl.Close()
	for _, scenario := range []func(context.Context) (bench.Result, error){cl.Open, cl.Echo, cl.Fanout, cl.CloseSockets} {
		if _, err := scenario(ctx); err != nil {
			return err
		}
	}
	return nil
}

// On a bad path nothing is lost, doubled or changed.
func TestBadPaths(t *testing.T) {
	addr := reference(t)
	for name, path := range map[string]faulty.Path{
		"good":              {},
		"octet by octet":    {Slice: 1},
		"seven octets":      {Slice: 7},
		"late":              {Latency: 2 * time.Millisecond},
		"narrow":            {Bandwidth: 1 << 20},
		"late and narrow":   {Slice: 100, Latency: 100 * time.Microsecond, Bandwidth: 1 << 20},
		"a prime of octets": {Slice: 1009},
	} {
		for _, http1 := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", HTTP/1.1 ", http1), func(t *testing.T) {
				cfg := config(proxy(t, addr, path, path).Addr())
				if cfg.HTTP1 = http1; http1 {
					cfg.Conns = cfg.Sockets
				}
				if err := run(t.Context(), cfg); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// server is an echo whose sockets are counted.
type server struct {
	*engine.Server
	addr           string
	opened, closed chan error
}

func serve(t *testing.T, limits engine.Limits) *server {
	t.Helper()
	l := listen(t)
	const most = 1000
	s := &server{addr: l.Addr().String(), opened: make(chan error, most), closed: make(chan error, most)}
	s.Server = &engine.Server{Limits: limits, Logger: slog.New(slog.DiscardHandler), Handler: ws.Funcs{
		Open:    func(*ws.Conn) { s.opened <- nil },
		Message: func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) },
		Close:   func(_ *ws.Conn, err error) { s.closed <- err },
	}}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; err != engine.ErrServerClosed {
			t.Error(err)
		}
		if stats := s.Stats(); len(s.opened) != len(s.closed) || stats.Connections != 0 || stats.Sockets != 0 {
			t.Errorf("%d sockets opened, %d closed; %d connections are left", len(s.opened), len(s.closed), stats.Connections)
		}
	})
	return s
}

// A path that ends somewhere ends the run, and no message has been changed by then; on the server every socket is closed
// without the server's being closed.
func TestPathsThatEnd(t *testing.T) {
	for _, end := range []faulty.End{faulty.FIN, faulty.RST} {
		for after := 1; after < 20_000; after += 1 + after/2 {
			for _, up := range []bool{true, false} {
				t.Run(fmt.Sprint("end ", end, " after ", after, " up ", up), func(t *testing.T) {
					s := serve(t, engine.Limits{})
					way, back := faulty.Path{After: after, End: end}, faulty.Path{}
					if !up {
						way, back = back, way
					}
					cfg := config(proxy(t, s.addr, way, back).Addr())
					cl, err := bench.Dial(t.Context(), cfg)
					if err == nil {
						_, err = cl.Open(t.Context())
					}
					for err == nil {
						_, err = cl.Echo(t.Context())
					}
					if fault := (*bench.FaultError)(nil); errors.As(err, &fault) {
						t.Error(err)
					}
					if cl != nil {
						cl.Close()
					}
					until(t, "no connection is left", func() bool { return s.Stats().Connections == 0 })
				})
			}
		}
	}
}

// until waits for something that nobody announces.
func until(t *testing.T, why string, cond func() bool) {
	t.Helper()
	for hung := time.Now().Add(hangGuard); !cond(); runtime.Gosched() {
		if time.Now().After(hung) {
			t.Fatalf("in vain: %s", why)
		}
	}
}

// peer opens a WebSocket through a proxy.
func peer(t *testing.T, p *faulty.Proxy) *raw.Conn {
	t.Helper()
	target := &raw.Target{Addr: p.Addr(), Path: "/"}
	c, err := raw.Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	b := frame.AppendSettings([]byte(frame.Preface), frame.Setting{ID: frame.InitialWindowSize, Value: math.MaxInt32})
	b = frame.AppendSettingsAck(frame.AppendWindowUpdate(b, 0, math.MaxInt32-65535))
	say(t, c, raw.AppendRequest(b, 1, 0, target.Handshake()))
	for {
		if f := hear(t, c); f.Type == frame.Headers {
			return c
		}
	}
}

func say(t *testing.T, c *raw.Conn, b []byte) {
	t.Helper()
	if err := c.Send(b, time.Now().Add(hangGuard)); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c *raw.Conn) raw.Frame {
	t.Helper()
	f, err := c.Recv(time.Now().Add(hangGuard))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// message is a DATA frame with a masked one.
func message(text string) []byte {
	return frame.AppendData(nil, 1, 0, ws.AppendMasked(nil, ws.OpText, 0x01020304, []byte(text)))
}

// A path on which nothing passes any more ends by PING, whether the client is still there or not.
func TestSilentPaths(t *testing.T) {
	for _, gone := range []bool{false, true} {
		t.Run(fmt.Sprint("gone ", gone), func(t *testing.T) {
			s := serve(t, engine.Limits{PingInterval: 10 * time.Millisecond, PingTimeout: 100 * time.Millisecond})
			p := proxy(t, s.addr, faulty.Path{}, faulty.Path{})
			c := peer(t, p)
			p.Pause()
			if gone {
				c.Close()
			}
			s.wantLost(t, engine.RuleSilence)
		})
	}
}

// A path that takes nothing any more, while the client talks on, ends by WriteTimeout.
func TestStalledPath(t *testing.T) {
	s := serve(t, engine.Limits{PingInterval: -1, WriteTimeout: 100 * time.Millisecond, Queue: ws.QueueLimits{MaxBytes: 1 << 30, MaxMessages: 1 << 20}})
	p := proxy(t, s.addr, faulty.Path{}, faulty.Path{After: 1000, End: faulty.Stall})
	c := peer(t, p)
	large := message(strings.Repeat("x", 16000))
	for s.Stats().Connections > 0 {
		if c.Send(large, time.Now().Add(hangGuard)) != nil {
			break
		}
	}
	s.wantLost(t, engine.RuleStall)
	if p.Stalled() != 1 {
		t.Errorf("%d paths have stalled", p.Stalled())
	}
}

// wantLost waits until the one socket is closed because of a rule.
func (s *server) wantLost(t *testing.T, rule engine.Rule) {
	t.Helper()
	select {
	case err := <-s.closed:
		<-s.opened
		if !errors.Is(err, ws.ErrConnLost) {
			t.Errorf("OnClose says %v", err)
		}
	case <-time.After(hangGuard):
		t.Fatal("the socket is still open")
	}
	until(t, "the figures say why", func() bool { return s.Stats().Rules[rule].Ended == 1 })
}

// A path that is down for a while, and comes back before anybody gives up, delivers everything in order.
func TestPathThatFlaps(t *testing.T) {
	const n = 500
	s := serve(t, engine.Limits{Queue: ws.QueueLimits{MaxMessages: n}}) // all of them may come at once
	p := proxy(t, s.addr, faulty.Path{Slice: 100}, faulty.Path{Slice: 100})
	c := peer(t, p)
	var got []byte
	for i := range 10 {
		p.Pause()
		for j := range n / 10 {
			say(t, c, message(fmt.Sprint(i*n/10+j)))
		}
		p.Resume()
	}
	var want []byte
	for i := range n {
		text := fmt.Sprint(i)
		want = append(ws.AppendHeader(want, true, ws.OpText, len(text)), text...)
	}
	for len(got) < len(want) {
		if f := hear(t, c); f.Type == frame.Data {
			got = append(got, f.Payload...)
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d octets, not those of the echoes in order", len(got))
	}
}
