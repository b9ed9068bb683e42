package engine

import (
	"net/netip"
	"strings"

	"golang.org/x/net/http2/hpack"

	"h2ws/engine/frame"
	"h2ws/flow"
)

// simClient is a connection and the client at its other end. The client keeps its own books:
//
//	sendWindow, recvWindow: what it may send and may still be sent, as it has been told and has told
//
// and on its own account breaks no rule, except in the methods whose names begin with break.
type simClient struct {
	s    *sim
	n    int
	conn *conn

	rest    []byte // the server's: framed, not taken by its socket
	room    int    // octets the server's socket takes; negative: any number
	down    []byte // on its way to the client
	in      []byte // at the client, not parsed
	up      []byte // on its way to the server
	removed bool

	// Positions in all that was written to up, to know what the server has not seen yet.
	consumed int
	flights  []simFlight

	enc  *hpack.Encoder
	encb strings.Builder
	dec  *hpack.Decoder

	streams     []*simStream
	nextID      uint32
	sendWindow  int64
	recvWindow  int64
	peerInitial int64   // the server's INITIAL_WINDOW_SIZE
	initial     int64   // ours, as far as the server has acknowledged it
	smallest    int32   // of all that we have announced, 0 excepted; 0: none
	settings    []int64 // ours, not acknowledged
	pings       [][8]byte
	greeted     bool // the server's SETTINGS have come
	goaway      bool // the server's GOAWAY has come
	leaving     bool // ours was sent
	drained     bool // the server drains
	broken      bool // a connection error was provoked
	fragile     bool // one may have been
}

// simFlight is a frame that matters to a window, on its way to the server.
type simFlight struct {
	at     int // position at which it takes effect
	id     uint32
	data   int64 // flow-controlled octets
	credit int64 // WINDOW_UPDATE
}

// simStream is a stream as the client sees it.
type simStream struct {
	id     uint32
	socket *simSocket // nil: not a WebSocket
	status int
	others int  // streams that were open when it was opened
	whole  bool // END_STREAM came with HEADERS

	sendWindow int64
	recvGrant  int64 // granted - received; the window is that more than initial
	out        []byte
	outEnd     bool // END_STREAM follows out

	sentEnd, sentReset, gotEnd, gotReset bool

	in        []byte // of a WebSocket frame
	delivered int
	bad       bool // a rule was broken on it: nothing further is expected of it
	sentClose bool
	gotClose  bool
	wsPings   []string
	pinged    bool // by the server, which may have given up waiting for the answer
}

func (c *simClient) failf(format string, args ...any) {
	c.s.failf("client %d: "+format, append([]any{c.n}, args...)...)
}

// dial is a new connection: the client's preface and SETTINGS are on their way.
func (s *sim) dial() *simClient {
	c := &simClient{
		s: s, n: s.step<<4 | len(s.clients), room: -1, nextID: 1,
		conn:        newConn(s.core, netip.MustParseAddrPort("192.0.2.1:4711")),
		sendWindow:  flow.InitialSize,
		recvWindow:  flow.InitialSize,
		peerInitial: flow.InitialSize,
		initial:     flow.InitialSize,
		dec:         hpack.NewDecoder(4096, nil),
	}
	c.enc = hpack.NewEncoder(&c.encb)
	c.conn.streams.seed = [2]uint64{s.r.Uint64(), s.r.Uint64() | 1}
	c.up = append(c.up, frame.Preface...)
	c.sendSettings()
	return c
}

func (c *simClient) find(id uint32) *simStream {
	if id%2 == 0 || int(id/2) >= len(c.streams) {
		c.failf("the server speaks of stream %d", id)
	}
	return c.streams[id/2]
}

// live reports whether the stream is open as far as the client knows.
func (cs *simStream) live() bool {
	return !cs.gotReset && !cs.sentReset && !(cs.gotEnd && cs.sentEnd)
}

func (c *simClient) liveStreams() (n int) {
	for _, cs := range c.streams {
		if cs.live() {
			n++
		}
	}
	return n
}
