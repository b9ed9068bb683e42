package ws

import "time"

// partialList is doubly linked, so that what is completed leaves it at once.
type partialList struct{ first, last *partial }

func (l *partialList) push(f *partial) {
	if f.prev = l.last; f.prev != nil {
		f.prev.next = f
	} else {
		l.first = f
	}
	l.last = f
}

func (l *partialList) remove(f *partial) {
	if f.prev != nil {
		f.prev.next = f.next
	} else {
		l.first = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	} else {
		l.last = f.prev
	}
	f.next, f.prev = nil, nil
}

// growthMin is how many octets a message must grow by in the time that one
// has, if it is not completed.
const growthMin = 16 << 10

// Due is when Overdue is to be called next, given what one may take. ok is
// false if no message or frame is incomplete.
//
// For the engine; on the loop.
func (r *Receiver) Due(timeout time.Duration) (at time.Duration, ok bool) {
	if r.used.first == nil {
		return 0, false
	}
	return r.used.first.since + timeout, true
}

// Overdue returns a Conn whose frame or message began more than timeout ago
// and has grown by less than growthMin since, or nil. That of one that is
// paused need not grow. The caller fails it: as
// long as it has not, it is returned again.
//
// For the engine; on the loop.
func (r *Receiver) Overdue(timeout time.Duration) *Conn {
	for f := r.used.first; f != nil && f.since+timeout <= r.Now; f = r.used.first {
		size := len(f.buf) + len(f.control)
		switch {
		case f.conn.Paused():
			size -= growthMin // enough also the next time: it may be paused until then
		case size-f.grown < growthMin:
			return f.conn
		}
		r.used.remove(f)
		f.since, f.grown = r.Now, size
		r.used.push(f)
	}
	return nil
}
