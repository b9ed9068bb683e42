package bench

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"

	"h2ws/engine"
	"h2ws/ws"
)

// Reference is the server that scenarios drive. Any path and any origin are accepted, and of the
// offered subprotocols the first. It echoes every message, except text messages that begin with "!":
//
//	!B COUNT SIZE   publishes COUNT binary messages of SIZE octets to every open socket, one after
//	                another, as fast as the slowest connection takes them
//	!P TOPIC PUBLISHER COUNT SIZE RATE
//	                publishes COUNT binary messages of SIZE octets to a topic, RATE of them a second,
//	                whoever keeps up with that
//	!G              collects garbage, returns memory to the operating system, and answers "!G"
//
// Plain requests for / get a page with the server's figures, for /stats these as JSON, for /metrics the number of
// goroutines as text for Prometheus, for /healthz "ok".
//
// Anything else behind "!" is answered with "!E" and what is wrong with it.
//
// A socket on a path /t/NAME[/NAME...] is a member of the topics of these names. The query policy=NAME, on
// any path, gives the socket the queue policy of that name (ws.Policy) in place of CloseSlow. A topic
// exists while a socket's path names it. Every "!P" has a goroutine, which ends with
// the socket that asked.
//
// A published message begins with its number (64 bits, most significant octet first), the time at which it
// was framed, in nanoseconds since 1970 (64 bits), PUBLISHER (32 bits), and how many microseconds earlier it was due
// (32 bits, 0 with !B), as far as SIZE has room for them. Numbers
// are counted from 1: those of "!P" by each of them, those of "!B", whose publisher is 0, over the life of the
// server. "!B" goes through a topic that every socket joins as it opens.
type Reference struct {
	server  engine.Server
	handler *referenceHandler
}

// ReferenceConfig configures a Reference.
type ReferenceConfig struct {
	Loops      int         // event loops; 0: GOMAXPROCS
	MaxStreams uint32      // MAX_CONCURRENT_STREAMS; 0: 1,048,576
	TLS        *tls.Config // nil: cleartext
	Logger     *slog.Logger
}

// NewReference returns a server for one Serve.
func NewReference(cfg ReferenceConfig) *Reference {
	def(&cfg.MaxStreams, 1<<20)
	h := newReferenceHandler()
	r := &Reference{handler: h}
	r.server = engine.Server{
		Handler:   h,
		HTTP:      statusHandler(r.server.Stats),
		TLSConfig: cfg.TLS,
		Loops:     cfg.Loops,
		Limits:    engine.Limits{MaxConcurrentStreams: cfg.MaxStreams},
		Logger:    cfg.Logger,
	}
	return r
}

// Serve serves until Shutdown, and then returns nil.
func (r *Reference) Serve(l net.Listener) error {
	if err := r.server.Serve(l); err != engine.ErrServerClosed {
		return err
	}
	return nil
}

// Shutdown closes every socket with 1001 and waits for the peers to answer, as long as ctx allows.
func (r *Reference) Shutdown(ctx context.Context) error { return r.server.Shutdown(ctx) }

type referenceHandler struct {
	ws.Nop
	topics     *topicTable
	all        []ws.Topic // what a socket joins whose path names no topics
	publisher  publisher
	publishers atomic.Int64 // of "!P" that run
}

func newReferenceHandler() *referenceHandler {
	t := newTopicTable()
	return &referenceHandler{
		topics:    t,
		all:       []ws.Topic{t.all},
		publisher: publisher{publish: t.all.PublishThen},
	}
}

func (h *referenceHandler) OnHandshake(r *ws.Request) {
	path := r.Path
	if r.RawQuery != "" {
		path += "?" + r.RawQuery
	}
	o := ws.AcceptOptions{Topics: h.all, Queue: pathQueue(path)}
	if offered := r.Subprotocols(); len(offered) > 0 {
		o.Subprotocol = offered[0]
	}
	if strings.HasPrefix(path, topicPath) {
		set := h.topics.open(path)
		o.Topics, o.Data = set.topics, set
	}
	r.Accept(o)
}

func (h *referenceHandler) OnMessage(c *ws.Conn, m ws.Message) {
	if m.Type == ws.Text && len(m.Data) > 0 && m.Data[0] == '!' {
		h.command(c, string(m.Data))
		return
	}
	c.Send(m.Type, m.Data) // a socket that cannot take it is closed by the engine, or by its policy goes without
}

func (h *referenceHandler) OnClose(c *ws.Conn, err error) {
	switch held := c.Data().(type) {
	case *topicSet:
		h.topics.close(held)
	case *asker:
		held.cancel()
		if held.set != nil {
			h.topics.close(held.set)
		}
	}
}
