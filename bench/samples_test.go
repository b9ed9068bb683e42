package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// naivePercentile is the smallest sample such that at least p % of all are not larger.
func naivePercentile(all []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	for _, candidate := range sorted {
		count := 0
		for _, d := range all {
			if d <= candidate {
				count++
			}
		}
		if float64(count) >= p/100*float64(len(all)) {
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
		want := Latency{naivePercentile(all, 50), naivePercentile(all, 99), slices.Max(all)}
		if *got != want {
			t.Errorf("%d samples: got %v, want %v", n, *got, want)
		}
	}
}

func TestNoSamples(t *testing.T) {
	if l := new(samples).latency(); l != nil {
		t.Errorf("got %v of nothing", *l)
	}
}

func TestHugeSample(t *testing.T) {
	var s samples
	s.add(3 * time.Hour)
	if l := s.latency(); l.Max != 3*time.Hour || l.P50 != math.MaxUint32*time.Microsecond {
		t.Errorf("got %v, want the maximum exact and the percentile at its bound", *l)
	}
}

func TestManySamplesAreThinned(t *testing.T) {
	var s samples
	const n = 3*samplesMax + 5
	for i := range n {
		s.add(time.Duration(i) * time.Microsecond)
	}
	if s.n != n || len(s.kept) > samplesMax || s.stride != 4 {
		t.Fatalf("n %d, kept %d with stride %d", s.n, len(s.kept), s.stride)
	}
	for i, v := range s.kept {
		if int(v) != 4*i {
			t.Fatalf("sample %d is number %d, want %d: every 4th", i, v, 4*i)
		}
	}
	l := s.latency()
	if l.Max != (n-1)*time.Microsecond {
		t.Errorf("maximum %v", l.Max)
	}
	if got, want := l.P50.Microseconds(), int64(n/2); got < want-4 || got > want+4 {
		t.Errorf("median %d us, want %d within a stride", got, want)
	}
}
