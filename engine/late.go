package engine

// lateMember joined while there was something in the log that it must not get.
type lateMember struct {
	s    *stream // nil: it has left
	from uint64  // its first position
}

// lateMembers are those of a feed in the order of their positions. The base of a late member's membership is its number,
// and first is that of list[0]. nil are none.
//
// list[0].s != nil
type lateMembers struct {
	list  []lateMember
	first uint32 // modulo 2^32
	gone  int    // in list
}

func (l *lateMembers) len() int {
	if l == nil {
		return 0
	}
	return len(l.list) - l.gone
}

// each calls f for all of them in order, as long as it returns true.
func (l *lateMembers) each(f func(lateMember) bool) {
	if l == nil {
		return
	}
	for _, late := range l.list {
		if late.s != nil && !f(late) {
			return
		}
	}
}

// trimLate takes those that are gone off the beginning, and all of them when they are the most.
func (f *feed) trimLate() {
	l := f.late
	n := 0
	for n < len(l.list) && l.list[n].s == nil {
		n++
	}
	l.list, l.first, l.gone = l.list[n:], l.first+uint32(n), l.gone-n
	if len(l.list) == 0 {
		f.late = nil
		return
	}
	if l.gone <= len(l.list)/2 {
		return
	}
	kept := l.list[:0]
	for _, late := range l.list {
		if late.s != nil {
			late.s.membership(f.share).base = l.first + uint32(len(kept))
			kept = append(kept, late)
		}
	}
	clear(l.list[len(kept):])
	l.list, l.gone = kept, 0
}

// addLate makes s, whose membership is m, a member from the end of the log on.
func (f *feed) addLate(s *stream, m *membership) {
	if f.late == nil {
		f.late = new(lateMembers)
	}
	m.base = f.late.first + uint32(len(f.late.list))
	f.late.list = append(f.late.list, lateMember{s, f.share.log.end()})
}

// admitLate makes full members of those late ones that have nothing to skip any more.
func (f *feed) admitLate() {
	for f.late != nil && f.late.list[0].from <= f.pos {
		s := f.late.list[0].s
		f.late.remove(0)
		f.trimLate()
		f.admit(s, s.membership(f.share))
	}
}

// dropLate takes out the late member whose membership is m and returns its position.
func (f *feed) dropLate(m *membership) (from uint64) {
	i := m.base - f.late.first
	from = f.late.list[i].from
	f.late.remove(int(i))
	f.trimLate()
	return from
}

func (l *lateMembers) remove(i int) {
	l.list[i].s = nil
	l.gone++
}

// lateFroms returns how many have a position or one before. It is to be asked for one after the other.
func (f *feed) lateFroms() (upTo func(pos uint64) int) {
	i, n := 0, 0
	return func(pos uint64) int {
		for ; f.late != nil && i < len(f.late.list) && f.late.list[i].from <= pos; i++ {
			if f.late.list[i].s != nil {
				n++
			}
		}
		return n
	}
}

// lateFrom is the first position of the late member whose membership is m.
func (f *feed) lateFrom(m *membership) uint64 { return f.late.list[m.base-f.late.first].from }
