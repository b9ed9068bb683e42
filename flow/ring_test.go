package flow

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"unsafe"
)

// owner is who is in a ring, as the real ones are: the slot comes first.
type owner struct {
	slot Slot
	name string
}

func TestRingOwner(t *testing.T) {
	var r Ring
	o := &owner{name: "o"}
	r.Push(&o.slot)
	if got := (*owner)(unsafe.Pointer(r.Pop())); got != o || got.name != "o" {
		t.Errorf("the slot converts to %p %q, want its owner", got, got.name)
	}
	if unsafe.Offsetof(o.slot) != 0 {
		t.Errorf("the slot is not the first field")
	}
}

func TestRingIsFirstInFirstOut(t *testing.T) {
	var r Ring
	slots := make([]Slot, 4)
	if r.Front() != nil || r.Pop() != nil || r.Len() != 0 {
		t.Errorf("the zero ring is not empty")
	}
	for i := range slots {
		r.Push(&slots[i])
	}
	// Round robin: who had a turn goes to the back.
	for turn := range 10 {
		front := r.Front()
		got := r.Pop()
		if want := &slots[turn%4]; got != want || front != want {
			t.Fatalf("turn %d is another one's", turn)
		}
		if got.Linked() {
			t.Fatalf("turn %d: a popped slot is linked", turn)
		}
		r.Push(got)
	}
}

// naiveRing is a queue as it would be without pointers.
type naiveRing []*Slot

func (n *naiveRing) pop() *Slot {
	if len(*n) == 0 {
		return nil
	}
	s := (*n)[0]
	*n = (*n)[1:]
	return s
}

func TestRingModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		slots := make([]Slot, 1+r.IntN(20))
		rings := make([]Ring, 3)
		models := make([]naiveRing, len(rings))
		for step := range 500 {
			i := r.IntN(len(rings))
			s := &slots[r.IntN(len(slots))]
			switch r.IntN(10) {
			case 0, 1, 2:
				if got, want := rings[i].Pop(), models[i].pop(); got != want {
					t.Fatalf("seed %d step %d: popped %p, want %p", seed, step, got, want)
				}
			case 3, 4:
				if at := slices.Index(models[i], s); at >= 0 {
					rings[i].Remove(s)
					models[i] = slices.Delete(slices.Clone(models[i]), at, at+1)
				}
			default:
				if !s.Linked() {
					rings[i].Push(s)
					models[i] = append(slices.Clip(models[i]), s)
				}
			}
			checkRings(t, rings, models, slots, seed, step)
		}
	}
}

// checkRings checks every ring against its model, forwards and backwards, and
// every slot against all models.
func checkRings(t *testing.T, rings []Ring, models []naiveRing, slots []Slot, seed uint64, step int) {
	t.Helper()
	linked := 0
	for i := range rings {
		forward, backward := walk(&rings[i])
		slices.Reverse(backward)
		if !slices.Equal(forward, models[i]) || !slices.Equal(backward, models[i]) || rings[i].Len() != len(models[i]) {
			t.Fatalf("seed %d step %d: ring %d is %v, backwards %v, Len %d, want %v",
				seed, step, i, forward, backward, rings[i].Len(), models[i])
		}
		linked += len(models[i])
	}
	for i := range slots {
		if slots[i].Linked() {
			linked--
		}
	}
	if linked != 0 {
		t.Fatalf("seed %d step %d: %d more slots in models than linked", seed, step, linked)
	}
}

func walk(r *Ring) (forward, backward naiveRing) {
	front := r.Front()
	if front == nil {
		return nil, nil
	}
	forward = naiveRing{front}
	for s := front.next; s != front; s = s.next {
		forward = append(forward, s)
	}
	for s := front.prev; s != front; s = s.prev {
		backward = append(backward, s)
	}
	return forward, append(backward, front)
}

func TestRingBugsPanic(t *testing.T) {
	for why, f := range map[string]func(r *Ring, linked, free *Slot){
		"pushing a linked slot":         func(r *Ring, linked, _ *Slot) { r.Push(linked) },
		"pushing it into another ring":  func(_ *Ring, linked, _ *Slot) { new(Ring).Push(linked) },
		"removing a free slot":          func(r *Ring, _, free *Slot) { r.Remove(free) },
		"removing from an empty ring":   func(_ *Ring, linked, _ *Slot) { new(Ring).Remove(linked) },
		"removing what has been popped": func(r *Ring, _, _ *Slot) { r.Remove(r.Pop()) },
	} {
		var r Ring
		var linked, free Slot
		r.Push(&linked)
		wantPanic(t, why, func() { f(&r, &linked, &free) })
	}
}

func TestSlotSize(t *testing.T) {
	if got := unsafe.Sizeof(Slot{}); got != 16 {
		t.Errorf("a Slot takes %d octets, want 16", got)
	}
}

func TestRingAllocs(t *testing.T) {
	var r Ring
	slots := make([]Slot, 2)
	allocs := testing.AllocsPerRun(100, func() {
		r.Push(&slots[0])
		r.Push(&slots[1])
		r.Remove(&slots[1])
		for r.Pop() != nil {
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}

// BenchmarkRingTurn is one turn: from the front to the back. It must not grow
// with the number of slots, save for the cache.
func BenchmarkRingTurn(b *testing.B) {
	for _, size := range []int{1, 1000, 1_000_000} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			var r Ring
			slots := make([]Slot, size)
			for i := range slots {
				r.Push(&slots[i])
			}
			for b.Loop() {
				r.Push(r.Pop())
			}
		})
	}
}
