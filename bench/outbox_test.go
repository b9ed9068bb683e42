package bench

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// The queue is a list of frames, whatever is pushed and taken from it in between.
func TestOutbox(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	type frame struct {
		stream uint32
		b      []byte
	}
	var o outbox
	var model []frame
	next, longest := uint32(0), 0
	for step := range 200_000 {
		for range r.IntN(3) + step/1000%2 { // more come than go, and then fewer
			payload := bytes.Repeat([]byte{byte(next)}, r.IntN(20))
			if next%5 == 0 {
				o.push(next, stalledFrame{b: append([]byte{1}, payload...)})
				model = append(model, frame{next, append([]byte{1}, payload...)})
			} else {
				o.pushMessage(next, false, opBinary, payload, next)
				model = append(model, frame{next, appendMasked(nil, opBinary, payload, next)})
			}
			next++
		}
		for n := r.IntN(4); n > 0 && len(model) > 0; n-- {
			p, rest := o.front()
			if first := &model[0]; p.stream != first.stream || !bytes.Equal(rest, first.b) || p.size != len(rest) {
				t.Fatalf("step %d: the first is %d %x, want %d %x", step, p.stream, rest, first.stream, first.b)
			}
			part := 1 + r.IntN(len(rest))
			o.drop(part)
			if model[0].b = model[0].b[part:]; len(model[0].b) == 0 {
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
			p, _ := o.front()
			o.drop(p.size)
		}
	}
	if n := testing.AllocsPerRun(10, away); n > 0 {
		t.Errorf("%v allocations", n)
	}
	o.push(1, stalledFrame{b: make([]byte, outboxKept+1)})
	if o.drop(outboxKept + 1); o.b != nil {
		t.Errorf("%d octets are kept", cap(o.b))
	}
}
