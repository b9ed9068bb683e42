package engine

import (
	"math"

	"h2ws/ws"
)

// lagging is a member whose own window stands in the way. What is published meanwhile is not queued for it message by
// message: the log keeps it, so that a batch costs it nothing. It is visited now and then to have its limits applied to
// what came since, and before anything else happens to its queue; see visit.go. When its queue runs dry it takes from
// the log, and is a full member again when it has got what there is.
//
// from <= seen <= feed.pos, but for what fell off the log. stream.queued counts what from..seen has for it, and while it
// is on a ring its queue is not empty. A stream lags behind one of its topics, its first membership.
type lagging struct {
	s      *stream
	from   uint64 // the first that it has not got
	seen   uint64 // up to where the limits were applied
	due    uint64 // when on the log's clock it is to be visited
	queued uint64 // as stream.queued
}

// lags are the lagging members of a feed. A pass over them looks for those that are due, a slice at a time.
type lags struct {
	list []lagging
	due  uint64 // none is due before
	next int    // list[:next] have been looked at in this pass
	soon uint64 // none of these is due before
	over bool   // the connection is lost, and what was owed is settled
}

const (
	// lagSlice is how many are looked at in one slice of a pass.
	lagSlice = 1 << 14
	// lagsKept is the largest list that is used again.
	lagsKept = 1 << 10
)

func (x *lags) len() int {
	if x == nil || x.over {
		return 0
	}
	return len(x.list)
}

// lagging reports whether s lags behind its first topic.
func (s *stream) lagging() bool { return s.member.index == memberLags && s.joined() }

// lag is where it does.
func (s *stream) lag() *lagging { return &s.member.feed.lag.list[s.member.base] }

// mayLag reports whether the log can stand in for the queue of s: nothing must be done for a single message, and the
// log does not end before the queue's limits.
func (f *feed) mayLag(s *stream) bool {
	if s.turn != turnBlocked || s.member.index == memberLags || s.apart() || s.ended() {
		return false
	}
	o, l := &f.share.topic.options, s.limitsFor(f.share.topic)
	return l.Policy != ws.Conflate && l.MaxAge == 0 && !o.Conflate && l.MaxMessages <= o.LogMessages/2 && l.MaxBytes <= o.LogSize/2
}

// lagBehind has a member that has not got the batch lag, if it may.
func (f *feed) lagBehind(s *stream) bool {
	if !f.mayLag(s) {
		return false
	}
	s.settle()
	s.beFirst(f.share)
	m := &s.member
	f.takeOut(int(m.index))
	if f.lag == nil {
		f.lag = &lags{due: math.MaxUint64}
	}
	m.index, m.base = memberLags, uint32(len(f.lag.list))
	f.lag.list = append(f.lag.list, lagging{s: s, from: f.pos, seen: f.pos})
	f.pin(s.lag(), 1)
	f.setDue(s.lag())
	return true
}

// pin counts n more that have all of the log from g.from on kept for them.
func (f *feed) pin(g *lagging, n int32) { f.share.log.keepers(g.from).lags += n }

// catchUp has s lag no more: what it has not got is queued.
func (s *stream) catchUp() {
	if s.lagging() && s.visit() {
		s.takeFromLog(math.MaxInt)
		s.regain()
	}
}

// takeFromLog queues up to n messages of those that s has not got.
func (s *stream) takeFromLog(n int) {
	f, g := s.member.feed, s.lag()
	f.pin(g, -1)
	g.moveToQueue(n)
	f.pin(g, 1)
	f.share.trim()
}

// moveToQueue is takeFromLog while the member is not pinned.
func (g *lagging) moveToQueue(n int) {
	s := g.s
	sh := s.member.feed.share
	for ; g.from < g.seen && n > 0; g.from++ {
		e := sh.log.at(g.from)
		if e.except == s {
			continue
		}
		e.owed--
		g.queued -= queuedOf(e.p)
		s.place(e.p.Frame(), bytesShared, e.p).topic = sh.topic
		n--
	}
}

// regain makes s, which has got what there is, a full member again.
func (s *stream) regain() {
	f := s.member.feed
	if f.endLag(s) != f.pos {
		panic("BUG: a member that lags has nothing to send")
	}
	f.admit(s, &s.member)
	f.share.trim()
}

// dropLag has s lag no more: what it has not got is dropped.
func (s *stream) dropLag() {
	if !s.lagging() {
		return
	}
	f, n := s.member.feed, 0
	for pos := max(f.endLag(s), f.share.log.first); pos < f.pos; pos++ {
		if e := f.share.log.at(pos); e.except != s {
			e.owed--
			n++
		}
	}
	if n > 0 {
		f.share.topic.drop(n, droppedQueue)
		s.note(ws.Drop{Messages: n})
	}
	f.admit(s, &s.member)
	f.share.trim()
}

// endLag takes s out of those that lag, and returns from which position on it has got nothing.
func (f *feed) endLag(s *stream) (from uint64) {
	x, g := f.lag, *s.lag()
	i, last := int(s.member.base), len(x.list)-1
	if i < x.next {
		x.next--
		f.moveLag(x.next, i)
		i = x.next
	}
	f.moveLag(last, i)
	x.list[last] = lagging{}
	if x.list = x.list[:last]; last == 0 && cap(x.list) > lagsKept {
		x.list = nil
	}
	s.member.index = memberNone
	s.queued.Add(-g.queued)
	f.pin(&g, -1)
	return g.from
}

func (f *feed) moveLag(from, to int) {
	if from != to {
		f.lag.list[to] = f.lag.list[from]
		f.lag.list[to].s.member.base = uint32(to)
	}
}

// lagsFrom counts those that lag by their positions in the log. It is nil when there are none.
func (f *feed) lagsFrom() (from []int) {
	l := &f.share.log
	if f.lag.len() == 0 {
		return nil
	}
	from = make([]int, len(l.entries)+1)
	for i := range f.lag.list {
		from[max(f.lag.list[i].from, l.first)-l.first]++
	}
	return from
}

// loseLags ends all of them with their connection. What they are owed was settled.
func (f *feed) loseLags() {
	if f.lag == nil {
		return
	}
	for i := range f.lag.list {
		f.pin(&f.lag.list[i], -1)
	}
	f.lag.over = true // their streams, which go one after the other, have what they need: see loseLag
}

// loseLag ends the lag of a stream whose connection is lost.
func (s *stream) loseLag() {
	if s.member.index == memberLags {
		s.queued.Add(-s.lag().queued)
		s.member.index = memberNone
	}
}
