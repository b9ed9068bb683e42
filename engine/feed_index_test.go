package engine

import (
	"math/rand/v2"
	"testing"
)

func TestFeedIndexModel(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		x := new(feedIndex)
		model := make(map[*share]*feed)
		shares := make([]*share, 3*feedsListed)
		for i := range shares {
			shares[i] = new(share)
		}
		for range 500 {
			sh := shares[r.IntN(len(shares))]
			switch f := model[sh]; {
			case f == nil && r.IntN(2) == 0:
				f = &feed{share: sh}
				x.add(f)
				model[sh] = f
			case f != nil && r.IntN(2) == 0:
				x.remove(f)
				delete(model, sh)
			}
			checkFeedIndex(t, seed, x, shares, model)
		}
	}
	var none *feedIndex
	if none.find(new(share)) != nil || len(none.all()) != 0 {
		t.Error("a nil index is not empty")
	}
}

func checkFeedIndex(t *testing.T, seed uint64, x *feedIndex, shares []*share, model map[*share]*feed) {
	t.Helper()
	for _, sh := range shares {
		if x.find(sh) != model[sh] {
			t.Fatalf("seed %d: not what was added last", seed)
		}
	}
	if len(x.all()) != len(model) {
		t.Fatalf("seed %d: %d in the list, want %d", seed, len(x.all()), len(model))
	}
	for i, f := range x.all() {
		if f.place != i || model[f.share] != f {
			t.Fatalf("seed %d: place %d is not its own", seed, i)
		}
	}
}
