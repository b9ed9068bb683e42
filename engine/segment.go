package engine

import (
	"time"
	"unsafe"

	"h2ws/ws"
)

// segment is one WebSocket frame, or a part of a response, in a stream's queue. Segments
// are recycled by the core they belong to.
type segment struct {
	next *segment
	b    []byte        // what is left to be sent
	buf  []byte        // memory of the segment's own, for b if bytesOwned
	size uint32        // octets counted against the queue; 0: not counted
	at   time.Duration // when it was queued

	prepared *ws.Prepared // whose octets they are, if shared; held
	topic    *Topic       // that it was published to; nil: sent directly

	kind  segmentKind
	owner byteOwner
	begun bool // part of it has been framed: it must be finished

	retained bool // for a new member: not counted in stream.queued, so that no limit is met by it
}

// counts reports whether it is a message that stream.queued counts.
func (g *segment) counts() bool { return g.kind == segmentMessage && !g.retained }

// droppable reports whether limits may take it out of a queue.
func (g *segment) droppable() bool { return g.counts() && !g.begun }

// least is how small a window may be for the segment to go on. initial is the peer's INITIAL_WINDOW_SIZE: a peer whose
// windows are smaller than twice what we wait for may give credit when half of one is used, and not before, so that
// both would wait for ever.
func (g *segment) least(initial int32) int {
	if g.kind == segmentBody {
		return 1
	}
	n := min(len(g.b), dribbleMin)
	if initial > 0 {
		n = min(n, max(int(initial)/2, dribbleSmall))
	}
	return n
}

type segmentKind uint8

const (
	segmentMessage segmentKind = iota
	segmentPong
	segmentPing
	segmentClose
	segmentBody   // of a response
	segmentFields // a field block, framed when it is pulled
)

// byteOwner says whose a segment's octets are.
type byteOwner uint8

const (
	bytesOwned    byteOwner = iota // the segment's alone
	bytesShared                    // a ws.Prepared's, immutable
	bytesBorrowed                  // the current batch's arena: see core.own
)

// queue is a stream's segments in the order of sending: a circle held by its last.
type queue struct{ last *segment }

func (q *queue) empty() bool { return q.last == nil }

func (q *queue) first() *segment {
	if q.last == nil {
		return nil
	}
	return q.last.next
}

func (q *queue) push(g *segment) {
	if q.last == nil {
		g.next = g
	} else {
		g.next, q.last.next = q.last.next, g
	}
	q.last = g
}

// pushAhead puts g before everything that has not begun.
func (q *queue) pushAhead(g *segment) {
	first := q.first()
	if first == nil || first == q.last && first.begun {
		q.push(g)
		return
	}
	after := q.last
	if first.begun {
		after = first
	}
	g.next, after.next = after.next, g
}

func (q *queue) pop() *segment {
	first := q.last.next
	q.removeAfter(q.last)
	return first
}

// has reports whether there is a segment that f accepts.
func (q *queue) has(f func(*segment) bool) bool {
	for g := q.first(); g != nil; g = g.next {
		if f(g) {
			return true
		}
		if g == q.last {
			break
		}
	}
	return false
}

// take removes the first segment that f accepts and returns it, or nil.
func (q *queue) take(f func(*segment) bool) *segment {
	before := q.last
	if before == nil {
		return nil
	}
	for {
		g := before.next
		if f(g) {
			q.removeAfter(before)
			return g
		}
		if g == q.last {
			return nil
		}
		before = g
	}
}

func (q *queue) removeAfter(before *segment) {
	g := before.next
	switch {
	case g == before:
		q.last = nil
	case g == q.last:
		q.last = before
	}
	before.next = g.next
	g.next = nil
}

// oldest is the first message that has not begun, or nil. Only one that has, a pong and a ping can be before it.
func (q *queue) oldest() *segment {
	if q.last == nil {
		return nil
	}
	for g := q.last.next; ; g = g.next {
		if g.kind == segmentMessage && !g.begun {
			return g
		}
		if g == q.last {
			return nil
		}
	}
}

// pong is the pong that waits and has not begun, or nil. It can only be first or second.
func (q *queue) pong() *segment {
	first := q.first()
	if first == nil {
		return nil
	}
	for _, g := range [2]*segment{first, first.next} {
		if g.kind == segmentPong && !g.begun {
			return g
		}
	}
	return nil
}

// segmentPool recycles segments. It keeps at most segmentsKeep: the rest is garbage.
type segmentPool struct {
	free *segment
	n    int
	used int // given out and not back
	held int // of them, in the process's account of memory
}

const segmentSize = int(unsafe.Sizeof(segment{}))

const segmentsKeep = 1 << 14

// segmentBufKeep is the largest buffer that is recycled with its segment: any control frame fits.
const segmentBufKeep = 256

func (p *segmentPool) get() *segment {
	p.used++
	g := p.free
	if g == nil {
		return new(segment)
	}
	p.free, g.next = g.next, nil
	p.n--
	return g
}

func (p *segmentPool) put(g *segment) {
	p.used--
	*g = segment{buf: g.buf[:0]}
	if cap(g.buf) > segmentBufKeep {
		g.buf = nil
	}
	if p.n < segmentsKeep {
		g.next, p.free = p.free, g
		p.n++
	}
}
