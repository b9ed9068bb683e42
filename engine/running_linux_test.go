package engine_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"h2ws/engine"
	"h2ws/ws"
)

// running is a server under test. When the test ends it is closed, and what must be true at the end of every
// server is checked: see serve.
type running struct {
	*engine.Server
	*ledger
	t      *testing.T
	addr   net.Addr
	served chan error // what Serve returned
}

// serve runs s on loopback until the end of the test. Then every OnOpen must have had exactly one OnClose,
// the figures must agree with that, and no goroutine or descriptor may be left.
func serve(t *testing.T, s *engine.Server) *running {
	t.Helper()
	wantNoLeaks(t)
	return serveOn(t, s, listen(t))
}

func serveOn(t *testing.T, s *engine.Server, l net.Listener) *running {
	r := &running{Server: s, ledger: newLedger(s.Handler), t: t, addr: l.Addr(), served: make(chan error, 1)}
	s.Handler = r.ledger
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	go func() { r.served <- s.Serve(l) }()
	t.Cleanup(r.end)
	return r
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// dial connects a client whose windows are no hindrance.
func (r *running) dial() *client {
	r.t.Helper()
	return dial(r.t, r.addr, roomy...)
}

func (r *running) end() {
	if err := r.Close(); err != nil {
		r.t.Errorf("Close: %v", err)
	}
	// Close promises that every socket has had its OnClose: no waiting here.
	r.check(r.t)
	stats := r.Stats()
	if stats.Sockets != 0 || stats.Connections != 0 {
		r.t.Errorf("closed, but the figures have %d sockets on %d connections", stats.Sockets, stats.Connections)
	}
	if opened, _ := r.count(); stats.SocketsOpened != uint64(opened) {
		r.t.Errorf("OnOpen was called %d times, the figures have %d", opened, stats.SocketsOpened)
	}
	if err := <-r.served; !errors.Is(err, engine.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		r.t.Errorf("Serve: %v", err)
	}
}

// ledger is a Handler that watches another: calls for one socket must not overlap, OnOpen comes first,
// OnClose comes once and last.
type ledger struct {
	inner ws.Handler

	mu       sync.Mutex
	accounts map[*ws.Conn]*account
	closed   int
	faults   []string
	changed  chan struct{} // has room for one: something was called since
}

type account struct {
	calls  int // under way
	closed bool
	err    error // what OnClose said
}

func newLedger(h ws.Handler) *ledger {
	return &ledger{inner: h, accounts: make(map[*ws.Conn]*account), changed: make(chan struct{}, 1)}
}

// OnHandshake asks the inner handler, if it has an opinion.
func (l *ledger) OnHandshake(r *ws.Request) {
	if h, ok := l.inner.(ws.Handshaker); ok {
		h.OnHandshake(r)
	}
}

func (l *ledger) OnOpen(c *ws.Conn) {
	l.mu.Lock()
	if l.accounts[c] != nil {
		l.faults = append(l.faults, "OnOpen twice")
	}
	l.accounts[c] = &account{}
	l.mu.Unlock()
	defer l.enter(c, "OnOpen")()
	l.inner.OnOpen(c)
}

func (l *ledger) OnMessage(c *ws.Conn, m ws.Message) {
	defer l.enter(c, "OnMessage")()
	l.inner.OnMessage(c, m)
}

// OnDrain tells the inner handler, if it wants to know.
func (l *ledger) OnDrain(c *ws.Conn) {
	defer l.enter(c, "OnDrain")()
	if h, ok := l.inner.(ws.Drainer); ok {
		h.OnDrain(c)
	}
}

func (l *ledger) OnClose(c *ws.Conn, err error) {
	defer func() {
		l.mu.Lock()
		l.accounts[c].closed, l.accounts[c].err = true, err
		l.closed++
		l.mu.Unlock()
		l.tell()
	}()
	defer l.enter(c, "OnClose")()
	if closeError := (*ws.CloseError)(nil); !errors.As(err, &closeError) {
		l.fault("OnClose with %v, which is no CloseError", err)
	}
	l.inner.OnClose(c, err)
}

// enter begins a call; its result ends it.
func (l *ledger) enter(c *ws.Conn, call string) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accounts[c]
	switch {
	case a == nil:
		l.faults = append(l.faults, call+" before OnOpen")
		a = &account{}
		l.accounts[c] = a
	case a.closed:
		l.faults = append(l.faults, call+" after OnClose")
	case a.calls > 0:
		l.faults = append(l.faults, call+" during another call for the same socket")
	}
	a.calls++
	return func() {
		l.mu.Lock()
		a.calls--
		l.mu.Unlock()
		l.tell()
	}
}

func (l *ledger) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

func (l *ledger) tell() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// count returns how many sockets have been opened, and how many of them closed.
func (l *ledger) count() (opened, closed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accounts), l.closed
}

// sockets returns the sockets that are open.
func (l *ledger) sockets() (list []*ws.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c, a := range l.accounts {
		if !a.closed {
			list = append(list, c)
		}
	}
	return list
}

// errs returns what the OnClose calls so far said.
func (l *ledger) errs() (list []error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.accounts {
		if a.closed {
			list = append(list, a.err)
		}
	}
	return list
}

// await waits until so many sockets have been opened and closed. Only one goroutine may wait.
func (l *ledger) await(t testing.TB, opened, closed int) {
	t.Helper()
	hung := time.NewTimer(hangGuard)
	defer hung.Stop()
	for {
		if o, c := l.count(); o == opened && c == closed {
			return
		}
		select {
		case <-l.changed:
		case <-hung.C:
			o, c := l.count()
			t.Fatalf("%d sockets opened and %d closed, want %d and %d", o, c, opened, closed)
		}
	}
}

func (l *ledger) check(t testing.TB) {
	t.Helper()
	if opened, closed := l.count(); opened != closed {
		t.Errorf("%d calls of OnOpen, %d of OnClose", opened, closed)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, fault := range l.faults {
		t.Error(fault)
	}
}

// until waits for something that nobody announces. why is a sentence.
func until(t testing.TB, why string, cond func() bool) {
	t.Helper()
	for hung := time.Now().Add(hangGuard); !cond(); runtime.Gosched() {
		if time.Now().After(hung) {
			t.Fatalf("in vain: %s", why)
		}
	}
}

// wantNoLeaks has the end of the test wait until no more goroutines and descriptors are left than there are now.
func wantNoLeaks(t *testing.T) {
	t.Helper()
	listen(t).Close() // the runtime's own epoll instance comes with the first socket
	goroutines, descriptors := runtime.NumGoroutine(), countDescriptors(t)
	t.Cleanup(func() {
		hung := time.Now().Add(hangGuard / 4)
		for runtime.NumGoroutine() > goroutines || countDescriptors(t) > descriptors {
			if time.Now().After(hung) {
				stacks := new(strings.Builder)
				pprof.Lookup("goroutine").WriteTo(stacks, 1)
				t.Errorf("leaked: %d goroutines, were %d; %d descriptors, were %d\n%s", runtime.NumGoroutine(),
					goroutines, countDescriptors(t), descriptors, stacks)
				return
			}
			runtime.Gosched()
		}
	})
}

func countDescriptors(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// echo is the handler of most tests.
var echo = ws.Funcs{
	Message: func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) },
}
