package engine

import "h2ws/ws"

// Streams whose messages are counted one by one (ws.AcceptOptions.Stats): a feed lists those of its members that
// are, and every sweep looks at them by themselves.

// stats is where s's messages are counted, or nil.
func (s *stream) stats() *ws.ConnStats {
	if s.rare == nil {
		return nil
	}
	return s.rare.stats
}

func (s *stream) countSent(messages, octets int) {
	if c := s.stats(); c != nil {
		c.Delivered.Add(uint64(messages))
		c.Octets.Add(uint64(octets))
	}
}

func (s *stream) countConflated(n int) {
	if c := s.stats(); c != nil {
		c.Conflated.Add(uint64(n))
	}
}

func (s *stream) countLost(n int, why dropCause) {
	switch c := s.stats(); {
	case c == nil:
	case why == droppedEnded:
		c.Unsent.Add(uint64(n))
	default:
		c.Dropped.Add(uint64(n))
	}
}

// list and unlist keep feed.counted.
func (f *feed) list(s *stream) {
	if s.stats() == nil {
		return
	}
	if f.counted == nil {
		f.counted = make(map[*stream]struct{})
	}
	f.counted[s] = struct{}{}
	f.share.counted++
}

func (f *feed) unlist(s *stream) {
	if s.stats() != nil {
		delete(f.counted, s)
		f.share.counted--
	}
}

// unlistAll is unlist for all members.
func (f *feed) unlistAll() {
	f.share.counted -= int32(len(f.counted))
	f.counted = nil
}

// eachCounted calls g for all members that are counted.
func (sh *share) eachCounted(g func(*feed, *stream)) {
	if sh.counted == 0 {
		return
	}
	for _, f := range sh.feeds {
		for s := range f.counted {
			g(f, s)
		}
	}
}

// countLost counts the entry at pos as lost by the counted members of f without it.
func (f *feed) countLost(pos uint64, why dropCause) {
	for s := range f.counted {
		if f.share.log.at(pos).except != s && f.owes(s, pos) {
			s.countLost(1, why)
		}
	}
}

// countFirstLost counts the first entry of the log as lost by the counted members without it.
func (sh *share) countFirstLost() {
	if pos := sh.log.first; sh.counted > 0 {
		for _, f := range sh.feeds {
			if f.pos <= pos {
				f.countLost(pos, droppedLog)
			}
		}
	}
}
