package ws

import (
	"math/bits"
	"time"
)

// Limits of what a Receiver keeps for later. They bound what a burst of cut
// messages leaves behind on a loop; what is above them goes to the collector.
const (
	freePartialsMax = 1024    // about 190 octets each
	freeBytesMax    = 1 << 20 // of buffers
	bufferLenMin    = 128     // holds any control frame
	bufferClasses   = 14      // 128 octets to 1 MiB
)

// A Receiver holds the scratch that all Conns of one loop share: partials and
// buffers that are not in use, so that frames cut anywhere allocate nothing in
// steady state. Its zero value is ready. It belongs to the loop's goroutine.
type Receiver struct {
	// Now is the time since an arbitrary start, kept up to date by the engine.
	Now time.Duration

	used      partialList // in the order of since
	partials  *partial
	partialsN int
	buffers   [bufferClasses][][]byte // by class, all empty
	bytes     int                     // sum of their capacities <= freeBytesMax
}

// acquire returns a partial for c that is zero else.
func (r *Receiver) acquire(c *Conn) *partial {
	f := r.partials
	if f == nil {
		f = new(partial)
	} else {
		r.partials, f.next = f.next, nil
		r.partialsN--
	}
	f.conn, f.since = c, r.Now
	r.used.push(f)
	return f
}

// release takes back a partial and its buffers.
func (r *Receiver) release(f *partial) {
	r.used.remove(f)
	r.drop(&f.buf)
	r.drop(&f.control)
	if r.partialsN == freePartialsMax {
		return
	}
	*f = partial{next: r.partials}
	r.partials = f
	r.partialsN++
}

// grow returns b with room for n more octets. Buffers grow by doubling with
// the octets that have arrived, never with a length that a peer declares.
func (r *Receiver) grow(b []byte, n int) []byte {
	if len(b)+n <= cap(b) {
		return b
	}
	larger := append(r.buffer(len(b)+n), b...)
	r.drop(&b)
	return larger
}

// buffer returns an empty buffer for at least n octets.
func (r *Receiver) buffer(n int) []byte {
	class := bufferClass(n)
	if class < bufferClasses {
		if free := r.buffers[class]; len(free) > 0 {
			b := free[len(free)-1]
			free[len(free)-1] = nil
			r.buffers[class] = free[:len(free)-1]
			r.bytes -= cap(b)
			return b
		}
	}
	return make([]byte, 0, bufferLenMin<<class)
}

// drop takes back the buffer *b, which becomes nil.
func (r *Receiver) drop(b *[]byte) {
	size := cap(*b)
	if size > 0 && r.bytes+size <= freeBytesMax {
		class := bufferClass(size)
		r.buffers[class] = append(r.buffers[class], (*b)[:0])
		r.bytes += size
	}
	*b = nil
}

// bufferClass returns the smallest class whose buffers, of bufferLenMin<<class
// octets, hold n > 0.
func bufferClass(n int) int {
	return bits.Len(uint(n-1) / bufferLenMin)
}
