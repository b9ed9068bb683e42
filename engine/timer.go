package engine

import (
	"container/heap"
	"time"
)

// timers orders connections by the time at which their deadline is looked at next. A deadline that moves
// later, as most do, leaves the entry where it is; it is found to be early and put back.
type timers []*conn

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].wire.timer < t[j].wire.timer }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].wire.timerAt, t[j].wire.timerAt = int32(i), int32(j)
}

func (t *timers) Push(x any) {
	c := x.(*conn)
	c.wire.timerAt = int32(len(*t))
	*t = append(*t, c)
}

func (t *timers) Pop() any {
	last := len(*t) - 1
	c := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	c.wire.timer = never
	return c
}

// next is when the first entry is due.
func (t timers) next() time.Duration {
	if len(t) == 0 {
		return never
	}
	return t[0].wire.timer
}

// arm makes sure that c is looked at no later than at.
func (t *timers) arm(c *conn, at time.Duration) {
	switch {
	case at >= c.wire.timer:
	case c.wire.timer == never:
		c.wire.timer = at
		heap.Push(t, c)
	default:
		c.wire.timer = at
		heap.Fix(t, int(c.wire.timerAt))
	}
}

// disarm takes c out.
func (t *timers) disarm(c *conn) {
	if c.wire.timer != never {
		heap.Remove(t, int(c.wire.timerAt))
	}
}

// due takes out a connection whose time has come, or returns nil.
func (t *timers) due(now time.Duration) *conn {
	if t.next() > now {
		return nil
	}
	return heap.Pop(t).(*conn)
}
