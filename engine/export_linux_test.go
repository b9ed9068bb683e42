package engine

// SetMemorySize is Limits.MemorySize from now on, for what a test holds must fit before.
func (s *Server) SetMemorySize(n int64) {
	for _, l := range s.loops {
		l.core.box.call(func() { l.core.limits.MemorySize = n })
	}
}

// Arriving is how many connections wait for loops that are blocked.
func (s *Server) Arriving() (n int) {
	for _, l := range s.loops {
		l.core.box.mu.Lock()
		n += len(l.core.box.calls)
		l.core.box.mu.Unlock()
	}
	return n
}
