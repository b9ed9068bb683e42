package engine_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// drainGuard is a context for a Shutdown that is expected to end by itself.
func drainGuard(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), hangGuard)
	t.Cleanup(cancel)
	return ctx
}

// shutdown calls Shutdown in the background. The result says what it returned.
func (r *running) shutdown() chan error {
	done := make(chan error, 1)
	ctx := drainGuard(r.t)
	go func() { done <- r.Shutdown(ctx) }()
	return done
}

// Every client is told before it loses anything: what was sent to it arrives, then Close 1001,
// and when it has answered, END_STREAM and the final GOAWAY.
func TestShutdown(t *testing.T) {
	const conns, sockets, messages = 8, 32, 5
	r := serve(t, &engine.Server{Handler: echo})
	var clients []*client
	for range conns {
		c := r.dial()
		for range sockets {
			c.open("/")
		}
		clients = append(clients, c)
	}
	for _, socket := range r.sockets() {
		for i := range messages {
			if err := socket.Send(ws.Text, []byte(strconv.Itoa(i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	done := r.shutdown()
	for _, c := range clients {
		wantDrained(c, sockets, messages)
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	for _, err := range r.errs() {
		var e *ws.CloseError
		if !errors.As(err, &e) || e.Code != ws.CloseGoingAway || !e.Local || e.Err != nil {
			t.Errorf("OnClose says %v, want a complete closing handshake with 1001", err)
		}
	}
}

// wantDrained listens to a server that shuts down, and answers.
func wantDrained(c *client, sockets, messages int) {
	c.t.Helper()
	got := make(map[uint32]int)
	var goaways []heard
	ended := 0
	for {
		h, err := c.hear()
		if err != nil {
			break
		}
		switch h.what {
		case "message":
			if h.text != strconv.Itoa(got[h.id]) {
				c.t.Errorf("stream %d: message %s, want %d", h.id, h.text, got[h.id])
			}
			got[h.id]++
		case "close":
			if got[h.id] != messages || h.code != uint32(ws.CloseGoingAway) {
				c.t.Errorf("%v after %d messages, want 1001 after %d", h, got[h.id], messages)
			}
			c.close(h.id, frame.FlagEndStream, ws.CloseGoingAway)
		case "end":
			ended++
		case "goaway":
			goaways = append(goaways, h)
		default:
			c.t.Errorf("heard %v", h)
		}
	}
	if ended != sockets {
		c.t.Errorf("%d streams ended, want %d", ended, sockets)
	}
	if len(goaways) < 2 || goaways[0].id != math.MaxInt32 || goaways[len(goaways)-1].id != c.next-2 {
		c.t.Errorf("%v, want a GOAWAY that takes no stream back, and a final one with the last stream", goaways)
	}
	for _, h := range goaways {
		if h.code != uint32(frame.NoError) {
			c.t.Errorf("%v", h)
		}
	}
}

// What Send accepts while the server shuts down is delivered or counted: a goroutine that sends needs not know
// of the Shutdown.
func TestShutdownUnderLoad(t *testing.T) {
	const senders, sockets = 4, 16
	r := serve(t, &engine.Server{Handler: echo})
	c := r.dial()
	for range sockets {
		c.open("/")
	}
	var group sync.WaitGroup
	var accepted atomic.Int64
	for range senders {
		list := r.sockets()
		group.Go(func() {
			for len(list) > 0 {
				list = slices.DeleteFunc(list, func(s *ws.Conn) bool {
					for s.Buffered() > 64 {
						runtime.Gosched()
					}
					err := s.Send(ws.Text, []byte("x"))
					if err == nil {
						accepted.Add(1)
					} else if !errors.Is(err, ws.ErrClosed) {
						t.Errorf("Send: %v", err)
					}
					return err != nil
				})
			}
		})
	}
	received := 0
	var done chan error
	for {
		h, err := c.hear()
		if err != nil {
			break
		}
		switch h.what {
		case "message":
			received++
		case "close":
			c.close(h.id, frame.FlagEndStream, ws.CloseGoingAway)
		}
		if received == 1000 && done == nil {
			done = r.shutdown()
		}
	}
	group.Wait()
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	discarded := int64(r.Stats().MessagesDiscarded)
	if accepted.Load() != int64(received)+discarded {
		t.Errorf("%d messages accepted, %d received, %d counted as discarded", accepted.Load(), received, discarded)
	}
	if discarded > 0 {
		t.Errorf("%d messages that Send accepted were discarded", discarded)
	}
}

// When the context ends first, the sockets whose peers do not answer are closed as by Close.
func TestShutdownDeadline(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo, Limits: engine.Limits{CloseTimeout: -1}})
	c := r.dial()
	id := c.open("/")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Shutdown(ctx) }()
	c.wantOf(id, "the socket is closed", "close 1001 going away")
	select {
	case err := <-done:
		t.Errorf("Shutdown did not wait for the peer: %v", err)
	default:
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if opened, closed := r.count(); opened != 1 || closed != 1 {
		t.Errorf("Shutdown returned with %d of %d sockets closed", closed, opened)
	}
	c.wantGone("the connection is closed")
}

// A peer that does not answer Close has Limits.CloseTimeout for it.
func TestShutdownUnansweredClose(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo, Limits: engine.Limits{CloseTimeout: time.Millisecond}})
	c := r.dial()
	id := c.open("/")
	done := r.shutdown()
	c.wantOf(id, "Close comes, and then the stream is reset", "close 1001 going away", "reset CANCEL")
	c.wantGone("no stream is left")
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	for _, err := range r.errs() {
		if !errors.Is(err, ws.ErrCloseTimeout) {
			t.Errorf("OnClose says %v", err)
		}
	}
}

// A peer that has fallen silent has Limits.PingTimeout to answer the PING of the drain, however
// long silences are otherwise allowed to be.
func TestShutdownDeadPeer(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo, Limits: engine.Limits{PingInterval: -1, PingTimeout: time.Millisecond, IdleTimeout: -1}})
	c := r.dial()
	c.open("/")
	if err := r.Shutdown(drainGuard(t)); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	for _, err := range r.errs() {
		if !errors.Is(err, ws.ErrConnLost) {
			t.Errorf("OnClose says %v", err)
		}
	}
}

// Shutdown does not wait for connections that have no sockets, or have said nothing yet.
func TestShutdownIdle(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	silent, err := net.Dial("tcp", r.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c := r.dial()
	id := c.open("/")
	c.close(id, frame.FlagEndStream, ws.CloseNormal)
	c.wantOf(id, "closed", "close 1000", "end")
	until(t, "both connections are accepted", func() bool { return r.Stats().Connections == 2 })
	done := r.shutdown()
	c.want("GOAWAY comes twice", "2147483647 goaway NO_ERROR", "1 goaway NO_ERROR")
	if _, err := c.hear(); err != io.EOF {
		t.Errorf("the connection ends with %v", err)
	}
	c.nc.Close()
	silent.Close()
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// A handshake that the peer sent before it saw GOAWAY is served: the socket opens, gets what OnOpen sends,
// and closes like the others.
func TestShutdownWhileOpening(t *testing.T) {
	r := serve(t, &engine.Server{Handler: ws.Funcs{
		Open: func(c *ws.Conn) { c.Send(ws.Text, []byte("welcome")) },
	}})
	c := r.dial()
	first := c.open("/")
	c.wantOf(first, "OnOpen may send", "message welcome")
	done := r.shutdown()
	c.want("GOAWAY takes nothing back", "2147483647 goaway NO_ERROR")
	second := c.begin("/")
	c.wantOf(second, "what was sent before Close comes before it", "status 200", "message welcome", "close 1001 going away")
	c.close(first, frame.FlagEndStream, ws.CloseGoingAway)
	c.close(second, frame.FlagEndStream, ws.CloseGoingAway)
	c.wantGone("all is said")
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	r.await(t, 2, 2)
}

// After Shutdown a second one, and Close, find nothing to do.
func TestShutdownTwice(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	for range 2 {
		if err := r.Shutdown(drainGuard(t)); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}
