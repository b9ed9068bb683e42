package bench

import (
	"encoding/binary"
	"slices"
)

// pending is a masked frame, or the rest of one, that waits for a window.
type pending struct {
	stream uint32 // index
	end    bool   // END_STREAM follows the last octet
	b      []byte
}

// outbox is what waits for the connection's window, first in, first out, in pieces of memory that are used again: at a
// rate thousands of messages wait as soon as a server is away for a few milliseconds, and with memory of its own for
// each, or with a buffer that is copied when it grows, the loader would be late with those that come next.
type outbox struct {
	n     int      // frames
	parts [][]byte // each holds whole frames behind their heads
	at    int      // in the first part
	free  [][]byte
}

const (
	outboxPart = 64 << 10
	// outboxFirst is the first part's size: of many connections few keep more waiting.
	outboxFirst = 4 << 10
	// outboxFree is how many parts a connection keeps to be used again: 8 MiB.
	outboxFree = 128
	// outboxHead is the octets of a stream and a size, of which the lowest bit is END_STREAM, in front of each frame.
	outboxHead = 8
)

func (o *outbox) len() int { return o.n }

// front is the first frame, valid until the next call. There must be one.
func (o *outbox) front() pending {
	b := o.parts[0][o.at:]
	size := binary.LittleEndian.Uint32(b[4:])
	return pending{binary.LittleEndian.Uint32(b), size&1 != 0, b[outboxHead : outboxHead+size>>1]}
}

// begin appends the head of a frame to the last part, in which the frame fits, and returns the part.
func (o *outbox) begin(stream uint32, end bool, size int) *[]byte {
	last := len(o.parts) - 1
	if last < 0 || cap(o.parts[last])-len(o.parts[last]) < outboxHead+size {
		o.parts = append(o.parts, o.part(outboxHead+size))
		last++
	}
	o.n++
	p := &o.parts[last]
	*p = binary.LittleEndian.AppendUint32(*p, stream)
	*p = binary.LittleEndian.AppendUint32(*p, outboxSize(size, end))
	return p
}

func outboxSize(size int, end bool) uint32 {
	if end {
		return uint32(size)<<1 | 1
	}
	return uint32(size) << 1
}

// part is one with room for n octets.
func (o *outbox) part(n int) []byte {
	if last := len(o.free) - 1; last >= 0 && n <= outboxPart {
		p := o.free[last]
		o.free = o.free[:last]
		return p
	}
	if len(o.parts) == 0 {
		return make([]byte, 0, max(n, outboxFirst))
	}
	return make([]byte, 0, max(n, outboxPart))
}

// pushMessage appends a masked frame with a payload.
func (o *outbox) pushMessage(stream uint32, end bool, op opcode, payload []byte, key uint32) {
	p := o.begin(stream, end, maskedLen(len(payload)))
	*p = appendMasked(*p, op, payload, key)
}

// push appends a copy of one that has been in another queue.
func (o *outbox) push(f pending) {
	p := o.begin(f.stream, f.end, len(f.b))
	*p = append(*p, f.b...)
}

// drop takes n octets from the first, and the frame itself if these were all.
func (o *outbox) drop(n int) {
	f := o.front()
	o.at += n
	if left := len(f.b) - n; left > 0 {
		b := o.parts[0][o.at:] // where the head and what is gone was
		binary.LittleEndian.PutUint32(b, f.stream)
		binary.LittleEndian.PutUint32(b[4:], outboxSize(left, f.end))
		return
	}
	o.n--
	if o.at += outboxHead; o.at < len(o.parts[0]) {
		return
	}
	if len(o.free) < outboxFree && cap(o.parts[0]) == outboxPart {
		o.free = append(o.free, o.parts[0][:0])
	}
	o.parts, o.at = slices.Delete(o.parts, 0, 1), 0
}
