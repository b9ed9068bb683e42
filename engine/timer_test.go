package engine

import (
	"math/rand/v2"
	"testing"
	"time"
)

// The heap against a map: arm never puts off, due gives the earliest, disarm removes.
func TestTimers(t *testing.T) {
	const seed = 19
	random := rand.New(rand.NewPCG(seed, 0))
	var heap timers
	model := map[*conn]time.Duration{}
	conns := make([]*conn, 50)
	for i := range conns {
		conns[i] = &conn{}
		conns[i].wire.timer = never
	}
	now := time.Duration(0)
	for range 20000 {
		c := conns[random.IntN(len(conns))]
		switch random.IntN(4) {
		case 0, 1:
			at := now + time.Duration(random.IntN(1000))
			if random.IntN(10) == 0 {
				at = never
			}
			heap.arm(c, at)
			if was, armed := model[c]; at != never && (!armed || at < was) {
				model[c] = at
			}
		case 2:
			heap.disarm(c)
			delete(model, c)
		case 3:
			now += time.Duration(random.IntN(30))
			for c := heap.due(now); c != nil; c = heap.due(now) {
				if at, armed := model[c]; !armed || at > now {
					t.Fatalf("seed %d: due at %v, armed %v for %v", seed, now, armed, at)
				}
				delete(model, c)
			}
		}
		earliest := never
		for _, at := range model {
			earliest = min(earliest, at)
		}
		if heap.next() != earliest || len(heap) != len(model) {
			t.Fatalf("seed %d: next at %v of %d, want %v of %d", seed, heap.next(), len(heap), earliest, len(model))
		}
		for i, c := range heap {
			if int(c.wire.timerAt) != i || c.wire.timer != model[c] {
				t.Fatalf("seed %d: place %d, noted %d; time %v, want %v", seed, i, c.wire.timerAt, c.wire.timer, model[c])
			}
		}
	}
}
