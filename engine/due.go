package engine

import "time"

// dueQueue holds streams that are to be looked at when their time has come, first due first: the wait is the same
// for all, so the order of entering is the order of expiry. Those that it is over for meanwhile stay, and are
// cleared out when they are the most.
//
// 0 <= live <= len(due) - head.
type dueQueue struct {
	due  []dueStream
	head int // the first that is still here
	live int // those that it is not over for
}

type dueStream struct {
	by time.Duration
	id uint32
}

// dueKeep is how many places an empty queue keeps: an idle connection is to be small.
const dueKeep = 4

// push enters a stream. waits says of one whether it is still awaited.
func (q *dueQueue) push(by time.Duration, id uint32, waits func(id uint32) bool) {
	switch left := q.due[q.head:]; {
	case len(left) > 2*q.live+64:
		kept := q.due[:0]
		for _, e := range left {
			if waits(e.id) {
				kept = append(kept, e)
			}
		}
		q.due, q.head = kept, 0
	case len(q.due) == cap(q.due) && q.head > len(left):
		q.due, q.head = q.due[:copy(q.due, left)], 0
	}
	q.due = append(q.due, dueStream{by, id})
	q.live++
}

// pop takes out a stream whose time has come. It may have been over for it before.
func (q *dueQueue) pop(now time.Duration) (id uint32, ok bool) {
	if q.next() > now {
		return 0, false
	}
	id = q.due[q.head].id
	if q.head++; q.head == len(q.due) {
		q.due, q.head = q.due[:0], 0
		if cap(q.due) > dueKeep {
			q.due = nil
		}
	}
	return id, true
}

func (q *dueQueue) next() time.Duration {
	if q.head == len(q.due) {
		return never
	}
	return q.due[q.head].by
}

// streamWaits is what the peer is given time for on single streams.
type streamWaits struct {
	closing dueQueue // CloseTimeout: to end its side, since a Close frame or END_STREAM was queued; see stream.closing
	ended   dueQueue // EndTimeout: to end its side, since END_STREAM was sent; stateHalfClosedLocal
	pongs   dueQueue // SocketPongTimeout: to say anything, since a ping was sent; see stream.ping

	pings pingCursor
}

// waitsFor returns the connection's, made if there is none.
func (c *conn) waitsFor() *streamWaits {
	if c.waits == nil {
		c.waits = &streamWaits{pings: pingCursor{at: never}}
	}
	return c.waits
}

func (w *streamWaits) next() time.Duration {
	if w == nil {
		return never
	}
	return min(w.closing.next(), w.ended.next(), max(w.pongs.next(), w.pings.after), w.pings.at)
}

// known reports whether a stream is open.
func (c *conn) known(id uint32) bool { return c.streams.find(id) != nil }
