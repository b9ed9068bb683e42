package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// Decisions from many goroutines, some early, some late, while clients give up, speak before they are answered, and
// connections are lost. Everything is accounted for, and every context ends.
func TestDeferFromManyGoroutines(t *testing.T) {
	const conns, rounds = 6, 150
	var asked, decided, accepted, tooLate atomic.Int64
	var deciders sync.WaitGroup
	decide := func(p *ws.Pending, turn uint64) {
		defer deciders.Done()
		if turn%4 == 0 {
			<-p.Context().Done() // an application that does nothing until it is too late
		}
		var err error
		if turn%5 == 1 {
			err = p.Reject(403, "not you")
		} else if err = p.Accept(ws.AcceptOptions{Data: turn}); err == nil {
			accepted.Add(1)
		}
		if err != nil && !errors.Is(err, ws.ErrClosed) {
			t.Errorf("turn %d: %v", turn, err)
		} else if err != nil {
			tooLate.Add(1)
		}
		decided.Add(1)
		<-p.Context().Done()
	}
	h := ws.Funcs{
		Handshake: func(r *ws.Request) {
			deciders.Add(1)
			go decide(r.Defer(), uint64(asked.Add(1)))
		},
		Message: func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) },
	}
	r := serve(t, &engine.Server{Handler: h, Loops: 2, Limits: engine.Limits{HandshakeTimeout: -1}})
	var clients sync.WaitGroup
	for n := range conns {
		clients.Go(func() { deferringClient(r.dial(), rounds, uint64(n)) })
	}
	clients.Wait()
	r.Close() // what is undecided is over now
	deciders.Wait()
	stats := r.Stats()
	if asked.Load() != conns*rounds || decided.Load() != asked.Load() || stats.HandshakesPending != 0 {
		t.Errorf("%d asked, %d decided, %d pending", asked.Load(), decided.Load(), stats.HandshakesPending)
	}
	opened, _ := r.count()
	if opened == 0 || int64(opened) > accepted.Load() || tooLate.Load() < conns*rounds/4 {
		t.Errorf("%d sockets opened, %d accepted, %d too late", opened, accepted.Load(), tooLate.Load())
	}
}

// deferringClient opens sockets and gives up on some of them, before or after the answer, and in the end on all.
func deferringClient(c *client, rounds int, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 6))
	for range rounds {
		id := c.begin("/")
		for range random.IntN(4) {
			c.message(id, "early")
		}
		switch random.IntN(4) {
		case 0:
			c.out = frame.AppendRSTStream(c.out, id, frame.Cancel)
		case 1:
			c.close(id, frame.FlagEndStream, ws.CloseNormal)
		}
		if random.IntN(3) == 0 {
			c.flush()
		}
		if random.IntN(20) == 0 {
			c.echoed()
		}
	}
	c.echoed()
	c.cut()
}

// echoed waits for the server to have read what was sent, by a PING.
func (c *client) echoed() {
	id := c.request(frame.FlagEndStream, ":method", "GET", ":scheme", "http", ":authority", "example.com", ":path", "/")
	for {
		h, err := c.hear()
		if err != nil || h.id == id && h.what == "end" {
			return
		}
	}
}

// Shutdown does not wait for decisions.
func TestShutdownRefusesDeferredHandshakes(t *testing.T) {
	pendings := make(chan *ws.Pending, 1)
	r := serve(t, &engine.Server{Handler: ws.Funcs{Handshake: func(r *ws.Request) { pendings <- r.Defer() }}})
	c := r.dial()
	id := c.begin("/")
	c.flush()
	p := <-pendings
	done := r.shutdown()
	c.wantOf(id, "it is refused", "status 503", "body 503 shutting down\n", "end")
	<-p.Context().Done()
	if err := p.Accept(ws.AcceptOptions{}); !errors.Is(err, ws.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
	c.wantGone("and that was all")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A closed server ends the context, and its limit is one of all loops.
func TestDeferIsOver(t *testing.T) {
	pendings := make(chan *ws.Pending, 10)
	r := serve(t, &engine.Server{Loops: 2, Limits: engine.Limits{PendingHandshakesAll: 3},
		Handler: ws.Funcs{Handshake: func(r *ws.Request) { pendings <- r.Defer() }}})
	var list []*ws.Pending
	for i := range 4 {
		c := r.dial()
		id := c.begin("/")
		c.flush()
		list = append(list, <-pendings)
		if i == 3 {
			c.wantOf(id, "three are waiting", "status 503")
			continue
		}
		until(t, "it waits", func() bool { return r.Stats().HandshakesPending == int64(i+1) })
	}
	r.Close()
	for i, p := range list {
		<-p.Context().Done()
		if cause := context.Cause(p.Context()); i < 3 && !errors.Is(cause, ws.ErrConnLost) {
			t.Errorf("handshake %d: %v", i, cause)
		}
		if err := p.Accept(ws.AcceptOptions{}); !errors.Is(err, ws.ErrClosed) {
			t.Error(fmt.Errorf("handshake %d: %w", i, err))
		}
	}
}
