package bench

import (
	"math/rand/v2"
	"testing"
)

// The queue is a list, whatever is pushed and popped in between, and what is sent makes room for what is next.
func TestOutbox(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var o outbox
	var model []uint32
	next := uint32(0)
	for step := range 100_000 {
		if r.IntN(1000) < 500+step/1000%100-50 {
			n := 1 + r.IntN(3)
			for range n {
				o.push(pending{stream: next, data: append(o.memory(), byte(next))})
				model = append(model, next)
				next++
			}
		}
		for n := r.IntN(4); n > 0 && len(model) > 0; n-- {
			if p := o.front(); p.stream != model[0] || len(p.rest()) != 1 || p.rest()[0] != byte(model[0]) {
				t.Fatalf("step %d: the first is %d %v, want %d", step, p.stream, p.data, model[0])
			}
			o.recycle(o.pop())
			model = model[1:]
		}
		if o.len() != len(model) {
			t.Fatalf("step %d: %d wait, want %d", step, o.len(), len(model))
		}
	}
	if next < 50_000 {
		t.Fatalf("only %d were pushed", next)
	}
}

// A server that is away again and again costs no memory each time.
func TestOutboxAllocatesOnce(t *testing.T) {
	var o outbox
	away := func() {
		for i := range uint32(5000) {
			o.push(pending{stream: i, data: append(o.memory(), make([]byte, 80)...)})
		}
		for o.len() > 0 {
			o.recycle(o.pop())
		}
	}
	if n := testing.AllocsPerRun(10, away); n > 0 {
		t.Errorf("%v allocations", n)
	}
	var large outbox
	large.recycle(pending{data: make([]byte, outboxMost+1)})
	if large.memory() != nil {
		t.Error("the memory of large frames is kept")
	}
}
