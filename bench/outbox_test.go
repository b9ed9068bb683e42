package bench

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// The queue is a list of frames, whatever is pushed and taken from it in between.
func TestOutbox(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var o outbox
	var model []pending
	next, longest := uint32(0), 0
	for step := range 200_000 {
		for range r.IntN(3) + step/1000%2 { // more come than go, and then fewer
			payload := bytes.Repeat([]byte{byte(next)}, r.IntN(20))
			if next%1000 == 0 {
				payload = bytes.Repeat(payload, r.IntN(10_000)) // up to three parts
			}
			f := pending{next, next%3 == 0, appendMasked(nil, opBinary, payload, next)}
			if next%5 == 0 {
				o.push(f)
			} else {
				o.pushMessage(f.stream, f.end, opBinary, payload, next)
			}
			model = append(model, f)
			next++
		}
		for n := r.IntN(4); n > 0 && len(model) > 0; n-- {
			first := &model[0]
			if p := o.front(); p.stream != first.stream || p.end != first.end || !bytes.Equal(p.b, first.b) {
				t.Fatalf("step %d: the first is %d %v %x, want %d %v %x", step, p.stream, p.end, p.b, first.stream, first.end, first.b)
			}
			part := 1 + r.IntN(len(first.b))
			o.drop(part)
			if first.b = first.b[part:]; len(first.b) == 0 {
				model = model[1:]
			}
		}
		if o.len() != len(model) {
			t.Fatalf("step %d: %d wait, want %d", step, o.len(), len(model))
		}
		longest = max(longest, o.len())
	}
	if next < 100_000 || longest < 500 {
		t.Fatalf("%d were pushed, at most %d waited", next, longest)
	}
}

// A server that is away again and again costs no memory each time.
func TestOutboxAllocatesOnce(t *testing.T) {
	var o outbox
	payload := make([]byte, 64)
	away := func() {
		for i := range uint32(5000) {
			o.pushMessage(i, false, opBinary, payload, i)
		}
		for o.len() > 0 {
			o.drop(len(o.front().b))
		}
	}
	if n := testing.AllocsPerRun(10, away); n > 0 {
		t.Errorf("%v allocations", n)
	}
	for range 2 * outboxFree {
		o.push(pending{b: make([]byte, outboxPart-outboxHead)})
	}
	for o.len() > 0 {
		o.drop(len(o.front().b))
	}
	if len(o.free) != outboxFree {
		t.Errorf("%d parts are kept, not %d", len(o.free), outboxFree)
	}
}
