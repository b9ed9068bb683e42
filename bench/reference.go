package bench

import (
	"context"
	"log/slog"
	"net"

	"h2ws/engine"
	"h2ws/ws"
)

// Reference is the server that scenarios drive. Any path and any origin are accepted, and of the
// offered subprotocols the first. It echoes every message, except text messages that begin with "!":
//
//	!B COUNT SIZE   publishes COUNT binary messages of SIZE octets to every open socket, one after another
//	!G              collects garbage, returns memory to the operating system, and answers "!G"
//
// Anything else behind "!" is answered with "!E" and what is wrong with it.
//
// A published message begins with its number, counted from 1 over the life of the server (64 bits, most
// significant octet first), and the time at which it was framed, in nanoseconds since 1970 (likewise), as
// far as SIZE has room for them. It goes through a topic that every socket joins as it opens.
type Reference struct {
	server  engine.Server
	handler *referenceHandler
}

// ReferenceConfig configures a Reference.
type ReferenceConfig struct {
	Loops      int    // event loops; 0: GOMAXPROCS
	MaxStreams uint32 // MAX_CONCURRENT_STREAMS; 0: 1,048,576
	Logger     *slog.Logger
}

// NewReference returns a server for one Serve.
func NewReference(cfg ReferenceConfig) *Reference {
	def(&cfg.MaxStreams, 1<<20)
	h := &referenceHandler{}
	h.publisher.topic = engine.NewTopic("all", engine.TopicOptions{})
	h.topics = []ws.Topic{h.publisher.topic}
	return &Reference{handler: h, server: engine.Server{
		Handler: h,
		Loops:   cfg.Loops,
		Limits:  engine.Limits{MaxConcurrentStreams: cfg.MaxStreams},
		Logger:  cfg.Logger,
	}}
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
	topics    []ws.Topic
	publisher publisher
}

func (h *referenceHandler) OnHandshake(r *ws.Request) {
	o := ws.AcceptOptions{Topics: h.topics}
	if offered := r.Subprotocols(); len(offered) > 0 {
		o.Subprotocol = offered[0]
	}
	r.Accept(o)
}

func (h *referenceHandler) OnMessage(c *ws.Conn, m ws.Message) {
	if m.Type == ws.Text && len(m.Data) > 0 && m.Data[0] == '!' {
		h.command(c, string(m.Data))
		return
	}
	c.Send(m.Type, m.Data) // a socket that cannot take it is closed by the engine
}
