package ws

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// FuzzFeed holds Feed against the oracle, on any octets, cut anywhere, with our
// own Close anywhere or nowhere. compare checks besides that nothing is written
// outside the slice, that what a Conn holds is bounded, and that OnClose comes
// once.
func FuzzFeed(f *testing.F) {
	all := streams()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		f.Add(all[name], uint64(0), int16(-1))
	}
	f.Fuzz(func(t *testing.T, stream []byte, cuts uint64, closeAt int16) {
		if len(stream) > 2048 {
			return // the oracle is slow
		}
		random := rand.New(rand.NewPCG(cuts, 0))
		compare(t, stream, randomCuts(random, len(stream)), max(int(closeAt), -1), small)
	})
}
