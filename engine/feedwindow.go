package engine

import "math/bits"

// feedWindows lets a sweep charge the windows of its members without a visit to any. Each member's window has
// been charged total octets less its membership's base; what is not yet in its sendWindow is put there by
// settle. A bit per member says who must be looked at one by one, because something waits in
// its queue, its window is small, its messages are counted or it is in many topics:
//
//	bit clear  =>  turn == turnNone and not apart() and ahead >= leastNow()
//
// where ahead is available() less the batches being swept that it has yet to get. While leastNow() is
// not negative, a member whose bit is clear and who has not got the batch can take it.
//
// A million members are swept by reading four octets of each; reading and writing their streams
// instead costs twice the rest of a delivery, all of it cache misses (BenchmarkFanout).
type feedWindows struct {
	bits  []uint64
	total uint32 // octets charged to every member by the batches swept, modulo 2^32
	size  uint32 // octets of the batch being swept, charged to members[:next]
	least int64  // a bound from below, as of mark
	mark  int64  // conn.taken then
}

func (w *feedWindows) grow(n int) {
	for len(w.bits)*64 < n {
		w.bits = append(w.bits, ^uint64(0))
	}
}

func (w *feedWindows) waits(i int) bool { return w.bits[i/64]>>(i%64)&1 != 0 }

func (w *feedWindows) set(i int, waits bool) {
	if waits {
		w.bits[i/64] |= 1 << (i % 64)
	} else {
		w.bits[i/64] &^= 1 << (i % 64)
	}
}

// run is how many members from i on, and before n, can be swept without a look at them. Who asks for more than there
// is room for has a word looked at for every 64 members, each time: a million of them would be the
// most of the sweep.
func (w *feedWindows) run(i, n int) int {
	from := i
	for i < n {
		word := w.bits[i/64] >> (i % 64)
		if word != 0 {
			return min(i+bits.TrailingZeros64(word), n) - from
		}
		i += 64 - i%64
	}
	return n - from
}

// leastNow is what every member whose bit is clear has in its window at least. Every batch of any feed of the
// connection takes from it, whoever gets it.
func (f *feed) leastNow() int64 { return f.windows.least - (f.conn.taken - f.windows.mark) }

// charge begins to charge a batch to the members.
func (f *feed) charge(b *batchCache) {
	if b.queues() {
		return
	}
	n := int64(len(b.frame))
	if f.leastNow() < n {
		f.rescan(n)
	}
	f.windows.size = uint32(n)
	f.conn.taken += n
	f.conn.sweeping += n
}

// charged ends it: all of them have been.
func (f *feed) charged() {
	f.conn.sweeping -= int64(f.windows.size)
	f.windows.total += f.windows.size
	f.windows.size = 0
}

// chargeUnserved ends it early: those without the batch are not charged.
func (f *feed) chargeUnserved() {
	if f.windows.size == 0 {
		return // no batch, or one that goes through queues
	}
	for _, s := range f.members[f.next:] {
		s.membership(f.share).base += f.windows.size
	}
	f.charged()
}

// rescan looks at all members and finds out anew who can take a batch of n octets unseen. The bound is set to a
// quarter of a fresh window, so that it lasts for many batches and those below, who are looked at each
// time, are few.
func (f *feed) rescan(n int64) {
	w := &f.windows
	w.least, w.mark = max(n, int64(f.conn.peerInitial)/4), f.conn.taken
	for i, s := range f.members {
		w.set(i, s.turn != turnNone || s.apart() || s.available()-f.conn.sweeping < w.least)
	}
}

// rest notes that nothing waits in the member's queue any more.
func (f *feed) rest(s *stream, m *membership) {
	if m.full() && s.turn == turnNone && !s.apart() && s.available()-f.conn.sweeping >= f.leastNow() {
		f.windows.set(int(m.index), false)
	}
}

// charged is how much a member's window has been charged by the feed since it was settled last.
func (m *membership) charged() uint32 {
	if !m.full() {
		return 0
	}
	w := &m.feed.windows
	charged := w.total - m.base
	if int(m.index) < m.feed.next {
		charged += w.size
	}
	return charged
}

// settle puts what feeds have charged into the stream's own window.
func (s *stream) settle() {
	if !s.joined() || s.crowded() {
		return
	}
	s.settleMembership(&s.member)
	more := s.others()
	for i := range more {
		s.settleMembership(&more[i])
	}
}

func (s *stream) settleMembership(m *membership) {
	if n := m.charged(); n != 0 {
		s.sendWindow.Take(int32(n))
		m.base += n
	}
}

// available is how much may be sent on the stream, as far as its own window goes.
func (s *stream) available() int64 {
	s.settle()
	return s.sendWindow.Available(s.conn.peerInitial)
}
