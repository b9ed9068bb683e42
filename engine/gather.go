package engine

import "h2ws/engine/frame"

// gather is one turn's output of a connection, ready for a single gathering write: frame headers and
// small payloads side by side in buf, large shared payloads by reference between them.
//
// size == len(buf) + the sum of the refs' lengths; buf never moves while refs point between its parts.
type gather struct {
	buf   []byte
	refs  []ref
	size  int
	limit int
	whole bool // nothing is by reference: it will be sealed
}

// ref is shared payload that belongs between buf[:at] and buf[at:].
type ref struct {
	at int
	b  []byte
}

const (
	// gatherSize is the most that one write is given: beyond 256 KiB the system call's own cost has
	// vanished, and a peer that stops reading pins as much.
	gatherSize = 256 << 10
	// gatherSizeMin is what a connection starts with; it falls back to what its socket took when it is full.
	gatherSizeMin = 32 << 10
	// refMin is the payload from which a reference costs less than a copy (BenchmarkGather).
	refMin = 4 << 10
	// recordSize is what a gather that will be sealed is filled to: "The length MUST NOT exceed 2^14 bytes" (RFC 8446 §5.1).
	recordSize = 1 << 14
	// frameRoom is what one more DATA frame may need in buf.
	frameRoom = frame.HeaderLen + frame.MaxPayloadMin
)

// newGather is a gather for limits of up to so many octets.
func newGather(limit int) *gather { return &gather{buf: make([]byte, 0, limit+frameRoom)} }

// reset empties g for up to limit octets, give or take one frame.
func (g *gather) reset(limit int) {
	clear(g.refs)
	g.buf, g.refs, g.size, g.limit = g.buf[:0], g.refs[:0], 0, limit
}

func (g *gather) full() bool { return g.size >= g.limit || cap(g.buf)-len(g.buf) < frameRoom }

// cut takes the first n octets away, of those in buf.
func (g *gather) cut(n int) {
	g.buf = g.buf[:copy(g.buf, g.buf[n:])]
	g.size = len(g.buf)
}

// copy appends b, which must fit.
func (g *gather) copy(b []byte) {
	g.buf = append(g.buf, b...)
	g.size += len(b)
}

// share appends b, which must stay as it is until the write is done.
func (g *gather) share(b []byte) {
	if len(b) < refMin || g.whole {
		g.copy(b)
		return
	}
	g.refs = append(g.refs, ref{len(g.buf), b})
	g.size += len(b)
}

// vectors appends the octets from offset skip on to dst, in order.
func (g *gather) vectors(dst [][]byte, skip int) [][]byte {
	from := 0
	for _, r := range g.refs {
		dst = appendVector(dst, g.buf[from:r.at], &skip)
		dst = appendVector(dst, r.b, &skip)
		from = r.at
	}
	return appendVector(dst, g.buf[from:], &skip)
}

func appendVector(dst [][]byte, b []byte, skip *int) [][]byte {
	n := min(*skip, len(b))
	*skip -= n
	if n == len(b) {
		return dst
	}
	return append(dst, b[n:])
}
