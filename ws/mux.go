package ws

import (
	"fmt"
	"strings"
	"sync/atomic"
)

// A Mux gives each path a Handler of its own. It is to be the Handler of a
// Server itself, not of a Handler around it: who gets a WebSocket is decided
// at the opening handshake, and from then on the Mux is not asked any more.
//
// A pattern is a path. One that ends in a slash stands for every path that
// begins with it, any other one for itself; of several that fit the longest
// counts, and "/" fits all. Where none does, the handshake is refused with 404.
// The query plays no part.
//
// Paths are compared octet by octet, as the client wrote them: nothing is
// decoded, cleaned or redirected, and case counts. "/a/../b", "/a//b" and "/a/%2e%2e/b"
// are paths below "/a/", and none of them is "/b" or below it. A handler that
// takes a path for the name of something must see to such paths itself.
//
// The zero value is an empty Mux.
type Mux struct {
	handlers map[string]Handler
	used     atomic.Bool
}

// Handle has h serve what pattern stands for. Whether h is a Handshaker or
// has another optional interface is looked up when the Mux is given to a
// Server. After that, on a pattern that does not begin with a slash or holds
// '?' or '#', and on one that was given before, Handle panics.
func (m *Mux) Handle(pattern string, h Handler) {
	switch {
	case m.used.Load():
		panic("ws: Mux: Handle after the Mux was given to a Server")
	case h == nil:
		panic("ws: Mux: Handle without a handler")
	case !strings.HasPrefix(pattern, "/") || strings.ContainsAny(pattern, "?#"):
		panic(fmt.Sprintf("ws: Mux: %q is not the pattern of a path", pattern))
	case m.handlers[pattern] != nil:
		panic(fmt.Sprintf("ws: Mux: pattern %q has a handler", pattern))
	}
	if m.handlers == nil {
		m.handlers = make(map[string]Handler)
	}
	m.handlers[pattern] = h
}

// Its callbacks are never called, unless by a Handler around it. That panic is
// the WebSocket's end, and logged.
const muxMisused = "ws: a Mux must be the Handler of a Server itself"

func (m *Mux) OnOpen(*Conn)             { panic(muxMisused) }
func (m *Mux) OnMessage(*Conn, Message) { panic(muxMisused) }
func (m *Mux) OnClose(*Conn, error)     { panic(muxMisused) }

// routes are the Endpoints of a Mux by pattern.
type routes struct {
	byPattern  map[string]*Endpoint
	longest    int  // pattern, in octets
	wantsDrops bool // one of them does
}

func newRoutes(m *Mux, o EndpointOptions) *routes {
	m.used.Store(true)
	r := &routes{byPattern: make(map[string]*Endpoint, len(m.handlers))}
	for pattern, h := range m.handlers {
		e := NewEndpoint(h, o)
		r.byPattern[pattern] = e
		r.longest = max(r.longest, len(pattern))
		r.wantsDrops = r.wantsDrops || e.WantsDrops()
	}
	return r
}

// find returns the Endpoint for a path, or nil. It costs no more than the
// longest pattern has slashes, however many the path has.
func (r *routes) find(path string) *Endpoint {
	if e := r.byPattern[path]; e != nil {
		return e
	}
	path = path[:min(len(path), r.longest)]
	for i := strings.LastIndexByte(path, '/'); i >= 0; i = strings.LastIndexByte(path[:i], '/') {
		if e := r.byPattern[path[:i+1]]; e != nil {
			return e
		}
	}
	return nil
}
