package engine

import (
	"log/slog"
	"sync/atomic"
	"time"

	"h2ws/flow"
	"h2ws/hpack"
	"h2ws/ws"
)

// core is what the connections of one loop share, without the loop's I/O: configuration,
// scratch memory, the mailbox, and the lists of connections that a turn must come back to.
// Everything here but the mailbox belongs to the loop's goroutine.
type core struct {
	limits    Limits
	endpoint  *ws.Endpoint
	endpoints map[endpointKey]*ws.Endpoint // see endpointFor
	http      *service                     // Server.HTTP; nil: there is none
	log       *slog.Logger
	stats     Stats

	// now is the time of this turn, since an arbitrary start: the one clock below the loop.
	now time.Duration

	box      mailbox
	batch    batch
	next     int // posts of batch that have been delivered
	borrowed int // segments that point into batch.arena

	conns   []*conn // not lost; each knows its place
	logs    logIndex
	drops   map[*stream]ws.Drop // not yet told to OnDrop
	drained []*stream           // not yet told to OnDrain
	waiting waitingShares       // have messages that MaxRate holds back

	pendings    map[*stream]*pendingSocket // handshakes that are decided later
	pendingRing flow.Ring                  // the same, first due first
	pendingAll  *atomic.Int64              // of all loops of the server

	dirty    []*conn // have output that has not been offered to the socket
	leaving  []*conn // are losing their streams, a few a turn
	draining []*conn // are closing their sockets, a few a turn
	pace     drainPace

	segments  segmentPool
	controls  [][]byte // spare buffers, see controls.go
	receiver  ws.Receiver
	request   hpack.Request
	handshake ws.Request
	warmed    uint32 // see conn.warm
	brims     bool   // what recv has had sent is to be offered to the sockets first: see stream.brims
	unfed     []unfed

	overload Overload
	weight   int // octets of all connections, as they were last weighed
	weighed  int // of it, those in the process's account

	holding int          // octets in its logs and queues, shared ones each time, and what its sockets have not taken
	holds   atomic.Int64 // the same as of its last turn
	asked   atomic.Bool  // to relieve
}

const (
	// postsTurn is how many posts are delivered between two flushes: enough to fill
	// a gather, few enough that their segments stay in the processor's cache.
	postsTurn = 4096
	// streamsTurn is how many streams of a connection that leaves or drains are visited a turn.
	streamsTurn = 4096
	// endpointsKept is how many different queue limits given at handshakes are remembered.
	endpointsKept = 64
)

func newCore(l Limits, e *ws.Endpoint, log *slog.Logger) *core {
	k := &core{limits: l, endpoint: e, endpoints: make(map[endpointKey]*ws.Endpoint), log: log,
		pendings: make(map[*stream]*pendingSocket), pendingAll: new(atomic.Int64)}
	k.box.size = l.MailboxSize
	k.box.wake = func() {}
	return k
}

// endpointKey is what endpointFor was asked for.
type endpointKey struct {
	endpoint *ws.Endpoint
	queue    ws.QueueLimits
}

// endpointFor is the endpoint with the queue limits of one handshake. Those met most often share theirs.
func (k *core) endpointFor(e *ws.Endpoint, l *ws.QueueLimits) *ws.Endpoint {
	if l == nil {
		return e
	}
	key := endpointKey{e, *l}
	with := k.endpoints[key]
	if with == nil {
		with = e.WithQueue(*l)
		if len(k.endpoints) < endpointsKept {
			k.endpoints[key] = with
		}
	}
	return with
}

// deliver moves up to postsTurn posts to the queues of their streams and reports whether any are left.
// Once all are delivered and their connections flushed, settle must be called.
func (k *core) deliver() (more bool) {
	if k.next == len(k.batch.posts) {
		k.batch, k.next = k.box.take(k.batch), 0
		for _, f := range k.batch.calls {
			f()
		}
		for sh, n := range k.batch.missed {
			sh.miss(n)
		}
	}
	end := min(k.next+postsTurn, len(k.batch.posts))
	for ; k.next < end; k.next++ {
		k.deliverPost(&k.batch.posts[k.next])
	}
	return end < len(k.batch.posts)
}

// end is the end of the loop, when all sockets are closed. What was posted too late for a turn is
// delivered all the same: others wait for what it settles.
func (k *core) end() {
	k.box.shut()
	for k.deliver() {
	}
	for slot := k.pendingRing.Front(); slot != nil; slot = k.pendingRing.Front() {
		k.forgetPending(pendingOf(slot))
	}
	k.holdSegments()
}

func (k *core) deliverPost(p *post) {
	s := p.s
	octets := k.batch.arena[p.off : p.off+p.n : p.off+p.n]
	switch p.kind {
	case postMessage:
		p.seg = s.enqueue(octets, bytesBorrowed, nil)
	case postPrepared:
		s.enqueue(p.prepared.Frame(), bytesShared, p.prepared)
	case postClose:
		code := ws.CloseCode(octets[0])<<8 | ws.CloseCode(octets[1])
		s.closeLocal(code, string(octets[2:]))
	case postSlow:
		s.closeSlow(s.ws.QueueLimits().Code)
	case postAnswer:
		s.queueClose(octets, true)
	case postEnd:
		s.queueEnd()
	case postDecided:
		s.conn.decide(s)
	case postResume:
		s.resume()
	case postDrain:
		s.awaitDrain()
	case postJoin:
		if s.kind == streamPending {
			s.holdJoin(p.topic)
		} else {
			s.join(p.topic.share, p.topic.retained)
		}
	case postLeave:
		s.leave(p.topic.share)
	case postPublish:
		p.topic.share.publish(p.prepared, s, p.topic.receipt)
	case postAttend:
		s.conn.attend(s)
	}
}

// settle copies what still points into the batch's arena to memory of its own, so that the arena can
// be used again: a message that waits for its peer must not pin all that were posted with it.
func (k *core) settle() {
	if k.borrowed > 0 {
		for i := range k.batch.posts {
			k.own(k.batch.posts[i].seg)
		}
	}
	if k.borrowed != 0 {
		panic("BUG: segments borrow from an arena about to be reused")
	}
}

// own may be given a segment that was recycled since: what it holds now is the same batch's or not borrowed.
func (k *core) own(g *segment) {
	if g == nil || g.owner != bytesBorrowed {
		return
	}
	g.buf = append(g.buf[:0], g.b...)
	g.b = g.buf
	g.owner = bytesOwned
	k.keep(int(g.size))
	k.borrowed--
}

// release ends a segment's life.
func (k *core) release(g *segment) {
	if g.owner == bytesBorrowed {
		k.borrowed--
	}
	if g.owner == bytesOwned && g.size > 0 {
		k.keep(-int(g.size))
	}
	k.segments.put(g)
}

// sweep goes on with the connections whose streams are being lost or closed
// and reports whether there is more to do at once.
func (k *core) sweep() (more bool) {
	k.leaving = keepIf(k.leaving, (*conn).loseStreams)
	k.draining = keepIf(k.draining, (*conn).closeSockets)
	return len(k.leaving) > 0 || k.nextDrain() <= k.now
}

// unlist takes a connection that is lost out of conns.
func (k *core) unlist(c *conn) {
	last := k.conns[len(k.conns)-1]
	k.conns[c.place], last.place = last, c.place
	k.conns[len(k.conns)-1] = nil
	k.conns = k.conns[:len(k.conns)-1]
}

// keepIf keeps the connections of which f says that they want another turn.
func keepIf(list []*conn, f func(*conn) bool) []*conn {
	kept := list[:0]
	for _, c := range list {
		if f(c) {
			kept = append(kept, c)
		}
	}
	clear(list[len(kept):])
	return kept
}
