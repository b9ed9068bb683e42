package engine

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"h2ws/engine/frame"
	"h2ws/flow"
	"h2ws/ws"
)

// held is the octets of messages, and of plain requests and responses, that wait anywhere in the process: in logs
// and queues, and framed for sockets that don't take them. A shared message counts once, and every place in a queue, as of its loop's last
// turn, with the memory it takes: of small messages to many sockets that is the most by far.
var held atomic.Int64

// holders are the cores of all loops of the process, so that who holds the most is relieved and not who notices.
// The list is replaced, never changed.
var holders atomic.Pointer[[]*core]

func init() { holders.Store(new([]*core)) }

// enlist and delist put a core on holders and take it off. Any goroutine.
func (k *core) enlist() { changeHolders(func(l []*core) []*core { return append(l, k) }) }
func (k *core) delist() {
	changeHolders(func(l []*core) []*core { return slices.DeleteFunc(l, func(c *core) bool { return c == k }) })
}

func changeHolders(change func([]*core) []*core) {
	for {
		old := holders.Load()
		list := change(slices.Clone(*old))
		if holders.CompareAndSwap(old, &list) {
			return
		}
	}
}

// largestHolder is the core that holds the most, of those for whose limit the process holds too much, k included.
func (k *core) largestHolder() *core {
	largest := k
	for _, c := range *holders.Load() {
		if c.holds.Load() > largest.holds.Load() && held.Load() > c.messagesMax() {
			largest = c
		}
	}
	return largest
}

var errMemory = errors.New("the process holds too much for peers that do not read")

// keep counts n octets more that the core holds.
func (k *core) keep(n int) {
	held.Add(int64(n))
	k.holding += n
}

// hold counts a shared message that is kept waiting in one more place. That the core holds it counts for each.
func (k *core) hold(p *ws.Prepared) {
	k.holding += len(p.Frame())
	if p.Hold() {
		held.Add(int64(len(p.Frame())))
	}
}

func (k *core) unhold(p *ws.Prepared) {
	k.holding -= len(p.Frame())
	if p.Release() {
		held.Add(-int64(len(p.Frame())))
	}
}

// reliefsTurn is how many logs or connections are relieved in one turn at most.
const reliefsTurn = 50

// relieve brings the messages that the process holds below what Limits.MemorySize leaves for them, on the loop that holds the most: the largest log
// is cut in half, or the policies of the connection with the largest backlog are applied as if its queues
// were full, until it is enough. What is lost is counted where such losses always are.
func (k *core) relieve() {
	if !k.holdsTooMuch() {
		return
	}
	backlogs := k.largestBacklogs()
	for n := 0; k.holdsTooMuch() && n < reliefsTurn; n++ {
		if other := k.largestHolder(); other != k {
			other.askRelief()
			return
		}
		k.stats.MemoryReliefs++
		sh, c := k.logs.largest(), backlogs.largest()
		switch {
		case sh != nil && (c == nil || sh.log.size() >= c.waiting()):
			for target := sh.log.size() / 2; sh.log.size() > target; {
				sh.dropFirst()
			}
		case c != nil:
			if c.relieve(); c.state == connLost && c.backlog > 0 {
				return // what it holds goes with its streams
			}
		default:
			k.holds.Store(0) // what it holds can't be given up: until its next turn others are asked
			return
		}
	}
}

// askRelief has k relieve in its next turn. Any goroutine.
func (k *core) askRelief() {
	if k.asked.CompareAndSwap(false, true) {
		k.box.call(func() { k.asked.Store(false) }) // a turn is all it takes
	}
}

// holdsTooMuch reports whether the process holds more than this core's limit.
func (k *core) holdsTooMuch() bool {
	k.holdSegments()
	return held.Load() > k.messagesMax()
}

// holdSegments brings held and holds up to date. An atomic addition for every segment would cost as much as the segment.
func (k *core) holdSegments() {
	if p := &k.segments; p.held != p.used {
		k.keep((p.used - p.held) * segmentSize)
		p.held = p.used
	}
	k.holds.Store(int64(k.holding))
}

// waiting is how many octets of messages wait for the connection's peer.
func (c *conn) waiting() int { return c.backlog + len(c.wire.rest) }

// relieve gives up what waits on the connection: whole messages by the policy of each stream or, when it is
// in the way of the socket that it waits, or all of it has begun, the connection.
func (c *conn) relieve() {
	if c.backlog < len(c.wire.rest) {
		c.loseAll()
		return
	}
	before := c.backlog
	for _, ring := range []*flow.Ring{&c.blocked, &c.ready} {
		for range min(ring.Len(), visitsTurn) {
			slot := ring.Front()
			if slot == nil || !c.core.holdsTooMuch() {
				break
			}
			s := streamOf(slot)
			s.relieve()
			if ring.Front() == slot {
				ring.Remove(slot)
				ring.Push(slot)
			}
		}
	}
	if c.backlog < before {
		c.inVain = 0
	} else if c.inVain++; int(c.inVain)*visitsTurn > max(c.blocked.Len(), c.ready.Len()) {
		c.loseAll()
		return
	}
	c.touch() // what is first now may be small enough for the window
}

// loseAll loses the connection because of what waits for its socket, which goes at once.
func (c *conn) loseAll() {
	c.lose(errMemory)
	c.dropRest()
}

// dropRest gives up what was framed and not accepted by the socket.
func (c *conn) dropRest() {
	c.core.keep(-len(c.wire.rest))
	c.wire.rest = nil
}

// relieve applies the policies as if the queue were full of what has not begun.
func (s *stream) relieve() {
	if s.queue.empty() || s.shut {
		return
	}
	if s.kind == streamServed {
		s.conn.resetStream(s.id, frame.EnhanceYourCalm, errMemory)
		return
	}
	if s.kind != streamSocket {
		return
	}
	if s.lagging() {
		if l := s.limitsFor(s.member.feed.share.topic); l.Policy == ws.CloseSlow {
			s.closeSlow(l.Code)
			return
		}
		s.dropLag()
	}
	for !s.queue.empty() {
		g := s.queue.oldest()
		if g == nil {
			g = s.queue.first()
		}
		if l := s.limitsFor(g.topic); l.Policy == ws.CloseSlow {
			s.closeSlow(l.Code)
			return
		}
		if g.begun || g.kind != segmentMessage {
			return
		}
		s.drop(g)
	}
}

// agesPause is how long expireAges leaves streams alone that it did not come to.
const agesPause = 10 * time.Millisecond

// expireAges applies the policies to messages that have waited too long on streams without a window, and
// finds out when it is to be done again.
func (c *conn) expireAges() {
	c.ageBy = never
	if c.blocked.Len() > visitsTurn {
		c.ageBy = c.core.now + agesPause
	}
	for range min(c.blocked.Len(), visitsTurn) {
		s := streamOf(c.blocked.Front())
		if s.kind == streamSocket && s.dropStale() && s.stall.over(c.core.now) {
			s.expireStall()
		}
		if s.turn == turnBlocked {
			c.blocked.Remove(&s.slot)
			c.blocked.Push(&s.slot)
			c.noteAge(s)
		}
	}
}

// noteAge has expireAges called when the oldest message of a blocked stream is too old, or the stream has stalled.
func (c *conn) noteAge(s *stream) {
	if s.kind != streamSocket {
		return
	}
	c.ageBy = min(c.ageBy, s.stall.deadline(c.core.now))
	g := s.queue.oldest()
	if g == nil {
		return
	}
	if l := s.limitsFor(g.topic); l.MaxAge > 0 {
		c.ageBy = min(c.ageBy, g.at+l.MaxAge+1)
	}
}
