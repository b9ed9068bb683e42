package ws

import "runtime/debug"

// EndpointOptions limits what a peer may send. Zero fields have defaults.
type EndpointOptions struct {
	// MessageBytesMax is the largest message, in octets; a larger one is
	// refused with 1009 when its header arrives. Default 64 KiB.
	MessageBytesMax int

	// FragmentsMax is the largest number of frames in one message, empty ones
	// included; one more is refused with 1008. A message cut into single
	// octets costs its receiver a hundred times what it costs its sender.
	// Default 1024.
	FragmentsMax int

	// Queue bounds what waits for a peer, where AcceptOptions does not say otherwise.
	Queue QueueLimits
}

const (
	messageBytesMaxDefault = 64 << 10
	fragmentsMaxDefault    = 1024
)

// An Endpoint is a Handler with its limits, made ready: what all Conns of one
// handler share. It does not change, and may be used from any goroutine.
//
// For the engine.
type Endpoint struct {
	handler         Handler
	handshaker      Handshaker // nil if handler is none
	dropper         Dropper    // likewise
	drainer         Drainer    // likewise
	routes          *routes    // nil unless handler is a Mux: then its Endpoints are the Conns'
	queue           QueueLimits
	messageBytesMax int
	fragmentsMax    int
}

// NewEndpoint looks up the optional interfaces of h once, and for all.
func NewEndpoint(h Handler, o EndpointOptions) *Endpoint {
	e := &Endpoint{handler: h, messageBytesMax: o.MessageBytesMax, fragmentsMax: o.FragmentsMax, queue: o.Queue.WithDefaults()}
	e.handshaker, _ = h.(Handshaker)
	e.dropper, _ = h.(Dropper)
	e.drainer, _ = h.(Drainer)
	if m, ok := h.(*Mux); ok {
		e.routes = newRoutes(m, o)
	}
	if e.messageBytesMax <= 0 {
		e.messageBytesMax = messageBytesMaxDefault
	}
	if e.fragmentsMax <= 0 {
		e.fragmentsMax = fragmentsMaxDefault
	}
	return e
}

// WithQueue returns the Endpoint with other limits.
func (e *Endpoint) WithQueue(l QueueLimits) *Endpoint {
	other := *e
	other.queue = l.WithDefaults()
	return &other
}

// WantsDrops reports whether a Conn's Dropped would tell anybody.
func (e *Endpoint) WantsDrops() bool {
	return e.dropper != nil || e.routes != nil && e.routes.wantsDrops
}

// A Decision is the answer to an opening handshake.
type Decision struct {
	Status int     // 200: accepted
	Reason string  // a short text for the body if refused
	Fields []Field // of the response; borrowed from the Request
	Data   any     // for Conn.Init
	Topics []Topic // to be joined before OnOpen
	Queue  *QueueLimits
	Stats  *ConnStats

	Endpoint *Endpoint // for Conn.Init if accepted: that of the path
	Pending  *Pending  // not nil: it is made later, and nothing but Endpoint is set

	Panic any    // what OnHandshake panicked with; Status is then 500
	Stack []byte // where
}

// Handshake decides on an opening handshake: the path, the rules of RFC 6455 §4.2
// as far as RFC 8441 §5 keeps them, then OnHandshake, then the default policy. A decision
// made earlier with the same Request is forgotten, so that one may be reused.
func (e *Endpoint) Handshake(r *Request) Decision {
	r.decision, r.decided = Decision{Fields: r.decision.Fields[:0]}, false
	for e.routes != nil {
		if e = e.routes.find(r.Path); e == nil {
			return Decision{Status: 404, Reason: "no such path"}
		}
	}
	if rule := r.violation(); rule != "" {
		return Decision{Status: 400, Reason: rule, Fields: versionFields}
	}
	if e.handshaker != nil {
		if v, stack := e.ask(r); v != nil {
			if p := r.decision.Pending; p != nil {
				p.End(ErrPanic)
			}
			return Decision{Status: 500, Reason: "internal error", Panic: v, Stack: stack}
		}
	}
	if !r.decided {
		r.decideByOrigin()
	}
	r.decision.Endpoint = e
	return r.decision
}

// ask calls OnHandshake and returns what it panicked with.
func (e *Endpoint) ask(r *Request) (v any, stack []byte) {
	defer func() {
		if v = recover(); v != nil {
			stack = debug.Stack()
		}
	}()
	e.handshaker.OnHandshake(r)
	return nil, nil
}

// versionFields go with every 400: RFC 6455 §4.4, "If the server doesn't support
// the requested version, it MUST respond with a |Sec-WebSocket-Version| header
// field (or multiple |Sec-WebSocket-Version| header fields) containing all
// versions it is willing to use."
var versionFields = []Field{{Name: "sec-websocket-version", Value: "13"}}
