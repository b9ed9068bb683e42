package engine

import (
	"h2ws/flow"
	"math/rand/v2"
	"slices"
	"testing"
)

// A queue against a slice of segments.
func TestQueue(t *testing.T) {
	const seed = 11
	random := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		var q queue
		var model []*segment
		for range 40 {
			switch random.IntN(5) {
			case 0, 1:
				g := &segment{kind: segmentMessage}
				q.push(g)
				model = append(model, g)
			case 2: // what WriteControl does
				pong := q.pong()
				at := 0
				if len(model) > 0 && model[0].begun {
					at = 1
				}
				if wanted := at < len(model) && model[at].kind == segmentPong; wanted != (pong != nil) || wanted && pong != model[at] {
					t.Fatalf("seed %d: pong %p in %v", seed, pong, model)
				}
				if pong == nil {
					pong = &segment{kind: segmentPong}
					q.pushAhead(pong)
					model = slices.Insert(model, at, pong)
				}
			case 3:
				if len(model) > 0 {
					if g := q.pop(); g != model[0] || g.next != nil {
						t.Fatalf("seed %d: popped another segment, or one still linked", seed)
					}
					model = model[1:]
				}
			case 4:
				if len(model) > 0 {
					q.first().begun = true
				}
			}
			checkQueue(t, &q, model)
		}
	}
}

func checkQueue(t *testing.T, q *queue, model []*segment) {
	t.Helper()
	if q.empty() != (len(model) == 0) {
		t.Fatalf("empty: %v, want %d segments", q.empty(), len(model))
	}
	g := q.first()
	for i, want := range model {
		if g != want {
			t.Fatalf("segment %d is another", i)
		}
		g = g.next
	}
	if len(model) > 0 && (g != model[0] || q.last != model[len(model)-1]) {
		t.Fatal("the last is not followed by the first")
	}
}

func TestLeast(t *testing.T) {
	for _, test := range []struct {
		kind      segmentKind
		left, min int
	}{
		{segmentMessage, 1, 1},
		{segmentMessage, dribbleMin - 1, dribbleMin - 1},
		{segmentMessage, dribbleMin, dribbleMin},
		{segmentMessage, 1 << 20, dribbleMin},
		{segmentClose, 4, 4},
		{segmentBody, 1 << 20, 1},
	} {
		if got := (&segment{kind: test.kind, b: make([]byte, test.left)}).least(flow.InitialSize); got != test.min {
			t.Errorf("kind %d with %d octets left goes into %d, want %d", test.kind, test.left, got, test.min)
		}
	}
}

func TestSegmentPool(t *testing.T) {
	var pool segmentPool
	g := pool.get()
	g.buf = append(g.buf, "pong"...)
	*g = segment{buf: g.buf, b: g.buf, kind: segmentPong, begun: true, size: 4, owner: bytesShared}
	pool.put(g)
	again := pool.get()
	if again != g || again.b != nil || again.kind != segmentMessage || again.begun || again.size != 0 || again.owner != bytesOwned || len(again.buf) != 0 {
		t.Errorf("a recycled segment remembers: %+v", again)
	}
	if cap(again.buf) < 4 {
		t.Error("a small buffer is thrown away")
	}
	again.buf = make([]byte, 0, segmentBufKeep+1)
	pool.put(again)
	if cap(pool.get().buf) != 0 {
		t.Error("a large buffer is kept")
	}
	for range segmentsKeep + 10 {
		pool.put(new(segment))
	}
	if pool.n != segmentsKeep {
		t.Errorf("%d segments are kept, of %d at most", pool.n, segmentsKeep)
	}
}
