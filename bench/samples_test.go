package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// naivePercentile is the sample whose rank is p % of all, rounded.
func naivePercentile(all []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	for _, candidate := range sorted {
		count := 0
		for _, d := range all {
			if d <= candidate {
				count++
			}
		}
		if float64(count) >= max(1, math.Floor(p/100*float64(len(all))+0.5)) {
			return candidate
		}
	}
	panic("BUG: no percentile")
}

func TestPercentilesAgainstNaive(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 2, 3, 10, 99, 100, 101, 199, 1000} {
		var s samples
		var all []time.Duration
		for range n {
			d := time.Duration(random.IntN(500)) * time.Microsecond
			s.add(d)
			all = append(all, d)
		}
		got := s.latency()
		for _, p := range []struct {
			got  time.Duration
			want time.Duration
		}{
			{got.P50, naivePercentile(all, 50)}, {got.P90, naivePercentile(all, 90)}, {got.P95, naivePercentile(all, 95)},
			{got.P99, naivePercentile(all, 99)}, {got.P999, naivePercentile(all, 99.9)}, {got.Max, slices.Max(all)},
		} {
			if !about(p.got, p.want) {
				t.Errorf("%d samples: got %v, want %v in %+v", n, p.got, p.want, got)
			}
		}
	}
}

func TestNoSamples(t *testing.T) {
	if l := new(samples).latency(); l != nil {
		t.Errorf("got %v of nothing", *l)
	}
}

// about says whether a histogram with three digits tells d from want.
func about(d, want time.Duration) bool { return (d - want).Abs() <= want/1000 }

func TestHugeSample(t *testing.T) {
	var s samples
	s.add(3 * time.Hour)
	s.add(-1)
	if l := s.latency(); !about(l.Max, longest) || l.P50 != 0 || l.Count != 2 {
		t.Errorf("got %+v, want the bounds", *l)
	}
}

func TestSparseIsTheSameHistogram(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	h := newHistogram()
	for range 1000 {
		h.RecordValue(random.Int64N(int64(longest)))
	}
	h.RecordValues(0, 1<<40)
	h.RecordValue(int64(longest))
	if !newSparse(h).histogram().Equals(h) {
		t.Error("what is not 0 does not make the same histogram")
	}
}

// The loop goes on with what the clerk has read, and in it is nothing of what was before.
func TestHistogramsAreUsedAgain(t *testing.T) {
	c := startClerk(nil, nil, nil)
	first := c.empty()
	first.RecordValue(7)
	c.note(interval{count: 1, h: first})
	again := c.empty()
	if again != first || again.TotalCount() != 0 {
		t.Errorf("got %p with %d values, want %p with none", again, again.TotalCount(), first)
	}
	again.RecordValue(9)
	c.note(interval{count: 1, h: again})
	points, total := c.finish()
	if len(points) != 2 || total.Count != 2 {
		t.Fatalf("%d points with %d values", len(points), total.Count)
	}
	for i, want := range []int64{7, 9} {
		h, err := hdrhistogram.Decode([]byte(points[i].HDR))
		if err != nil || h.TotalCount() != 1 || h.Max() != want {
			t.Errorf("point %d has %q, %v", i, points[i].HDR, err)
		}
	}
}
