package engine

import "h2ws/ws"

// Streams whose messages are counted one by one (ws.AcceptOptions.Stats): a share lists those of its members that
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

// list and unlist keep share.counted.
func (sh *share) list(s *stream) {
	if s.stats() != nil {
		sh.counted = append(sh.counted, s)
	}
}

func (sh *share) unlist(s *stream) {
	if s.stats() == nil {
		return
	}
	for i, other := range sh.counted {
		if other == s {
			last := len(sh.counted) - 1
			sh.counted[i], sh.counted[last] = sh.counted[last], nil
			sh.counted = sh.counted[:last]
			return
		}
	}
}

// unlistAll is unlist for all members on c.
func (sh *share) unlistAll(c *conn) {
	kept := sh.counted[:0]
	for _, s := range sh.counted {
		if s.conn != c {
			kept = append(kept, s)
		}
	}
	clear(sh.counted[len(kept):])
	sh.counted = kept
}

// countLost counts the entry at pos as lost by the counted members of f without it.
func (f *feed) countLost(pos uint64, why dropCause) {
	for _, s := range f.share.counted {
		if s.conn == f.conn && f.share.log.at(pos).except != s && f.owes(s, pos) {
			s.countLost(1, why)
		}
	}
}

// countFirstLost counts the first entry of the log as lost by the counted members without it.
func (sh *share) countFirstLost() {
	for _, s := range sh.counted {
		f := s.membership(sh).feed
		if pos := sh.log.first; f.pos <= pos && sh.log.at(pos).except != s && f.owes(s, pos) {
			s.countLost(1, droppedLog)
		}
	}
}
