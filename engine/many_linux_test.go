package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// The two shapes of a server: many connections with a socket each, and one connection with many.

func TestManyConnections(t *testing.T) {
	const conns = 2000
	r := serve(t, &engine.Server{Handler: echo})
	var clients []*client
	for range conns {
		c := r.dial()
		c.begin("/")
		c.message(1, "hello")
		c.flush()
		clients = append(clients, c)
	}
	for _, c := range clients {
		c.want("an echo on each", "1 status 200", "1 message hello")
	}
	r.await(t, conns, 0)
	for i, c := range clients {
		c.message(1, fmt.Sprint("again ", i))
		c.flush()
	}
	for i, c := range clients {
		c.want("another echo on each", fmt.Sprint("1 message again ", i))
		c.close(1, frame.FlagEndStream, ws.CloseNormal)
		c.flush()
	}
	for _, c := range clients {
		c.want("closing on each", "1 close 1000", "1 end")
		c.nc.Close()
	}
	r.await(t, conns, conns)
	until(t, "all connections are gone", func() bool { return r.Stats().Connections == 0 })
}

const manySockets = 20_000

// openMany opens manySockets on one connection.
func openMany(t *testing.T, r *running) *client {
	t.Helper()
	c := r.dial()
	const batch = 1000
	for i := range manySockets {
		c.begin("/")
		if i%batch == batch-1 {
			for range batch {
				if h, err := c.hear(); err != nil || h.what != "status" || h.text != "200" {
					t.Fatalf("opening: %v, %v", h, err)
				}
			}
		}
	}
	r.await(t, manySockets, 0)
	return c
}

func manyLimits() engine.Limits { return engine.Limits{MaxConcurrentStreams: manySockets} }

// hearAll waits until every socket has said what once.
func hearAll(t *testing.T, c *client, what, text string) {
	t.Helper()
	heardOf := make(map[uint32]bool)
	for range manySockets {
		h, err := c.hear()
		if err != nil || h.what != what || h.text != text || heardOf[h.id] {
			t.Fatalf("got %v, %v, want one %s %s of each", h, err, what, text)
		}
		heardOf[h.id] = true
	}
}

func TestManySocketsOnOneConnection(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo, Limits: manyLimits()})
	c := openMany(t, r)
	for id := uint32(1); id < c.next; id += 2 {
		c.message(id, "hello")
	}
	hearAll(t, c, "message", "hello")

	prepared, err := ws.Prepare(ws.Text, []byte("to all"))
	if err != nil {
		t.Fatal(err)
	}
	for _, socket := range r.sockets() {
		if err := socket.SendPrepared(prepared); err != nil {
			t.Fatal(err)
		}
	}
	hearAll(t, c, "message", "to all")

	// All close at once, and the slots are free again.
	for id := uint32(1); id < c.next; id += 2 {
		c.close(id, frame.FlagEndStream, ws.CloseNormal)
	}
	for range 2 * manySockets {
		if h, err := c.hear(); err != nil || h.what != "close" && h.what != "end" {
			t.Fatalf("closing: %v, %v", h, err)
		}
	}
	r.await(t, manySockets, manySockets)
	c.echo(c.open("/"), "the connection lives on")
}

// A connection with many sockets is lost: every one hears of it, once, and other connections go on meanwhile.
func TestManySocketsLostAtOnce(t *testing.T) {
	for name, lose := range map[string]func(r *running, c *client){
		"RST": func(_ *running, c *client) { c.cut() },
		"FIN": func(_ *running, c *client) { c.nc.Close() },
		"connection error": func(_ *running, c *client) {
			c.out = frame.AppendWindowUpdate(c.out, 0, 0)
			h, err := c.hear()
			for err == nil && h.what == "message" {
				h, err = c.hear()
			}
			if h.what != "goaway" || h.id != c.next-2 || h.code != uint32(frame.ProtocolError) {
				c.t.Errorf("got %v, %v, want GOAWAY", h, err)
			}
		},
		"Close": func(r *running, _ *client) { go r.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t, &engine.Server{Handler: echo, Loops: 1, Limits: manyLimits()})
			c := openMany(t, r)
			for _, socket := range r.sockets() {
				socket.Send(ws.Text, []byte("may be lost"))
			}
			lose(r, c)
			if name != "Close" {
				other := r.dial()
				other.echo(other.open("/"), "meanwhile")
				other.cut()
				r.await(t, manySockets+1, manySockets+1)
			} else {
				r.await(t, manySockets, manySockets)
			}
			for _, err := range r.errs() {
				if !errors.Is(err, ws.ErrConnLost) {
					t.Fatalf("OnClose says %v", err)
				}
			}
		})
	}
}

// A Shutdown with many sockets closes them all in order.
func TestManySocketsShutdown(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo, Limits: manyLimits()})
	c := openMany(t, r)
	for _, socket := range r.sockets() {
		if err := socket.Send(ws.Text, []byte("0")); err != nil {
			t.Fatal(err)
		}
	}
	done := r.shutdown()
	wantDrained(c, manySockets, 1)
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// Opens beyond MAX_CONCURRENT_STREAMS are refused, one by one, and cost nobody else anything.
func TestManyTooMany(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo, Limits: engine.Limits{MaxConcurrentStreams: 10}})
	c := r.dial()
	for range 1000 {
		c.begin("/")
	}
	for i := range 1000 {
		want := fmt.Sprint(2*i+1, " status 200")
		if i >= 10 {
			want = fmt.Sprint(2*i+1, " reset REFUSED_STREAM")
		}
		c.want("ten are accepted, the others refused", want)
	}
	c.echo(1, "still here")
	c.close(1, frame.FlagEndStream, ws.CloseNormal)
	c.wantOf(1, "closed", "close 1000", "end")
	c.echo(c.open("/"), "the slot is free")
	until(t, "the figures tell", func() bool { return r.Stats().StreamsRefused == 990 })
}
