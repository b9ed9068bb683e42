package engine

import (
	"math"

	"h2ws/ws"
)

const (
	// lagVisit is how much may come, on the log's clock, until a member that lags is visited whose limits say nothing
	// sooner: by then a visit is next to nothing for each message.
	lagVisit = 64
	// lagUnit is the octets for which the log's clock moves on once more than for each message. With default limits
	// messages of that size reach both at once.
	lagUnit = 256
)

// clockOf is how far a message moves the log's clock: n on it are at most n messages and n*lagUnit octets.
func clockOf(p *ws.Prepared) uint64 { return 1 + uint64(len(p.Frame()))/lagUnit }

// queuedOf is what a message adds to stream.queued.
func queuedOf(p *ws.Prepared) uint64 { return uint64(len(p.Frame())) + queuedMessage }

// visitLags visits the members that are due, a slice of them, and reports whether none is any more.
func (f *feed) visitLags() (done bool) {
	if f.lag.len() == 0 {
		return true
	}
	x, now := f.lag, f.share.log.clockAt(f.pos)
	if x.next == 0 {
		if x.due > now {
			return true
		}
		x.soon = math.MaxUint64
	}
	for n := 0; n < lagSlice && x.next < len(x.list); n++ {
		g := &x.list[x.next]
		x.next++ // before it may leave
		if g.due > now {
			x.soon = min(x.soon, g.due)
			continue
		}
		g.s.visit()
		n += lagSlice / sliceMembers
	}
	if x.next < len(x.list) {
		return false
	}
	x.next, x.due = 0, x.soon
	f.share.trim()
	return x.due > now
}

// visit applies the limits to what was published since the last one, as offer would have done. It reports false when s
// does not lag any more.
func (s *stream) visit() bool {
	f := s.member.feed
	l := s.limitsFor(f.share.topic)
	f.pin(s.lag(), -1)
	kept, shorter := f.applyLimits(s.lag(), l)
	f.pin(s.lag(), 1)
	f.share.trim()
	if !kept {
		s.closeSlow(l.Code)
		return false
	}
	if s.queue.empty() && s.turn != turnNone {
		s.takeFromLog(1)
	}
	f.setDue(s.lag())
	if shorter {
		s.shortened()
	}
	return s.lagging()
}

// applyLimits reports whether the socket is kept, and whether its queue is shorter than before.
func (f *feed) applyLimits(g *lagging, l *ws.QueueLimits) (kept, shorter bool) {
	if f.fellOff(g) && l.Policy == ws.CloseSlow {
		return false, false
	}
	v := visit{f: f, s: g.s, g: g, limits: l}
	for kept = true; kept && g.seen < f.pos; g.seen++ {
		if e := f.share.log.at(g.seen); e.except != g.s {
			kept = v.offer(e)
		}
	}
	g.s.queued.Add(v.came)
	if v.lost.Messages > 0 {
		f.share.topic.drop(v.lost.Messages, droppedQueue)
		g.s.note(v.lost)
	}
	return kept, v.shorter
}

// visit is one in progress.
type visit struct {
	f      *feed
	s      *stream
	g      *lagging
	limits *ws.QueueLimits
	came   uint64 // to be added to stream.queued
	lost   ws.Drop

	shorter bool // something was dropped from its queue
}

// offer is stream.offer for a message that stays in the log.
func (v *visit) offer(e *logEntry) (kept bool) {
	if v.full() {
		switch v.limits.Policy {
		case ws.CloseSlow:
			return false
		case ws.DropNewest:
			v.g.moveToQueue(math.MaxInt) // what is kept of the log is without gaps
			v.g.from = v.g.seen + 1
			v.lose(e)
			return true
		}
		for v.full() && (v.dropWaiting() || v.dropFirst()) {
		}
	}
	n := queuedOf(e.p)
	v.came += n
	v.g.queued += n
	return true
}

func (v *visit) full() bool { return v.s.overBy(v.came, v.limits) }

// dropWaiting drops the oldest message of the queue itself.
func (v *visit) dropWaiting() bool {
	dropped := v.s.dropWaiting((*segment).droppable)
	v.shorter = v.shorter || dropped
	return dropped
}

// dropFirst drops the first message that the log has for the member and reports whether there was one.
func (v *visit) dropFirst() bool {
	for v.g.from < v.g.seen {
		e := v.f.share.log.at(v.g.from)
		v.g.from++
		if e.except == v.s {
			continue
		}
		v.lose(e)
		v.came -= queuedOf(e.p)
		v.g.queued -= queuedOf(e.p)
		return true
	}
	return false
}

func (v *visit) lose(e *logEntry) {
	e.owed--
	v.lost.Messages++
	v.lost.Octets += len(e.p.Frame())
}

// fellOff has a member whose first messages fell off the log go on with what is left. That they are lost was counted.
func (f *feed) fellOff(g *lagging) bool {
	first := min(f.share.log.first, f.pos)
	if g.from >= first {
		return false
	}
	g.s.note(ws.Drop{Messages: int(first - g.from)})
	g.s.queued.Add(-g.queued)
	g.from, g.seen, g.queued = first, first, 0
	return true
}

// setDue finds out when a member is to be visited: before its limits are reached and, when they are, for every message
// if they say to close the socket or somebody is to be told, and else at leisure.
func (f *feed) setDue(g *lagging) {
	l, wait := g.s.limitsFor(f.share.topic), uint64(lagVisit)
	switch octets, messages := g.s.room(0, l); {
	case octets > 0 && messages > 0:
		wait = min(wait, uint64(max(1, min(messages, octets/lagUnit))))
	case l.Policy == ws.CloseSlow || g.s.ws.WantsDrops():
		wait = 1
	}
	g.due = f.share.log.clockAt(f.pos) + wait
	f.lag.due, f.lag.soon = min(f.lag.due, g.due), min(f.lag.soon, g.due)
}
