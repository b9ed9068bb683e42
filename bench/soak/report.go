package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"h2ws/bench"
)

// Report is how a server fared.
type Report struct {
	Seed          uint64
	Elapsed       time.Duration // of the load
	Before, After Sample        // without load; After of a whole report
	Samples       []Sample      // under load
	Honest        []Honest
	Attacks       int
	FellShort     int    // of them, where the server did not do what is wanted, which wsbench attack judges
	Late          string // how late this process was itself
	Trends        []Trend
	Faults        []string
	Partial       bool // it ended early, and nothing is judged
}

// Passed says whether nothing grew, and the honest lost nothing.
func (r *Report) Passed() bool { return len(r.Faults) == 0 && !r.Partial }

// warmUpShare of the time at the beginning is not judged: tables and buffers grow to what the load takes.
const warmUpShare = 0.2

// leakMax is how many more octets of memory may be held without load afterwards than before: the allocator's, and those
// of tables that do not shrink.
const leakMax = 16 << 20

// judge fills in trends and faults.
func (r *Report) judge() {
	fault := func(format string, args ...any) { r.Faults = append(r.Faults, fmt.Sprintf(format, args...)) }
	for _, h := range r.Honest {
		var delivery *bench.DeliveryError
		switch {
		case errors.As(h.Failed, &delivery):
			fault("%s: messages were lost: %v", h.Name, h.Failed)
		case errors.Is(h.Failed, context.Canceled):
			// because another has failed
		case h.Failed != nil:
			fault("%s: ended: %v", h.Name, h.Failed)
		case h.Lost > 0:
			fault("%s: %d were lost", h.Name, h.Lost)
		case h.Done == 0:
			fault("%s: there were none", h.Name)
		}
	}
	judged := r.warm()
	if len(judged) < samplesMin {
		fault("%d samples are too few to tell whether anything grows", len(judged))
	}
	for _, of := range trends {
		t := of.fit(judged)
		r.Trends = append(r.Trends, t)
		if t.Grows() {
			fault("%s grow: %v", t.Name, t)
		}
	}
	if r.After.Descriptors > r.Before.Descriptors {
		fault("%d descriptors are left without load, before it were %d", r.After.Descriptors, r.Before.Descriptors)
	}
	if r.After.Goroutines > r.Before.Goroutines {
		fault("%d goroutines are left without load, before it were %d", r.After.Goroutines, r.Before.Goroutines)
	}
	if more := r.After.RSS - r.Before.RSS; more > leakMax {
		fault("%.1f MB of memory have not come back", float64(more)/(1<<20))
	}
}

// warm are the samples that are judged.
func (r *Report) warm() []Sample {
	for i, s := range r.Samples {
		if s.At >= time.Duration(warmUpShare*float64(r.Elapsed)) {
			return r.Samples[i:]
		}
	}
	return nil
}

// WriteTable writes what there is to say.
func (r *Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n%v of load, seed %d, %d samples, %d attacks (%d not answered as is wanted)\n", r.Elapsed.Round(time.Second), r.Seed, len(r.Samples), r.Attacks, r.FellShort)
	for _, h := range r.Honest {
		fmt.Fprintf(&b, "  %v\n", h)
	}
	fmt.Fprintf(&b, "  the load's own process: %s\n", r.Late)
	for _, t := range r.Trends {
		fmt.Fprintf(&b, "  %s: %v\n", t.Name, t)
	}
	fmt.Fprintf(&b, "  before the load: %v\n", r.Before)
	if !r.Partial {
		fmt.Fprintf(&b, "  after it:        %v\n", r.After)
	}
	for _, fault := range r.Faults {
		fmt.Fprintf(&b, "FAIL %s\n", fault)
	}
	switch {
	case r.Partial:
		b.WriteString("ended early: whether anything grows, or the honest lost anything, is not judged\n")
	case r.Passed():
		b.WriteString("ok: nothing grows, and the honest lost nothing\n")
	}
	_, err := w.Write(b.Bytes())
	return err
}

// MarshalJSON spells units out in the names.
func (r *Report) MarshalJSON() ([]byte, error) {
	type sample struct {
		Seconds     float64 `json:"seconds"`
		RSS         int64   `json:"rss_bytes"`
		Anonymous   int64   `json:"rss_anonymous_bytes"`
		Descriptors int     `json:"descriptors"`
		Goroutines  int     `json:"goroutines"`
	}
	all := func(in ...Sample) (out []sample) {
		for _, s := range in {
			out = append(out, sample{s.At.Seconds(), s.RSS, s.Anonymous, s.Descriptors, s.Goroutines})
		}
		return out
	}
	var after *sample
	if !r.Partial {
		after = &all(r.After)[0]
	}
	return json.Marshal(struct {
		Seed    uint64   `json:"seed"`
		Seconds float64  `json:"seconds"`
		Passed  bool     `json:"passed"`
		Partial bool     `json:"partial,omitempty"`
		Faults  []string `json:"faults,omitempty"`
		Attacks int      `json:"attacks"`
		Before  sample   `json:"before"`
		After   *sample  `json:"after,omitempty"`
		Samples []sample `json:"samples"`
	}{r.Seed, r.Elapsed.Seconds(), r.Passed(), r.Partial, r.Faults, r.Attacks, all(r.Before)[0], after, all(r.Samples...)})
}
