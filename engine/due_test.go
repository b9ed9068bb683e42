package engine

import (
	"math/rand/v2"
	"testing"
	"time"
)

// holds checks the invariant.
func (q *dueQueue) holds() bool { return 0 <= q.live && q.live <= len(q.due)-q.head }

// The queue against a list of everything that was pushed.
func TestDueQueue(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 0))
	for range 50 {
		var q dueQueue
		var all []dueStream // awaited, in order
		awaited := make(map[uint32]bool)
		waits := func(id uint32) bool { return awaited[id] }
		const wait = 100
		for now := time.Duration(0); now < 5000; now += time.Duration(random.IntN(4)) {
			id := uint32(random.IntN(1 << 30))
			q.push(now+wait, id, waits)
			awaited[id] = true
			all = append(all, dueStream{now + wait, id})
			for id := range awaited { // over for one of them
				if random.IntN(3) == 0 {
					delete(awaited, id)
					q.live--
				}
				break
			}
			for {
				id, ok := q.pop(now)
				if !ok {
					break
				}
				for len(all) > 0 && all[0].id != id && !awaited[all[0].id] {
					all = all[1:]
				}
				if len(all) == 0 || all[0].id != id || all[0].by > now {
					t.Fatalf("at %d: popped %d, want %+v", now, id, all[:min(len(all), 1)])
				}
				all = all[1:]
				if awaited[id] {
					delete(awaited, id)
					q.live--
				}
			}
			if q.live != len(awaited) || !q.holds() || len(q.due)-q.head > 2*q.live+66 {
				t.Fatalf("%d live, %d awaited, %d entries", q.live, len(awaited), len(q.due)-q.head)
			}
			if len(awaited) > 0 && q.next() > now+wait {
				t.Fatalf("the next is due at %d, at %d", q.next(), now)
			}
		}
		if cap(q.due) > 1024 {
			t.Errorf("%d places for some 100 entries", cap(q.due))
		}
	}
}

// In steady state nothing is allocated, and an empty queue keeps next to nothing.
func TestDueQueueAllocs(t *testing.T) {
	var q dueQueue
	now := time.Duration(0)
	all := func(uint32) bool { return true }
	for range 1000 {
		q.push(now+1000, 1, all)
		now++
	}
	wantNoAllocs(t, "one in, one out", func() {
		now++
		q.push(now+1000, 1, all)
		if _, ok := q.pop(now); ok {
			q.live--
		}
	})
	for {
		if _, ok := q.pop(never - 1); !ok {
			break
		}
	}
	if cap(q.due) > dueKeep {
		t.Errorf("%d places are kept", cap(q.due))
	}
}
