package engine

import (
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"h2ws/engine/frame"
	"h2ws/flow"
	"h2ws/ws"
)

// rig is a core with one connection whose peer takes everything: what is measured is the core alone. Windows
// do not run out: what was sent is granted again without a frame.
type rig struct {
	tb      testing.TB
	core    *core
	conn    *conn
	gather  *gather
	sockets []*ws.Conn // in the order of opening: the i-th is on stream 2i+1
	block   []byte     // a field block, all of it indexed
	in      []byte     // memory for what recv overwrites
	sent    int        // octets
	spare   []*conn    // memory for core.dirty
}

// newRig opens n sockets with handler h, whose Open must be nil.
func newRig(tb testing.TB, h ws.Funcs, n int) *rig {
	r := &rig{tb: tb, gather: newGather(gatherSize)}
	h.Open = func(c *ws.Conn) { r.sockets = append(r.sockets, c) }
	l := Limits{MaxConcurrentStreams: 1 << 21, SettingsTimeout: -1, RuleScale: -1}.withDefaults()
	r.core = newCore(l, ws.NewEndpoint(h, ws.EndpointOptions{}), slog.New(slog.NewTextHandler(io.Discard, nil)))
	r.connect()
	r.open(n)
	return r
}

// connect makes a connection, after a first one another.
func (r *rig) connect() {
	r.conn = newConn(r.core, netip.MustParseAddrPort("192.0.2.1:4711"))
	var b strings.Builder
	enc := hpack.NewEncoder(&b)
	encode := func() []byte {
		b.Reset()
		for _, f := range []hpack.HeaderField{
			{Name: ":method", Value: "CONNECT"}, {Name: ":protocol", Value: "websocket"}, {Name: ":scheme", Value: "http"},
			{Name: ":path", Value: "/chat"}, {Name: ":authority", Value: "example.com"}, {Name: "sec-websocket-version", Value: "13"},
		} {
			enc.WriteField(f)
		}
		return []byte(b.String())
	}
	first := encode()
	r.block = encode()
	r.turn() // our SETTINGS are written when the peer's come
	r.recv([]byte(frame.Preface))
	r.recv(frame.AppendSettings(nil, frame.Setting{ID: frame.InitialWindowSize, Value: flow.MaxSize}))
	r.turn()
	r.recv(frame.AppendSettingsAck(nil))
	r.recv(frame.AppendHeaders(nil, 1, frame.FlagEndHeaders, first))
	r.turn()
}

// open opens sockets until the connection has n.
func (r *rig) open(n int) {
	for r.conn.streams.len() < n {
		r.openNext()
		if r.conn.streams.len()%1000 == 0 {
			r.turn()
		}
	}
	r.turn()
	if r.conn.streams.len() != n || r.conn.state != connOpen {
		r.tb.Fatalf("%d streams, want %d; state %d: %v", r.conn.streams.len(), n, r.conn.state, r.conn.cause)
	}
}

func (r *rig) openNext() {
	r.in = frame.AppendHeaders(r.in[:0], r.conn.lastPeerID+2, frame.FlagEndHeaders, r.block)
	r.conn.recv(r.in)
}

// recv gives the server octets, of which it overwrites a copy.
func (r *rig) recv(p []byte) {
	r.in = append(r.in[:0], p...)
	for rest := r.conn.recv(r.in); len(rest) > 0; rest = r.conn.recv(rest) {
		r.turn()
	}
}

// turn is a turn of the loop without its I/O.
func (r *rig) turn() {
	k := r.core
	for more := true; more; {
		more = k.deliver()
		r.flush()
	}
	k.settle()
	k.sweep()
	r.flush()
}

func (r *rig) flush() {
	for len(r.core.dirty) > 0 {
		dirty := r.core.dirty
		r.core.dirty = r.spare[:0]
		for _, c := range dirty {
			c.dirty = false
			r.flushConn(c)
		}
		r.spare = dirty
	}
}

func (r *rig) flushConn(c *conn) {
	for more := true; more; {
		r.gather.reset(gatherSize)
		before := c.sendWindow.Available(flow.InitialSize)
		more = c.pull(r.gather)
		used := uint32(before - c.sendWindow.Available(flow.InitialSize))
		c.sendWindow.Grant(flow.InitialSize, used)
		more = more || used > 0
		r.sent += r.gather.size
	}
}

// dataOf is a DATA frame with a masked message of n octets.
func dataOf(id uint32, n int) []byte {
	return frame.AppendData(nil, id, 0, message(ws.OpBinary, strings.Repeat("x", n)))
}
