package engine_test

import (
	"context"
	"errors"
	"log"
	"os"
	"os/signal"
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

// A topic sends each message to all its members. It is framed once, however many they are, and
// a member is a few octets: neither a goroutine nor a queue.
func ExampleTopic() {
	news := engine.NewTopic("news", engine.TopicOptions{})
	go func() {
		for now := range time.Tick(time.Second) {
			p, err := ws.Prepare(ws.Text, now.AppendFormat(nil, time.RFC3339))
			if err != nil {
				log.Fatal(err)
			}
			news.Publish(p) // from any goroutine; never blocks
		}
	}()
	server := &engine.Server{
		Addr:   "localhost:8080",
		Limits: engine.Limits{MaxConcurrentStreams: 100_000}, // for gateways with many sockets on a connection
		Handler: ws.Funcs{Handshake: func(r *ws.Request) {
			if !r.SameOrigin() {
				r.Reject(403, "origin not allowed")
				return
			}
			r.Accept(ws.AcceptOptions{Topics: []ws.Topic{news}}) // nothing published from here on is missed
		}},
	}
	log.Fatal(server.ListenAndServe())
}

// Who may open a WebSocket is asked elsewhere, while the event loop serves others.
func Example_deferredHandshake() {
	// user asks for the owner of a session, as long as ctx lets it.
	user := func(ctx context.Context, session string) (string, error) { return "", ctx.Err() }
	decide := func(p *ws.Pending) {
		session, _ := p.Request().Cookie("session")
		name, err := user(p.Context(), session) // given up when the client is
		if err != nil {
			p.Reject(401, "log in")
			return
		}
		p.Accept(ws.AcceptOptions{Data: name}) // an error says that nobody waits any more
	}
	log.Fatal(engine.ListenAndServe(":8080", ws.Funcs{
		Handshake: func(r *ws.Request) {
			if !r.OriginMatches("https://example.com", "https://*.example.com") {
				r.Reject(403, "origin not allowed")
				return
			}
			go decide(r.Defer())
		},
		Open: func(c *ws.Conn) { log.Printf("%v is here", c.Data()) },
	}))
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
