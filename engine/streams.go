package engine

import (
	"math/bits"
	"math/rand/v2"
)

// streamTable finds a connection's streams by id: open addressing with linear probing.
// Neighbouring ids share a home of eight places, one cache line of pointers, so that peers that
// walk their sockets in order, as most do, walk memory in order. The homes themselves
// are scattered by random seeds, so no choice of ids makes long probes.
//
// 0 <= 4*n <= 3*len(ids), and len(ids) is a power of two or 0; ids[i] == 0 means free.
type streamTable struct {
	ids     []uint32
	streams []*stream
	n       int
	seed    [2]uint64
}

// streamTableMin is one home: the table of a connection with few streams is 96 octets.
const streamTableMin = 8

func (t *streamTable) len() int { return t.n }

// home is where the search for id begins. Client ids are odd, so id>>1 counts them. One multiplication alone
// maps ids in order to homes at equal distances, and some distances make heaps of thousands.
func (t *streamTable) home(id uint32) uint32 {
	high, low := bits.Mul64(uint64(id>>4)^t.seed[0], t.seed[1])
	scattered := uint32((high ^ low) * 0x9e3779b97f4a7c15 >> 32)
	return (scattered<<3 | id>>1&7) & uint32(len(t.ids)-1)
}

// find returns the stream, or nil.
func (t *streamTable) find(id uint32) *stream {
	if t.n == 0 {
		return nil
	}
	mask := uint32(len(t.ids) - 1)
	for i := t.home(id); ; i++ {
		switch t.ids[i&mask] {
		case id:
			return t.streams[i&mask]
		case 0:
			return nil
		}
	}
}

// insert adds s, whose id must not be in the table.
func (t *streamTable) insert(s *stream) {
	if 4*(t.n+1) > 3*len(t.ids) {
		t.resize(max(streamTableMin, 2*len(t.ids)))
	}
	t.put(s.id, s)
	t.n++
}

func (t *streamTable) put(id uint32, s *stream) {
	mask := uint32(len(t.ids) - 1)
	i := t.home(id)
	for t.ids[i&mask] != 0 {
		i++
	}
	t.ids[i&mask], t.streams[i&mask] = id, s
}

// remove takes id out and closes the gap, so that searches need no marks of the dead.
func (t *streamTable) remove(id uint32) {
	mask := uint32(len(t.ids) - 1)
	gap := t.home(id) & mask
	for t.ids[gap] != id {
		if t.ids[gap] == 0 {
			panic("BUG: removing a stream that is not in the table")
		}
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; t.ids[i] != 0; i = (i + 1) & mask {
		// What sits at i may fill the gap unless its home lies behind the gap.
		if home := t.home(t.ids[i]); (i-home)&mask >= (i-gap)&mask {
			t.ids[gap], t.streams[gap] = t.ids[i], t.streams[i]
			gap = i
		}
	}
	t.ids[gap], t.streams[gap] = 0, nil
	t.n--
}

// shrink gives memory back when an eighth of the table is full, far enough from growing that it can't flap. To move what
// is left of a million streams takes milliseconds, which are not for a turn that has many more to remove.
func (t *streamTable) shrink() {
	if len(t.ids) > streamTableMin && 8*t.n < len(t.ids) {
		t.resize(len(t.ids) / 4)
	}
}

func (t *streamTable) resize(size int) {
	size = max(size, streamTableMin)
	ids, streams := t.ids, t.streams
	if t.seed[1] == 0 {
		t.seed = [2]uint64{rand.Uint64(), rand.Uint64() | 1}
	}
	t.ids, t.streams = make([]uint32, size), make([]*stream, size)
	for i, id := range ids {
		if id != 0 {
			t.put(id, streams[i])
		}
	}
}

// visit calls f for up to budget places from the cursor downwards and returns the next
// cursor, 0 when through. f may remove the stream it is given. Downwards, because removal moves
// later entries to earlier places: an entry not yet visited is not skipped unless it moves over the
// table's end; who must reach every stream starts again until a whole pass finds nothing to do.
func (t *streamTable) visit(cursor, budget int, f func(*stream)) int {
	cursor = min(cursor, len(t.ids))
	for ; cursor > 0 && budget > 0; budget-- {
		cursor--
		if cursor < len(t.streams) && t.streams[cursor] != nil {
			f(t.streams[cursor])
		}
	}
	return cursor
}

// size is the number of places: where visit begins.
func (t *streamTable) size() int { return len(t.ids) }
