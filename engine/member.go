package engine

import (
	"slices"

	"h2ws/ws"
)

// membership is a stream's place among the members of one feed.
type membership struct {
	feed  *feed
	index uint32 // in feed.members, or memberLate and its like
	base  uint32 // of feedWindows.total: what the stream's window need not be charged; memberLags: in feed.lag
}

// joined reports whether s is a member of anything. A connection that leaves has taken all its sockets out of
// their topics, without a visit to any: see loseFeeds.
func (s *stream) joined() bool { return s.member.feed != nil && s.conn.state < connLeaving }

// membership is s's in a share, or nil. The first topic of a socket is kept in the stream itself.
func (s *stream) membership(sh *share) *membership {
	if !s.joined() {
		return nil
	}
	if s.member.feed.share == sh {
		return &s.member
	}
	more := s.others()
	if s.crowded() {
		if i, is := s.rare.by[sh]; is {
			return &more[i]
		}
		return nil
	}
	for i := range more {
		if m := &more[i]; m.feed.share == sh {
			return m
		}
	}
	return nil
}

// others are the memberships of all topics but the first.
func (s *stream) others() []membership {
	if s.rare == nil {
		return nil
	}
	return s.rare.more
}

// newMembership is the place for one more.
func (s *stream) newMembership(sh *share) *membership {
	if s.member.feed == nil {
		return &s.member
	}
	if s.rare == nil {
		s.rare = new(rare)
	}
	n := len(s.rare.more)
	if n == crowd {
		s.settle()
		s.waits()
		s.rare.by = make(map[*share]int)
		for i := range s.rare.more {
			s.rare.by[s.rare.more[i].feed.share] = i
		}
	}
	if s.rare.by != nil {
		s.rare.by[sh] = n
	}
	s.rare.more = append(s.rare.more, membership{})
	return &s.rare.more[n]
}

// crowd is how many topics but the first a socket may be in before it is crowded. To settle its window, and to tell
// its feeds that it waits or rests, is a visit to each of them: of a crowded socket they believe that it always
// waits, look at it one by one and charge its window at once.
//
//	crowded  =>  every charged() == 0, every bit of feedWindows is set
const crowd = 8

func (s *stream) crowded() bool { return s.rare != nil && s.rare.by != nil }

// apart reports whether feeds must look at s one by one in any case.
func (s *stream) apart() bool { return s.rare != nil && (s.rare.by != nil || s.rare.stats != nil) }

// join makes s a member, and queues what the topic retained for it.
func (s *stream) join(sh *share, retained []*ws.Prepared) {
	s.catchUp()
	if s.ended() || s.kind != streamSocket || s.conn.state >= connLeaving || s.membership(sh) != nil {
		sh.topic.unwant(sh, 1)
		return
	}
	s.conn.feedTo(sh).add(s, s.newMembership(sh))
	sh.members++
	sh.topic.members.Add(1)
	s.pushRetained(retained, sh.topic)
}

// leave ends s's membership in a share, if it is one. The post itself was wanted once, too.
func (s *stream) leave(sh *share) {
	n := 1
	if m := s.membership(sh); m != nil {
		s.quit(m)
		n++
	}
	sh.topic.unwant(sh, n)
}

// leaveAll ends all memberships: nothing more can be sent on s.
func (s *stream) leaveAll() {
	for s.joined() {
		sh := s.member.feed.share
		s.quit(&s.member)
		sh.topic.unwant(sh, 1)
	}
}

// quit takes s out of a feed, and the feed out of its share if s was the last.
func (s *stream) quit(m *membership) {
	f := m.feed
	from := f.drop(s, m)
	s.unlist(m)
	f.forgo(from, s)
	f.share.trim()
	f.left(1)
}

// beFirst exchanges s's first membership with that of a share. s is not crowded.
func (s *stream) beFirst(sh *share) {
	if m := s.membership(sh); m != &s.member {
		s.member, *m = *m, s.member
	}
}

// unlist closes the gap that m leaves.
func (s *stream) unlist(m *membership) {
	more := s.others()
	last := len(more) - 1
	if last < 0 {
		*m = membership{}
		return
	}
	if s.crowded() {
		s.rare.unindex(m.feed.share)
	}
	*m = more[last]
	more[last] = membership{}
	s.rare.more = more[:last]
	if last <= crowd {
		s.rare.by = nil
	}
	if last == 0 {
		s.rare.more = nil
	}
	if last == 0 && s.rare.stats == nil {
		s.rare = nil
	}
}

// unindex takes a share out of by. The last of more takes its place, be that in more or the first's.
func (r *rare) unindex(sh *share) {
	last := r.more[len(r.more)-1].feed.share
	i, among := r.by[sh]
	delete(r.by, sh)
	delete(r.by, last)
	if among && last != sh {
		r.by[last] = i
	}
}

// left counts n members less.
func (f *feed) left(n int) {
	f.share.members -= n
	f.share.topic.members.Add(int64(-n))
	f.retire()
}

// loseFeeds takes all members of a connection that is about to leave out of their topics, at once: a million of them
// are no more work than one. A feed that is just being swept goes when that ends.
func (c *conn) loseFeeds() {
	for _, f := range slices.Clone(c.feedBy.all()) {
		n := f.len()
		f.forgoAll()
		f.loseLags()
		f.unlistAll()
		f.members, f.ids, f.late, f.next = nil, nil, nil, 0
		f.left(n)
		f.share.topic.unwant(f.share, n)
	}
}

// waits tells the feeds that something waits in the queue of s, and rests that nothing does any more.
func (s *stream) waits() {
	if !s.joined() || s.crowded() {
		return
	}
	s.member.wait()
	more := s.others()
	for i := range more {
		more[i].wait()
	}
}

func (m *membership) wait() {
	if m.full() {
		m.feed.windows.set(int(m.index), true)
	}
}

func (s *stream) rests() {
	s.stall.end()
	if s.lagging() {
		s.regain()
	}
	if s.drains {
		s.drain()
	}
	if !s.joined() || s.apart() {
		return
	}
	s.member.feed.rest(s, &s.member)
	more := s.others()
	for i := range more {
		more[i].feed.rest(s, &more[i])
	}
}
