package bench

import (
	"math"
	"slices"
	"time"
)

// samples are the durations of single operations, in microseconds. Percentiles are exact as long as
// there are no more than samplesMax; of more, every 2nd, 4th, 8th ... is kept. The longest is always
// exact.
//
//	len(kept) <= samplesMax; kept has every stride-th of n
type samples struct {
	kept   []uint32
	n      int
	stride int // a power of two; 0 means 1
	max    time.Duration
}

const samplesMax = 1 << 22

func (s *samples) add(d time.Duration) {
	s.max = max(s.max, d)
	if s.n&(max(s.stride, 1)-1) == 0 {
		if len(s.kept) == samplesMax {
			s.thin()
		}
		// After thinning n is a multiple of the new stride: samplesMax is even.
		s.kept = append(s.kept, uint32(min(d.Microseconds(), math.MaxUint32)))
	}
	s.n++
}

// thin drops every second one.
func (s *samples) thin() {
	for i := range s.kept[:samplesMax/2] {
		s.kept[i] = s.kept[2*i]
	}
	s.kept = s.kept[:samplesMax/2]
	s.stride = max(s.stride, 1) * 2
}

// latency sorts and summarizes. It returns nil without samples.
func (s *samples) latency() *Latency {
	if len(s.kept) == 0 {
		return nil
	}
	slices.Sort(s.kept)
	return &Latency{P50: s.at(50), P99: s.at(99), Max: s.max}
}

// at returns the p-th percentile by the nearest-rank method: the smallest sample that at least p % of
// them do not exceed. The samples are sorted.
func (s *samples) at(p int) time.Duration {
	rank := (len(s.kept)*p + 99) / 100
	return time.Duration(s.kept[max(rank, 1)-1]) * time.Microsecond
}

// Latency summarizes how long single operations took.
type Latency struct {
	P50, P99, Max time.Duration
}
