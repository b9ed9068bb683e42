package engine

import (
	"fmt"
	"net/netip"
	"time"

	"h2ws/engine/frame"
	"h2ws/flow"
	"h2ws/hpack"
	"h2ws/ws"
)

// conn is one connection without its socket, of HTTP/2 or of what protocol says: octets and the time come in
// through recv and expire, octets go out through pull, and deadline says when to call expire next.
// It belongs to its loop.
type conn struct {
	core   *core
	remote netip.AddrPort
	state  connState
	inVain uint16 // passes of relieve that gave up nothing, one after the other
	cause  error  // why it leaves connOpen
	wire   wire   // the loop's

	streams    streamTable
	lastPeerID uint32    // highest stream id the peer has used
	place      int32     // in core.conns
	resets     *resetLog // nil: none

	// Receiving; see conn_recv.go.
	header     frame.Header
	recvWindow flow.RecvWindow
	held       []byte // a cut frame header, preface or payload; of a raw connection what its 101 says
	data       dataFrame
	block      *fieldBlock // nil: none
	hpack      *hpack.Decoder
	pending    int32 // handshakes of it on core.pendings
	tableless  bool  // the peer has lowered HEADER_TABLE_SIZE: see beginBlock
	assembly   int   // octets of all incomplete messages, and of what came before its handshake was decided

	// Sending; see conn_send.go.
	control     []byte // control frames in wire format, first in every gather
	sendWindow  flow.SendWindow
	peerInitial int32 // the peer's INITIAL_WINDOW_SIZE: base of the streams' windows
	ready       flow.Ring
	blocked     flow.Ring
	unblocked   int32          // streams of blocked, from its front, that may have a window again
	burst       int32          // octets of the next gather
	feeds       flow.Ring      // of feeds with something to be swept
	feedBy      *feedIndex     // the topics of its sockets; nil: none
	taken       int64          // octets of all batches of all feeds, and of shrinking windows: see feedWindows
	sweeping    int64          // octets of the batches being swept
	backlog     int            // octets in its streams' queues, shared ones as if they were not
	plain       *plainRequests // nil: none yet
	dirty       bool
	leaves      bool  // is on core.leaving
	drains      bool  // is on core.draining
	closedSome  bool  // so has this pass over streams: see closeSockets
	turns       uint8 // of streams since the last slice of a sweep

	recvPhase recvPhase
	settings  settingsState
	drain     drainState
	cursor    int // of the streams being lost or closed

	// What the peer does; see rules.go.
	ledger *ledger // nil: nothing to speak of
	early  trifles
	proto  protocol
	closes bool   // the server does not want its sockets any longer
	frames uint32 // DATA frames sent before there was a ledger
	weight int    // octets, as of the last look; see overload.go

	// Times on the core's clock; see deadline.go.
	prefaceBy  time.Duration
	settingsBy time.Duration
	pingBy     time.Duration
	stall      stall
	lingerBy   time.Duration
	ageBy      time.Duration
	lastRecv   time.Duration
	idleSince  time.Duration
	waits      *streamWaits // nil: none yet
}

// connState says what becomes of a connection's octets.
type connState uint8

const (
	connOpening connState = iota // the peer's preface and first SETTINGS are awaited
	connOpen
	connLeaving // our last GOAWAY is written or about to be; what comes in is discarded
	connLost    // the socket is gone or about to be
)

// newConn begins a connection that is known to speak HTTP/2: our SETTINGS are its first output, before
// anything was read.
func newConn(k *core, remote netip.AddrPort) *conn {
	c := newBareConn(k, remote)
	k.stats.ConnectionsAccepted++
	c.prefaceBy = after(k.now, k.limits.PrefaceTimeout)
	c.sendSettings()
	return c
}

func newBareConn(k *core, remote netip.AddrPort) *conn {
	c := &conn{
		core:        k,
		remote:      remote,
		recvWindow:  flow.NewRecvWindow(k.limits.ConnWindow),
		peerInitial: flow.InitialSize,
		burst:       gatherSizeMin,
		settingsBy:  never,
		prefaceBy:   never,
		pingBy:      never,
		stall:       stall{by: never},
		lingerBy:    never,
		ageBy:       never,
		lastRecv:    k.now,
		idleSince:   k.now,
	}
	c.place = int32(len(k.conns))
	k.conns = append(k.conns, c)
	k.stats.Connections++
	return c
}

// touch puts the connection on the list of those to be flushed before the loop sleeps.
func (c *conn) touch() {
	if !c.dirty {
		c.dirty = true
		c.core.dirty = append(c.core.dirty, c)
	}
}

// fail turns an error of the peer into what RFC 9113 §5.4 prescribes. It is the only place that does.
func (c *conn) fail(err error) {
	e := err.(*frame.Error)
	if e.StreamID != 0 {
		c.chargeFault(e.StreamID)
		if c.state < connLeaving {
			c.resetStream(e.StreamID, e.Code, err)
		}
		return
	}
	c.core.stats.ConnectionErrors[min(int(e.Code), len(c.core.stats.ConnectionErrors)-1)]++
	c.core.log.Info("connection error", "remote", c.remote, "code", e.Code, "rule", e.Text)
	c.leave(e.Code, e.Text, err)
}

// leave says GOAWAY, the last that this connection says, and gives up every stream. A raw one has said its last
// in a Close frame, for which its peer gets as much time as for the others.
func (c *conn) leave(code frame.ErrCode, text string, cause error) {
	if c.state >= connLeaving {
		return
	}
	c.sayGoAway(c.lastPeerID, code, text)
	c.quit(connLeaving, cause)
	c.lingerBy = c.core.now + lingerTimeout
	if c.proto == protoRaw && c.core.limits.CloseTimeout != never {
		c.lingerBy = c.core.now + c.core.limits.CloseTimeout
	}
}

// lose gives the connection up without a word: the socket failed, or there is no point in waiting for it.
func (c *conn) lose(cause error) {
	if c.state == connLost {
		return
	}
	if c.state == connLeaving {
		c.state = connLost // its streams are going already
		return
	}
	c.quit(connLost, cause)
}

// quit moves to a state in which nothing is received and streams are lost, a few a turn.
func (c *conn) quit(to connState, cause error) {
	c.loseFeeds()
	c.state, c.cause = to, cause
	c.core.unlist(c)
	c.held, c.block, c.data = nil, nil, dataFrame{}
	c.hpack = nil
	c.waits = nil
	c.ledger = nil // it is read, to be discarded
	c.cursor = c.streams.size()
	if !c.leaves {
		c.leaves = true
		c.core.leaving = append(c.core.leaving, c)
	}
}

// loseStreams takes the next few streams from a connection that quit, and fewer if much waits in their queues. It reports
// whether some are left. Their table goes at the end, as a whole.
func (c *conn) loseStreams() (more bool) {
	err := fmt.Errorf("%w: %w", ws.ErrConnLost, c.cause)
	pool := &c.core.segments
	for work := 0; work < streamsTurn && c.streams.len() > 0; {
		if c.cursor == 0 {
			c.cursor = c.streams.size()
		}
		from, used := c.cursor, pool.used
		c.cursor = c.streams.visit(c.cursor, streamTableMin, func(s *stream) { c.forget(s, sendReset, err) })
		work += from - c.cursor + used - pool.used
	}
	if more = c.streams.len() > 0; !more {
		c.streams = streamTable{}
	}
	c.weigh()
	return more
}

// resetStream answers a stream error, or ends a stream of our own accord.
func (c *conn) resetStream(id uint32, code frame.ErrCode, cause error) {
	c.sayReset(id, code)
	if s := c.streams.find(id); s != nil {
		c.forget(s, sendReset, fmt.Errorf("%w: %w", ws.ErrReset, cause))
	}
}

// move takes a stream through one event of the state machine and forgets it when it is closed.
func (c *conn) move(s *stream, e streamEvent) {
	to, ok := s.state.next(e)
	if !ok {
		panic("BUG: stream event in state " + s.state.String())
	}
	if to == stateClosed {
		c.forget(s, e, ws.ErrReset)
		return
	}
	s.state = to
}

// forget removes a stream that is closed as of event e. A socket that has not heard of its end does now.
func (c *conn) forget(s *stream, e streamEvent, err error) {
	to, ok := s.state.next(e)
	if !ok || to != stateClosed {
		panic("BUG: forgetting a stream that is " + s.state.String())
	}
	s.leaveAll()
	s.loseLag()
	s.end = false
	s.discard(false)
	c.plain.drop(s.id, err)
	was := s.state
	s.state = stateClosed
	c.streams.remove(s.id)
	if c.data.s == s {
		c.data.s = nil
	}
	if c.state < connLeaving {
		c.streams.shrink()
		c.endWaits(s, was)
	}
	c.loseSocket(s, err)
	if c.ready.Len()+c.feeds.Len() > 0 || c.stall.by != never {
		c.touch() // it may have been what kept the others from the rest of the connection's window, or all that waited
	}
	if c.streams.len() == 0 {
		c.idleSince = c.core.now
		c.drained()
	}
}

func (c *conn) loseSocket(s *stream, err error) {
	if s.kind == streamPending {
		c.losePending(s, err)
	}
	if s.kind != streamSocket {
		return
	}
	c.assembly -= s.ws.Held()
	s.ws.Lost(&c.core.receiver, err)
	c.core.stats.Sockets--
}

// resetLog remembers the streams reset last by us, in bounded space. Frames that the peer sent
// before it saw the reset are ignored (RFC 9113 §5.1); frames on other closed streams are errors.
type resetLog struct {
	ids  []uint32
	next int
}

// resetsKept is how many: a peer that has more resets of ours in flight is told STREAM_CLOSED once more.
const resetsKept = 64

func (l *resetLog) add(id uint32) {
	if len(l.ids) < resetsKept {
		l.ids = append(l.ids, id)
		return
	}
	l.ids[l.next] = id
	l.next = (l.next + 1) % resetsKept
}

func (l *resetLog) has(id uint32) bool {
	if l == nil {
		return false
	}
	for _, known := range l.ids {
		if known == id {
			return true
		}
	}
	return false
}
