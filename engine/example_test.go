package engine_test

import (
	"context"
	"errors"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"h2ws/engine"
	"h2ws/ws"
)

// The smallest server: every message goes back to where it came from. A proxy that speaks HTTP/2 with prior
// knowledge, such as HAProxy or nghttpx, connects browsers to it.
func ExampleListenAndServe() {
	log.Fatal(engine.ListenAndServe(":8080", ws.Funcs{
		Open: func(c *ws.Conn) {
			c.Send(ws.Text, []byte("welcome"))
		},
		Message: func(c *ws.Conn, m ws.Message) {
			c.Send(m.Type, m.Data) // copies: m.Data is only borrowed
		},
		Close: func(c *ws.Conn, err error) {
			log.Print(err) // a *ws.CloseError: who closed, with which code, and why
		},
	}))
}

// room is a Handler that passes every message on to everybody. Callbacks run on several
// event loops, so what they share is guarded.
type room struct {
	mu      sync.Mutex
	members map[*ws.Conn]struct{}
}

func (r *room) OnOpen(c *ws.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[c] = struct{}{}
}

func (r *room) OnMessage(c *ws.Conn, m ws.Message) {
	p, err := ws.Prepare(m.Type, m.Data) // framed once, shared by all members
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for member := range r.members {
		// SendPrepared never blocks. A member that does not keep up is closed,
		// and then its OnClose removes it.
		member.SendPrepared(p)
	}
}

func (r *room) OnClose(c *ws.Conn, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, c)
}

// A broadcast frames a message once, however many sockets it goes to.
func Example_broadcast() {
	server := &engine.Server{
		Addr:    "localhost:8080",
		Handler: &room{members: make(map[*ws.Conn]struct{})},
		Limits:  engine.Limits{MaxConcurrentStreams: 100_000}, // for gateways with many sockets on a connection
	}
	log.Fatal(server.ListenAndServe())
}

// A signal ends the server gracefully: every socket is closed with 1001 behind what was sent to it.
func ExampleServer_Shutdown() {
	server := &engine.Server{Addr: "localhost:8080", Handler: ws.Funcs{
		Message: func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) },
	}}
	signaled, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	drained := make(chan error, 1)
	go func() {
		<-signaled.Done()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		drained <- server.Shutdown(ctx)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, engine.ErrServerClosed) {
		log.Fatal(err)
	}
	if err := <-drained; err != nil {
		log.Print("some sockets were cut off: ", err)
	}
}
