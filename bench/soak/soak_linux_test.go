package soak

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"h2ws/bench"
	"h2ws/bench/raw"
	"h2ws/engine"
	"h2ws/ws"
)

// startServer starts a server, in this process, that echoes unless it is told to do something else.
func startServer(t *testing.T, h ws.Funcs) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.Handshake = func(r *ws.Request) { r.Accept(ws.AcceptOptions{}) }
	if h.Message == nil {
		h.Message = func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) }
	}
	server := &engine.Server{
		Handler: h, Loops: 2, Logger: slog.New(slog.DiscardHandler),
		HTTP: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "go_goroutines %d\n", runtime.NumGoroutine())
		}),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-served; err != engine.ErrServerClosed {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// soakOf soaks a server in this process for a moment.
func soakOf(t *testing.T, addr string, patience time.Duration) *Report {
	t.Helper()
	process, err := bench.OpenProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	loads := honestLoads()[:2] // a server that is none of bench has no topics
	for i := range loads {
		set := loads[i].set
		loads[i].set = func(cfg *bench.Config) {
			set(cfg)
			cfg.Sockets = 40
			cfg.Conns = min(cfg.Conns, cfg.Sockets)
			cfg.Churn.Closes, cfg.Churn.Resets = 5, 5
		}
	}
	r, err := Run(t.Context(), Config{
		Target: bench.Target{Target: raw.Target{Addr: addr}}, Server: process, Metrics: "http://" + addr + "/metrics", Out: io.Discard,
		Duration: 2 * time.Second, Interval: time.Millisecond, Seed: 1,
		names: []string{"hpack/index-0", "size/ping-7"}, loads: loads, patience: patience, exact: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRun(t *testing.T) {
	r := soakOf(t, startServer(t, ws.Funcs{}), time.Minute)
	// Whether anything grows within seconds nobody knows, and the memory is also that of the load and of the race
	// detector. Which descriptors and goroutines are left, and what the honest see, is certain.
	for _, fault := range r.Faults {
		if !strings.Contains(fault, " grow: ") && !strings.Contains(fault, "too few to tell") && !strings.Contains(fault, " of memory ") {
			t.Error(fault)
		}
	}
	if r.Attacks == 0 || r.FellShort > 0 || len(r.Samples) == 0 || len(r.Honest) != 2 {
		t.Errorf("%d attacks, of which %d fell short, %d samples, %v", r.Attacks, r.FellShort, len(r.Samples), r.Honest)
	}
	for _, h := range r.Honest {
		if h.Done == 0 || h.Churn.Closes == 0 || h.Churn.Resets == 0 {
			t.Errorf("%v", h)
		}
	}
}

// A server that leaks, or fails the honest, does not pass.
func TestRunFails(t *testing.T) {
	var held [][]byte
	var files []*os.File
	stop := make(chan struct{})
	defer close(stop)
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	var messages atomic.Int64
	echo := func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) }
	onClose := make(chan struct{}, 1) // held by who leaks: there are two loops
	leak := func(what func()) ws.Funcs {
		return ws.Funcs{Close: func(*ws.Conn, error) {
			onClose <- struct{}{}
			what()
			<-onClose
		}}
	}
	for _, test := range []struct {
		name string
		h    ws.Funcs
		want string
	}{
		{"a goroutine for each socket", leak(func() { go func() { <-stop }() }), "goroutines are left"},
		{"a descriptor for each socket", leak(func() {
			if f, err := os.Open(os.DevNull); err == nil {
				files = append(files, f)
			}
		}), "descriptors are left"},
		{"memory for each socket", leak(func() {
			held = append(held, slices.Repeat([]byte{1}, 1<<20))
		}), "of memory have not come back"},
		{"no answer to one message", ws.Funcs{Message: func(c *ws.Conn, m ws.Message) {
			if messages.Add(1) != 300 {
				echo(c, m)
			}
		}}, "echoes over HTTP/"},
		{"the end of a socket", ws.Funcs{Message: func(c *ws.Conn, m ws.Message) {
			if messages.Add(1) == 300 {
				c.Close(ws.CloseGoingAway, "")
			}
			echo(c, m)
		}}, "echoes over HTTP/"},
	} {
		messages.Store(0)
		r := soakOf(t, startServer(t, test.h), 100*time.Millisecond)
		if !slices.ContainsFunc(r.Faults, func(f string) bool { return strings.Contains(f, test.want) }) {
			t.Errorf("%s: %q, wanted %q", test.name, r.Faults, test.want)
		}
	}
	runtime.KeepAlive(held)
}
