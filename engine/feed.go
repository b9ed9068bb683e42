package engine

import (
	"unsafe"

	"h2ws/flow"
)

// feed is the members of a share on one connection, and how far in the share's log they are. When
// the connection can send, the feed is swept: a batch is fixed, every member gets it, and what was
// published meanwhile is the next batch. See sweep.go.
//
// share.log.first <= pos <= end <= share.log.end(), unless it fell off the log;
// members[:next] have the batch pos..end, the others have nothing from pos on.
type feed struct {
	slot    flow.Slot // on conn.feeds while there is something to sweep; first, so that a slot is its feed
	share   *share
	conn    *conn
	index   int // in share.feeds
	place   int // in conn.feedBy
	members []*stream
	ids     []uint32 // of members: what a sweep reads of them
	next    int
	pos     uint64
	end     uint64
	late    *lateMembers // nil: none
	lag     *lags        // nil: no member has lagged yet
	busy    bool         // is being swept: it stays though its last member leaves
	windows feedWindows
	counted map[*stream]struct{} // members with stats of their own; see counted.go
}

func feedOf(s *flow.Slot) *feed { return (*feed)(unsafe.Pointer(s)) }

// The conversion above holds only while slot is first.
var _ [0]struct{} = [unsafe.Offsetof(feed{}.slot)]struct{}{}

// feedTo is the connection's feed of a share, made if there is none.
func (c *conn) feedTo(sh *share) *feed {
	if f := c.feedBy.find(sh); f != nil {
		return f
	}
	end := sh.log.end()
	f := &feed{share: sh, conn: c, index: len(sh.feeds), pos: end, end: end}
	sh.log.keepers(end).feeds++
	sh.feeds = append(sh.feeds, f)
	if c.feedBy == nil {
		c.feedBy = new(feedIndex)
	}
	c.feedBy.add(f)
	return f
}

// remove takes a feed without members away.
func (f *feed) remove() {
	sh := f.share
	if f.slot.Linked() {
		f.sleep()
		f.conn.touch() // it may have been all that waited
	}
	f.conn.sweeping -= int64(f.windows.size)
	sh.log.keepers(f.pos).feeds--
	last := len(sh.feeds) - 1
	f.moveTo(last)
	sh.feeds[last] = nil
	sh.feeds = sh.feeds[:last]
	f.conn.feedBy.remove(f)
	sh.trim()
}

// len is how many members there are.
func (f *feed) len() int { return len(f.members) + f.late.len() + f.lag.len() }

// retire removes a feed without members, and ends the share if it had the last.
func (f *feed) retire() {
	if f.busy || f.len() > 0 {
		return
	}
	f.remove()
	if f.share.members == 0 {
		f.share.gone()
	}
}

// wake has the feed, which slept, swept when its connection can send.
func (f *feed) wake() {
	f.conn.feeds.Push(&f.slot)
	f.moveTo(f.share.awake)
	f.share.awake++
	f.conn.touch()
}

// sleep is the end of it: there is nothing to be swept.
func (f *feed) sleep() {
	f.conn.feeds.Remove(&f.slot)
	f.share.awake--
	f.moveTo(f.share.awake)
}

// moveTo exchanges the feed with the one at an index of share.feeds.
func (f *feed) moveTo(i int) {
	list := f.share.feeds
	list[i], list[f.index] = f, list[i]
	list[f.index].index, f.index = f.index, i
}

// In place of an index: the member is among the late, lags, or is on its way to another place.
const (
	memberLate = 1<<32 - 1 - iota
	memberLags
	memberNone
)

// full reports whether the member is among feed.members.
func (m *membership) full() bool { return m.index < memberNone }

// add makes s a member from the end of the log on. m is its membership.
func (f *feed) add(s *stream, m *membership) {
	*m = membership{feed: f, index: memberLate}
	f.list(s)
	if f.pos != f.share.log.end() {
		f.addLate(s, m)
		return
	}
	f.admit(s, m)
}

// admit makes s a full member. If a batch is being swept, it is yet to get it.
func (f *feed) admit(s *stream, m *membership) {
	m.index, m.base = uint32(len(f.members)), f.windows.total
	f.members = append(f.members, s)
	f.ids = append(f.ids, s.id)
	f.windows.grow(len(f.members))
	f.rest(s, m)
}

// drop takes a member out and returns from which position on it has got nothing.
func (f *feed) drop(s *stream, m *membership) (from uint64) {
	f.unlist(s)
	switch m.index {
	case memberLate:
		return f.dropLate(m)
	case memberLags:
		return f.endLag(s)
	}
	s.settle()
	i := int(m.index)
	from = f.pos
	if i < f.next {
		// Among those that have the batch the last takes its place, so that
		// nobody is passed over and nobody served twice.
		f.next--
		f.moveMember(f.next, i)
		i, from = f.next, f.end
	}
	f.takeOut(i)
	return from
}

// takeOut has the last member take the place of one that has not got the batch, or is the last that has.
func (f *feed) takeOut(i int) {
	last := len(f.members) - 1
	f.moveMember(last, i)
	f.members[last] = nil
	f.members, f.ids = f.members[:last], f.ids[:last]
	f.windows.set(last, true)
}

func (f *feed) moveMember(from, to int) {
	if from == to {
		return
	}
	s := f.members[from]
	f.members[to], f.ids[to] = s, f.ids[from]
	f.windows.set(to, f.windows.waits(from))
	s.membership(f.share).index = uint32(to)
}

// forgo settles what the log owes to one that was a member, from a position on. A Close of ours comes behind what was
// published before it, as far as the queue has room; else it is dropped.
func (f *feed) forgo(from uint64, s *stream) {
	l, n, t := &f.share.log, 0, f.share.topic
	closing := s.ws.CloseSent() && !s.ws.Closed() && !f.share.core.holdsTooMuch()
	for pos := max(from, l.first); pos < l.end(); pos++ {
		e := l.at(pos)
		if e.except == s {
			continue // and it stays so: what is a batch now must be the same later
		}
		e.owed--
		if closing && (s.queue.empty() || !s.over(s.limitsFor(t))) {
			s.pushPublished(e.p, t)
		} else {
			n++
		}
	}
	t.drop(n, droppedEnded)
	s.countLost(n, droppedEnded)
}

// forgoAll counts what the members, who all leave, do not get.
func (f *feed) forgoAll() {
	l := &f.share.log
	lags, from := 0, f.lagsFrom()
	late := f.lateFroms()
	for pos := l.first; pos < l.end(); pos++ {
		if from != nil {
			lags += from[pos-l.first]
		}
		full := 0
		if pos >= f.end {
			full = len(f.members)
		} else if pos >= f.pos {
			full = len(f.members) - f.next
		}
		owed := full + lags + late(pos)
		if s := l.at(pos).except; s != nil && s.conn == f.conn && f.owes(s, pos) {
			owed--
		}
		f.lose(pos, owed, droppedEnded)
	}
}

// forgoBatch counts what is left of the batch, from a position on, as dropped for the members without it.
func (f *feed) forgoBatch(from uint64, why dropCause) {
	for pos := from; pos < f.end; pos++ {
		owed := len(f.members) - f.next
		if s := f.share.log.at(pos).except; s != nil && s.conn == f.conn {
			if m := s.membership(f.share); m != nil && m.full() && int(m.index) >= f.next {
				owed--
			}
		}
		f.lose(pos, owed, why)
	}
}

// lose counts the entry at pos as dropped for the n members without it.
func (f *feed) lose(pos uint64, n int, why dropCause) {
	f.share.log.at(pos).owed -= n
	f.share.topic.drop(n, why)
	f.countLost(pos, why)
}

// owes reports whether s is a member that has not got what is at pos.
func (f *feed) owes(s *stream, pos uint64) bool {
	m := s.membership(f.share)
	if m == nil {
		return false
	}
	switch {
	case m.full():
		return pos >= f.end || pos >= f.pos && int(m.index) >= f.next
	case m.index == memberLags:
		return pos >= s.lag().from
	}
	return pos >= f.lateFrom(m)
}
