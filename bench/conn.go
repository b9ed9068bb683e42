package bench

import (
	"math"

	"h2ws/engine/frame"
)

// conn is the client's side of one HTTP/2 connection and of all its streams. It does no I/O: recv is
// given what arrived, and what is to be sent collects in out. It belongs to the goroutine of its Client.
//
// Stream i has the identifier 2i+1. The streams of a connection are never removed. Socket n of the
// connection is on stream slots[n]: at first n itself, and another one when it was closed and opened anew.
//
//	0 <= active <= maxStreams     streams opening, open, refused or closing
//	recvWindow <= connWindow, stream.recv <= window
type conn struct {
	events events
	heard  bool     // what a scenario may wait for has come, for the Client to note
	wake   *[]*conn // the Client's connections with output
	awake  bool     // listed there
	number int      // among the connections of the Client

	out     []byte // framed and owned, for the socket to take
	streams []stream
	slots   []uint32
	active  int

	upgrade *upgrade // over HTTP/1.1; nil: over HTTP/2, to which all below belongs

	request  request
	decoder  statusDecoder
	block    []byte // field block that CONTINUATION frames go on with
	blockFor uint32 // its stream, 0: none

	settled    bool  // the server's first SETTINGS have arrived
	maxStreams int   // its MAX_CONCURRENT_STREAMS
	maxFrame   int   // its MAX_FRAME_SIZE, octets of payload
	peerWindow int32 // its INITIAL_WINDOW_SIZE, octets
	sendWindow int64 // of the connection: octets we may send

	window     int32 // our INITIAL_WINDOW_SIZE, octets
	recvWindow int32 // of the connection: octets the server may still send before it gets credit

	waiting   outbox               // output that waits for the connection's window
	stalled   map[uint32][]pending // output that waits for a stream's window
	partials  map[uint32][]byte    // beginnings of messages that DATA frames cut
	fragments map[uint32]fragments // beginnings of messages that WebSocket frames cut
	spare     [][]byte             // memory for more of them, as many as its capacity
	refusal   *RefusedError        // of the first refused stream, while its body is read
	key       uint32               // state of the generator of masking keys
}

// events is what a scenario wants to know. Every method runs on the goroutine of the Client and may
// send on any connection. An error ends the run.
type events interface {
	opened(c *conn, i int) error
	message(c *conn, i int, m message) error
	// closed is told of a stream that ended: err is nil after a closing handshake that the client
	// began, and a *ClosedError or *ResetError otherwise.
	closed(c *conn, i int, err error) error
}

// tell returns whom to tell of what has come. Frames that scenarios are not told of, such as PING, may come from a
// server that does nothing else any more.
func (c *conn) tell() events {
	c.heard = true
	return c.events
}

// connWindow is the receive window of a connection, in octets: as large as there is, because the
// client reads all it is sent. Half of it is announced again at a time.
const connWindow = math.MaxInt32

// initialWindow is what every window is before SETTINGS and WINDOW_UPDATE (RFC 9113 §6.9.2).
const initialWindow = 65535

// newConn returns a connection that has already "sent" the preface, its SETTINGS and the credit for
// the connection's window.
func newConn(number int, wake *[]*conn, r request, window int32) *conn {
	c := &conn{
		wake: wake, number: number, request: r,
		maxStreams: math.MaxInt32, maxFrame: frame.MaxPayloadMin, peerWindow: initialWindow, sendWindow: initialWindow,
		window: window, recvWindow: connWindow,
		stalled: map[uint32][]pending{}, partials: map[uint32][]byte{}, fragments: map[uint32]fragments{}, spare: make([][]byte, 0, 4),
		key: 0x9e3779b9 * uint32(number+1),
	}
	c.out = append(c.out, frame.Preface...)
	c.out = frame.AppendSettings(c.out,
		frame.Setting{ID: frame.EnablePush, Value: 0},
		frame.Setting{ID: frame.InitialWindowSize, Value: uint32(window)})
	c.out = frame.AppendWindowUpdate(c.out, 0, connWindow-initialWindow)
	c.wakeUp()
	return c
}

// wakeUp lists the connection among those with output.
func (c *conn) wakeUp() {
	if !c.awake {
		c.awake = true
		*c.wake = append(*c.wake, c)
	}
}

// reserve makes room for n more streams.
func (c *conn) reserve(n int) {
	if free := cap(c.streams) - len(c.streams); free < n {
		c.streams = append(make([]stream, 0, len(c.streams)+n), c.streams...)
		c.slots = append(make([]uint32, 0, len(c.slots)+n), c.slots...)
	}
}

func streamID(i int) uint32 { return uint32(i)*2 + 1 }

// index returns the index of an open or ended stream, or an error for an identifier the client never
// used.
func (c *conn) index(h frame.Header) (int, error) {
	i := int(h.StreamID >> 1)
	if h.StreamID&1 == 0 || i >= len(c.streams) {
		return 0, faultf("%v on stream %d, which the client did not open", h.Type, h.StreamID)
	}
	return i, nil
}
