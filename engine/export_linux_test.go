package engine

import (
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

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

// CountBadCalls counts what loops do to descriptors that are closed, and may be somebody else's by then.
func CountBadCalls(t testing.TB) *atomic.Int64 {
	real, bad := system.move, new(atomic.Int64)
	t.Cleanup(func() { system.move = real })
	system.move = func(call uintptr, fd int, p unsafe.Pointer, n, flags int) (int, unix.Errno) {
		moved, errno := real(call, fd, p, n, flags)
		if errno == unix.EBADF {
			bad.Add(1)
		}
		return moved, errno
	}
	return bad
}

// Resting reports whether no loop would ever be taken for one that a callback blocks.
func (s *Server) Resting() bool {
	for _, l := range s.loops {
		if l.heart.beats.Load()&1 != 0 {
			return false
		}
	}
	return true
}
