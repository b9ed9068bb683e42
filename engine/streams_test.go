package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// checkTable compares the table with the model: every id is found, none is there twice, and the table is
// neither too full nor too empty.
func checkTable(t *testing.T, table *streamTable, model map[uint32]*stream) {
	t.Helper()
	if table.len() != len(model) {
		t.Fatalf("%d streams, want %d", table.len(), len(model))
	}
	for id, s := range model {
		if table.find(id) != s {
			t.Fatalf("stream %d is not found", id)
		}
	}
	seen := 0
	for i, id := range table.ids {
		if (id == 0) != (table.streams[i] == nil) || id != 0 && model[id] != table.streams[i] {
			t.Fatalf("place %d: id %d, stream %p", i, id, table.streams[i])
		}
		if id != 0 {
			seen++
		}
	}
	if seen != len(model) {
		t.Fatalf("%d places are taken by %d streams", seen, len(model))
	}
	if n := len(table.ids); 4*table.n > 3*n || n > streamTableMin && 8*table.n < n || n&(n-1) != 0 {
		t.Fatalf("%d streams in %d places", table.n, n)
	}
}

func TestStreamTable(t *testing.T) {
	// Each picks the id of the n-th stream.
	patterns := map[string]func(r *rand.Rand, n uint32) uint32{
		"one after the other": func(_ *rand.Rand, n uint32) uint32 { return 2*n + 1 },
		"anywhere":            func(r *rand.Rand, _ uint32) uint32 { return r.Uint32()>>1 | 1 },
		"one home in 16":      func(_ *rand.Rand, n uint32) uint32 { return 16*n + 1 },
		"powers apart":        func(_ *rand.Rand, n uint32) uint32 { return n<<16 | 1 },
		"high bits":           func(_ *rand.Rand, n uint32) uint32 { return (n<<20 | n>>11) | 1 },
	}
	for name, pick := range patterns {
		t.Run(name, func(t *testing.T) {
			const seed = 5
			random := rand.New(rand.NewPCG(seed, 0))
			var table streamTable
			model := map[uint32]*stream{}
			var ids []uint32
			n := uint32(0)
			for round := range 6 {
				// Grow and shrink by turns, to other sizes each time.
				grow := round%2 == 0
				for range 2000 - 100*round {
					if grow == (random.IntN(4) > 0) {
						id := pick(random, n) &^ (1 << 31)
						n++
						if id == 0 || model[id] != nil {
							continue
						}
						s := &stream{id: id}
						table.insert(s)
						model[id], ids = s, append(ids, id)
					} else if len(ids) > 0 {
						i := random.IntN(len(ids))
						table.remove(ids[i])
						table.shrink()
						delete(model, ids[i])
						ids[i] = ids[len(ids)-1]
						ids = ids[:len(ids)-1]
					}
					if random.IntN(50) == 0 {
						checkTable(t, &table, model)
					}
					if id := pick(random, n+1) &^ (1 << 31); model[id] == nil && table.find(id) != nil {
						t.Fatalf("seed %d: stream %d is found and was never there", seed, id)
					}
				}
				checkTable(t, &table, model)
			}
			for _, id := range ids {
				table.remove(id)
				table.shrink()
				delete(model, id)
				if random.IntN(50) == 0 {
					checkTable(t, &table, model)
				}
			}
			checkTable(t, &table, model)
		})
	}
}

// Wherever the seeds scatter them, probes stay short: neighbours share a cache line.
func TestStreamTableProbes(t *testing.T) {
	for range 20 {
		var table streamTable
		for n := range uint32(100_000) {
			table.insert(&stream{id: 2*n + 1})
		}
		mask := uint32(len(table.ids) - 1)
		sum, longest := 0, 0
		for i, id := range table.ids {
			if id != 0 {
				probe := int((uint32(i) - table.home(id)) & mask)
				sum += probe
				longest = max(longest, probe)
			}
		}
		if mean := float64(sum) / float64(table.n); mean > 20 || longest > 2048 {
			t.Errorf("probes of %.1f on average, %d at most (seeds %#x)", mean, longest, table.seed)
		}
	}
}

func TestStreamTableEmpty(t *testing.T) {
	var table streamTable
	if table.find(1) != nil || table.len() != 0 || table.size() != 0 {
		t.Error("the zero table is not empty")
	}
	defer func() {
		if recover() == nil {
			t.Error("removing what is not there is a bug, and must panic")
		}
	}()
	table.insert(&stream{id: 1})
	table.remove(3)
}

// visit comes to every stream once, if none moves, and to those that are left in repeated passes,
// whatever the callback removes.
func TestStreamTableVisit(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 0))
	for _, n := range []uint32{0, 1, 7, 100, 5000} {
		for _, budget := range []int{1, 8, 1000, 1 << 20} {
			var table streamTable
			for i := range n {
				table.insert(&stream{id: 2*i + 1})
			}
			visits := map[uint32]int{}
			cursor := table.size()
			for calls := 0; cursor > 0; calls++ {
				before := cursor
				cursor = table.visit(cursor, budget, func(s *stream) { visits[s.id]++ })
				if before-cursor > budget {
					t.Fatalf("%d places with a budget of %d", before-cursor, budget)
				}
			}
			if len(visits) != int(n) {
				t.Errorf("%d of %d streams visited", len(visits), n)
			}
			for id, times := range visits {
				if times != 1 {
					t.Errorf("stream %d visited %d times", id, times)
				}
			}
			passes := 0
			for table.len() > 0 {
				if cursor == 0 {
					cursor = table.size()
					passes++
				}
				cursor = table.visit(cursor, budget, func(s *stream) {
					if random.IntN(2) == 0 {
						table.remove(s.id)
						table.shrink()
					}
				})
				if passes > 100 {
					t.Fatalf("%d streams are never visited", table.len())
				}
			}
		}
	}
}

// BenchmarkStreamTableGrowth fills a table; ms/resize is the longest that an insertion takes for which it grows.
func BenchmarkStreamTableGrowth(b *testing.B) {
	for _, n := range []int{300_000, 1_000_000} {
		all := make([]stream, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			longest := time.Duration(0)
			for range b.N {
				var t streamTable
				for i := range all {
					all[i].id = uint32(2*i + 1)
					size, start := t.size(), time.Now()
					if t.insert(&all[i]); t.size() != size {
						longest = max(longest, time.Since(start))
					}
				}
			}
			b.ReportMetric(longest.Seconds()*1000, "ms/resize")
		})
	}
}
