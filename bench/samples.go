package bench

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// samples are the durations of single operations. The zero value is ready.
type samples struct {
	h *hdrhistogram.Histogram // nil: none yet
}

// longest is the longest duration that is told from longer ones.
const longest = time.Hour

// newHistogram has nanoseconds with three significant digits.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, int64(longest), 3) }

func (s *samples) add(d time.Duration) {
	if s.h == nil {
		s.h = newHistogram()
	}
	s.h.RecordValue(int64(min(max(d, 0), longest))) // within its range
}

// take returns what there is, and begins anew with fresh.
func (s *samples) take(fresh *hdrhistogram.Histogram) *hdrhistogram.Histogram {
	h := s.h
	s.h = fresh
	return h
}

// latency summarizes. It returns nil without samples.
func (s *samples) latency() *Latency { return newLatency(s.h) }

// sparse is a histogram in little memory: which counts are not 0. To make one takes 100 us, to encode the
// histogram milliseconds.
type sparse []struct{ at, count int64 }

func newSparse(h *hdrhistogram.Histogram) (s sparse) {
	for i, n := range h.Export().Counts {
		if n != 0 {
			s = append(s, struct{ at, count int64 }{int64(i), n})
		}
	}
	return s
}

func (s sparse) histogram() *hdrhistogram.Histogram {
	all := newHistogram().Export()
	for _, c := range s {
		all.Counts[c.at] = c.count
	}
	return hdrhistogram.Import(all)
}

// Latency summarizes how long single operations took.
type Latency struct {
	Count                                int
	Mean                                 time.Duration
	P50, P90, P95, P99, P999, P9999, Max time.Duration

	Histogram *hdrhistogram.Histogram // nanoseconds
}

// newLatency returns nil for a histogram without values.
func newLatency(h *hdrhistogram.Histogram) *Latency {
	if h == nil || h.TotalCount() == 0 {
		return nil
	}
	v := h.ValueAtPercentilesSlice([]float64{50, 90, 95, 99, 99.9, 99.99})
	return &Latency{
		Count: int(h.TotalCount()), Mean: time.Duration(h.Mean()),
		P50: time.Duration(v[0]), P90: time.Duration(v[1]), P95: time.Duration(v[2]), P99: time.Duration(v[3]),
		P999: time.Duration(v[4]), P9999: time.Duration(v[5]), Max: time.Duration(h.Max()),
		Histogram: h,
	}
}
