package engine

import (
	"math/bits"
	"slices"
	"unsafe"

	"h2ws/flow"
)

// logIndex has the shares whose logs are not empty by the power of two of their sizes, so that one of the largest is
// found without a look at the others.
//
// share.slot.Linked()  <=>  share.rank > 0  <=>  the log is not empty
type logIndex struct {
	rings  [64]flow.Ring
	filled uint64 // a bit for each ring that is not empty
	n      int
}

func shareOf(s *flow.Slot) *share { return (*share)(unsafe.Pointer(s)) }

// The conversion above holds only while slot is first.
var _ [0]struct{} = [unsafe.Offsetof(share{}.slot)]struct{}{}

// file puts a share where it belongs since its log has changed.
func (x *logIndex) file(sh *share) {
	rank := uint8(bits.Len(uint(sh.log.size())))
	if rank == sh.rank {
		return
	}
	if sh.rank > 0 {
		ring := &x.rings[sh.rank-1]
		if ring.Remove(&sh.slot); ring.Len() == 0 {
			x.filled &^= 1 << (sh.rank - 1)
		}
		x.n--
	}
	if sh.rank = rank; rank > 0 {
		x.rings[rank-1].Push(&sh.slot)
		x.filled |= 1 << (rank - 1)
		x.n++
	}
}

// largest returns a share whose log is more than half as large as any, or nil.
func (x *logIndex) largest() *share {
	if x.filled == 0 {
		return nil
	}
	return shareOf(x.rings[bits.Len64(x.filled)-1].Front())
}

// backlogs are the connections with the most that waits, of which one after the other is relieved.
type backlogs []*conn

// largestBacklogs takes one look at all connections. Who is not among the first reliefsTurn is not the
// largest before so many have been relieved.
func (k *core) largestBacklogs() (b backlogs) {
	for _, c := range k.conns {
		switch n := c.waiting(); {
		case n == 0:
		case len(b) < reliefsTurn:
			b = append(b, c)
		default:
			if least := slices.MinFunc(b, compareWaiting); least.waiting() < n {
				b[slices.Index(b, least)] = c
			}
		}
	}
	return b
}

func compareWaiting(a, b *conn) int { return a.waiting() - b.waiting() }

// largest returns the one with the most that waits now, or nil.
func (b backlogs) largest() (largest *conn) {
	for _, c := range b {
		if n := c.waiting(); n > 0 && c.state != connLost && (largest == nil || n > largest.waiting()) {
			largest = c
		}
	}
	return largest
}
