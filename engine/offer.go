package engine

import (
	"h2ws/engine/frame"
	"h2ws/ws"
)

// offer queues a published message for a socket that can't take it at once, under the topic's limits or
// its own. Whatever becomes of the message is counted.
func (s *stream) offer(p *ws.Prepared, t *Topic) {
	s.catchUp()
	if s.ended() {
		t.drop(1, droppedEnded)
		s.countLost(1, droppedEnded)
		return
	}
	if !s.queue.empty() && !s.makeRoom(s.limitsFor(t), p, t) {
		t.drop(1, droppedQueue)
		s.countLost(1, droppedQueue)
		return
	}
	s.pushPublished(p, t)
}

// limitsFor are the limits for what is published to t or, of nil, sent directly.
func (s *stream) limitsFor(t *Topic) *ws.QueueLimits {
	if t != nil && t.options.Queue != nil {
		return t.options.Queue
	}
	return s.ws.QueueLimits()
}

// pushPublished queues a published message, whatever waits already.
func (s *stream) pushPublished(p *ws.Prepared, t *Topic) {
	s.queued.Add(uint64(len(p.Frame())) + queuedMessage)
	s.push(p.Frame(), bytesShared, p).topic = t
}

// pushRetained queues what a topic has retained for a new member: all of it, and its limits are for what comes after. It is
// no more than RetainKeys, as who joins once more, while it waits, has it judged as anything else.
func (s *stream) pushRetained(list []*ws.Prepared, t *Topic) {
	again := s.queue.has(func(g *segment) bool { return g.retained && g.topic == t })
	for _, p := range list {
		t.owed.Add(1)
		if again {
			s.offer(p, t)
			continue
		}
		g := s.push(p.Frame(), bytesShared, p)
		g.topic, g.retained = t, true
	}
}

// makeRoom applies the policy to a message published to t that finds others waiting. It
// reports false when the message is not to be queued: it was dropped, or the socket was given up.
func (s *stream) makeRoom(l *ws.QueueLimits, p *ws.Prepared, t *Topic) bool {
	if !s.makeFresh(l, p, t) {
		return false
	}
	if !s.over(l) {
		return true
	}
	switch l.Policy {
	case ws.CloseSlow:
		s.closeSlow(l.Code)
		return false
	case ws.DropNewest:
		s.note(ws.Drop{Messages: 1, Octets: len(p.Frame())})
		return false
	}
	for s.over(l) && s.dropOldest() {
	}
	return true
}

// makeFresh drops what a new message finds too old or, under Conflate, replaces. It reports false
// when the socket was given up.
func (s *stream) makeFresh(l *ws.QueueLimits, p *ws.Prepared, t *Topic) bool {
	if l.Policy == ws.Conflate && p != nil && p.Key() != "" {
		s.conflate(p.Key(), t)
	}
	return s.dropStale()
}

// dropStale applies the policies to the oldest messages, as long as they have waited too long. It reports false
// when the socket was given up.
func (s *stream) dropStale() bool {
	for g := s.queue.oldest(); g != nil && s.stale(g); g = s.queue.oldest() {
		if s.lagging() {
			if s.catchUp(); s.ended() {
				return false
			}
			continue
		}
		if !s.dropAged(g) {
			return false
		}
	}
	return true
}

// dropStaleNext is dropStale for all that one frame may carry: where the limits differ the oldest need not be the first
// that has waited too long.
func (s *stream) dropStaleNext() bool {
	size := 0
	for g := s.queue.first(); g != nil && size < frame.MaxPayloadMin; {
		next := g.next
		if g == s.queue.last {
			next = nil
		}
		size += len(g.b)
		if g.kind == segmentMessage && !g.begun && s.stale(g) {
			s.catchUp() // who lags has more behind it; review has visited it, so this drops nothing
			if !s.dropAged(g) {
				return false
			}
		}
		g = next
	}
	return true
}

// review applies the limits to what has waited, before it is sent.
func (s *stream) review() {
	if s.lagging() {
		s.visit()
	}
	if first := s.queue.first(); first != nil && first.at != s.core().now && s.kind == streamSocket {
		s.dropStaleNext()
	}
}

// stale reports whether a message has waited too long.
func (s *stream) stale(g *segment) bool {
	l := s.limitsFor(g.topic)
	return l.MaxAge > 0 && s.core().now-g.at > l.MaxAge
}

// dropAged applies the policy to a message that is stale and reports false when the socket was given up.
func (s *stream) dropAged(g *segment) bool {
	if l := s.limitsFor(g.topic); l.Policy == ws.CloseSlow {
		s.closeSlow(l.Code)
		return false
	}
	s.drop(g)
	return true
}

// over reports whether the queue is at a limit.
func (s *stream) over(l *ws.QueueLimits) bool { return s.overBy(0, l) }

// overBy reports whether it is when there is more in it than stream.queued says.
func (s *stream) overBy(more uint64, l *ws.QueueLimits) bool {
	octets, messages := s.room(more, l)
	return octets <= 0 || messages <= 0
}

// room is how much is left to the limits.
func (s *stream) room(more uint64, l *ws.QueueLimits) (octets, messages int) {
	queued := s.queued.Load() + more
	octetsMax, messagesMax := s.core().queueLimits(l)
	return octetsMax - int(queued&queuedOctets), messagesMax - int(queued&^queuedSlow/queuedMessage)
}

// dropOldest drops the oldest message that counts for limits and has not begun, and reports whether there was one.
func (s *stream) dropOldest() bool {
	if !s.dropWaiting((*segment).droppable) {
		return false
	}
	s.shortened()
	return true
}

// drop drops a message that has not begun.
func (s *stream) drop(g *segment) {
	s.dropWaiting(func(other *segment) bool { return other == g })
	s.shortened()
}

// dropWaiting drops the first message that f accepts and leaves the consequences to the caller.
func (s *stream) dropWaiting(f func(*segment) bool) bool {
	g := s.queue.take(f)
	if g == nil {
		return false
	}
	s.note(ws.Drop{Messages: 1, Octets: int(g.size)})
	s.dropSegment(g, droppedQueue)
	return true
}

// shortened gives the stream another turn when a message that waited is gone: what is first now may be small
// enough for the window. Nothing left is no output.
func (s *stream) shortened() {
	first := s.queue.first()
	if first == nil && !s.end {
		s.unschedule()
		return
	}
	if s.turn == turnBlocked && (first == nil || !first.begun) {
		// Without what feeds have charged there is more in the window than may be sent, never less.
		if first != nil && s.sendWindow.Available(s.conn.peerInitial) < int64(first.least(s.conn.peerInitial)) {
			return // what is first now is noted with the message that it made room for, or when what is gone would be too old
		}
		s.unlink()
	}
	s.schedule()
}

// conflate drops the message of the same key that waits and was published to t or, of nil, sent directly.
func (s *stream) conflate(key string, t *Topic) {
	g := s.queue.take(func(g *segment) bool {
		return g.topic == t && g.prepared != nil && g.prepared.Key() == key && !g.begun
	})
	if g == nil {
		return
	}
	s.note(ws.Drop{Conflated: 1})
	s.countConflated(1)
	if g.topic != nil {
		g.topic.conflated.Add(1)
		g.topic = nil
	} else {
		s.core().stats.MessagesConflated++
	}
	s.uncount(g)
	s.freeSegment(g)
	s.shortened()
}

// dropSegment ends a segment that is not sent.
func (s *stream) dropSegment(g *segment, why dropCause) {
	if g.kind == segmentMessage {
		s.uncount(g)
		s.countLost(1, why)
		if g.topic != nil {
			g.topic.drop(1, why)
		} else {
			s.core().stats.MessagesDiscarded++
		}
	}
	s.freeSegment(g)
}

// freeSegment takes a segment out of the accounts of memory.
func (s *stream) freeSegment(g *segment) {
	k := s.core()
	s.conn.backlog -= int(g.size)
	if g.prepared != nil {
		k.unhold(g.prepared)
	}
	k.release(g)
}

// note has OnDrop called before the loop sleeps.
func (s *stream) note(d ws.Drop) {
	if !s.ws.WantsDrops() {
		return
	}
	k := s.core()
	if k.drops == nil {
		k.drops = make(map[*stream]ws.Drop)
	}
	sum := k.drops[s]
	sum.Messages += d.Messages
	sum.Octets += d.Octets
	sum.Conflated += d.Conflated
	k.drops[s] = sum
}

// tellDrops calls OnDrop for every socket that lost something in this turn.
func (k *core) tellDrops() {
	for s, d := range k.drops {
		held := s.ws.Held()
		s.ws.Dropped(&k.receiver, d)
		s.conn.assembly += s.ws.Held() - held // OnDrop may have panicked
	}
	if len(k.drops) > dropsKept {
		k.drops = nil
	}
	clear(k.drops)
}

// dropsKept is the most entries of drops whose memory is used again: to clear it takes as long as it ever was large.
const dropsKept = 1 << 10
