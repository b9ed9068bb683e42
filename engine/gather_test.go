package engine

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Whatever is copied and shared, the vectors behind every number of octets written are what is left.
func TestGatherVectorsAtEverySkip(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 0))
	g := newGather(gatherSize)
	for range 30 {
		g.reset(gatherSizeMin)
		var want []byte
		for range random.IntN(12) {
			b := bytes.Repeat([]byte{byte(random.IntN(256))}, random.IntN(30))
			if random.IntN(3) == 0 {
				b = bytes.Repeat([]byte{byte(random.IntN(256))}, refMin-1+random.IntN(3))
				g.share(b)
			} else {
				g.copy(b)
			}
			want = append(want, b...)
		}
		if g.size != len(want) {
			t.Fatalf("size %d, want %d", g.size, len(want))
		}
		for skip := 0; skip <= len(want); skip += 1 + random.IntN(7) {
			vectors := g.vectors(nil, skip)
			if got := bytes.Join(vectors, nil); !bytes.Equal(got, want[skip:]) {
				t.Fatalf("behind %d octets of %d: %d are left, or others", skip, len(want), len(got))
			}
			for _, v := range vectors {
				if len(v) == 0 {
					t.Fatal("an empty vector")
				}
			}
		}
	}
}

func TestGatherRefersToLargePayload(t *testing.T) {
	g := newGather(gatherSize)
	g.reset(gatherSize)
	small, large := make([]byte, refMin-1), make([]byte, refMin)
	g.share(small)
	g.share(large)
	g.copy([]byte("x"))
	vectors := g.vectors(nil, 0)
	if len(vectors) != 3 || &vectors[0][0] == &small[0] || &vectors[1][0] != &large[0] {
		t.Errorf("%d vectors; %d octets are worth a copy, %d are not", len(vectors), len(small), len(large))
	}
	if g.reset(1); len(g.refs) != 0 || cap(g.refs) > 0 && g.refs[:1][0].b != nil {
		t.Error("a gather that was reset still refers to a message")
	}
}

// The buffer never moves: refs point between its parts, and a gather is full before it could.
func TestGatherDoesNotGrow(t *testing.T) {
	g := newGather(gatherSize)
	for _, limit := range []int{gatherSizeMin, gatherSize} {
		g.reset(limit)
		room := cap(g.buf)
		for !g.full() {
			g.copy(make([]byte, frameRoom))
		}
		if cap(g.buf) != room {
			t.Errorf("limit %d: the buffer grew from %d to %d", limit, room, cap(g.buf))
		}
		if g.size > limit+frameRoom {
			t.Errorf("limit %d: %d octets, more than one frame above", limit, g.size)
		}
	}
}
