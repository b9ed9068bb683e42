package bench

// pending is the rest of a masked frame that did not fit a window. It owns its octets.
type pending struct {
	stream uint32 // index
	end    bool   // END_STREAM follows the last octet
	data   []byte
	at     int // octets of data that were sent
}

// rest is what is left of it.
func (p *pending) rest() []byte { return p.data[p.at:] }

// outbox is what waits for the connection's window, first in, first out. Its memory is used again: at a rate thousands of
// messages wait as soon as a server is away for a few milliseconds, and collecting their garbage would make the next
// ones late.
type outbox struct {
	list  []pending
	first int // before it they are gone
	free  [][]byte
}

const (
	// outboxFree is how many frames' memory is kept, and outboxMost the most octets of one.
	outboxFree = 1 << 15
	outboxMost = 512
)

func (o *outbox) len() int { return len(o.list) - o.first }

// front is the first, which must exist. It may be changed until the next push or pop.
func (o *outbox) front() *pending { return &o.list[o.first] }

func (o *outbox) push(p ...pending) {
	if len(o.list)+len(p) > cap(o.list) && o.first > len(o.list)/2 {
		o.list, o.first = o.list[:copy(o.list, o.list[o.first:])], 0
	}
	o.list = append(o.list, p...)
}

// pop removes the first, whose memory is the caller's.
func (o *outbox) pop() (p pending) {
	p = o.list[o.first]
	o.list[o.first] = pending{}
	if o.first++; o.first == len(o.list) {
		o.list, o.first = o.list[:0], 0
	}
	return p
}

// recycle keeps the memory of one that is sent.
func (o *outbox) recycle(p pending) {
	if len(o.free) < outboxFree && cap(p.data) <= outboxMost {
		o.free = append(o.free, p.data[:0])
	}
}

// memory is for the next one's data.
func (o *outbox) memory() []byte {
	n := len(o.free)
	if n == 0 {
		return nil
	}
	b := o.free[n-1]
	o.free = o.free[:n-1]
	return b
}
