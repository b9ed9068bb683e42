package bench

// pending is a masked frame, or the rest of one, that waits for a window.
type pending struct {
	stream uint32 // index
	end    bool   // END_STREAM follows the last octet
	size   int    // octets left
}

// outbox is what waits for the connection's window, first in, first out, the octets of all frames one behind the other: at
// a rate thousands of messages wait as soon as a server is away for a few milliseconds, and with memory of its own for
// each, and the garbage of that, the loader would be late with those that come next.
type outbox struct {
	list  []pending
	first int // in list: those before are gone
	b     []byte
	at    int // in b
}

// outboxKept is how many octets an empty one keeps to be used again.
const outboxKept = 8 << 20

func (o *outbox) len() int { return len(o.list) - o.first }

// front is the first frame and its octets, valid until the next call. There must be one.
func (o *outbox) front() (pending, []byte) {
	p := o.list[o.first]
	return p, o.b[o.at : o.at+p.size]
}

// grow makes room where what is gone was, if a half or more is, instead of in new memory.
func (o *outbox) grow(octets int) {
	if len(o.list) == cap(o.list) && o.first > len(o.list)/2 {
		o.list, o.first = o.list[:copy(o.list, o.list[o.first:])], 0
	}
	if len(o.b)+octets > cap(o.b) && o.at > len(o.b)/2 {
		o.b, o.at = o.b[:copy(o.b, o.b[o.at:])], 0
	}
}

// pushMessage appends a masked frame with a payload.
func (o *outbox) pushMessage(stream uint32, end bool, op opcode, payload []byte, key uint32) {
	size := maskedLen(len(payload))
	o.grow(size)
	o.b = appendMasked(o.b, op, payload, key)
	o.list = append(o.list, pending{stream, end, size})
}

// push appends one that has been in another queue.
func (o *outbox) push(stream uint32, f stalledFrame) {
	o.grow(len(f.b))
	o.b = append(o.b, f.b...)
	o.list = append(o.list, pending{stream, f.end, len(f.b)})
}

// drop takes n octets from the first, and the frame if these were all.
func (o *outbox) drop(n int) {
	o.at += n
	if o.list[o.first].size -= n; o.list[o.first].size > 0 {
		return
	}
	if o.first++; o.first < len(o.list) {
		return
	}
	o.list, o.first, o.b, o.at = o.list[:0], 0, o.b[:0], 0
	if cap(o.b) > outboxKept {
		*o = outbox{}
	}
}

// stalledFrame is a pending one that only its stream's window holds back. It owns its octets.
type stalledFrame struct {
	end bool
	b   []byte
}
