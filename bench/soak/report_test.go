package soak

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"h2ws/bench"
)

const mb = 1 << 20

// calm is an hour in which nothing is wrong: what is held comes and goes.
func calm() *Report {
	random := rand.New(rand.NewPCG(1, 2))
	level := Sample{RSS: 40 * mb, Anonymous: 30 * mb, Descriptors: 300, Goroutines: 30}
	r := &Report{Elapsed: time.Hour, Before: Sample{RSS: 20 * mb, Descriptors: 15, Goroutines: 10}, Honest: []Honest{{Name: "echoes", Done: 1}}}
	r.After = r.Before
	for i := range 120 {
		s := level
		s.At = time.Duration(i) * 30 * time.Second
		s.RSS += int64(random.IntN(8 * mb))
		s.Descriptors += random.IntN(60)
		s.Goroutines += random.IntN(30)
		r.Samples = append(r.Samples, s)
	}
	return r
}

func TestJudge(t *testing.T) {
	each := func(change func(i int, s *Sample)) func(*Report) {
		return func(r *Report) {
			for i := range r.Samples {
				change(i, &r.Samples[i])
			}
		}
	}
	for name, test := range map[string]struct {
		change func(*Report)
		want   string // the one fault; "": none
	}{
		"nothing":                  {func(*Report) {}, ""},
		"memory at the beginning":  {each(func(i int, s *Sample) { s.RSS += int64(min(i, 20)) * 2 * mb }), ""},
		"a peak in the middle":     {each(func(i int, s *Sample) { s.RSS += int64(i/70*(80/max(i, 1))) * 100 * mb }), ""},
		"a peak at the end":        {func(r *Report) { r.Samples[119].RSS += 100 * mb }, ""},
		"memory shrinks":           {each(func(i int, s *Sample) { s.RSS -= int64(i) * 100 << 10 }), ""},
		"memory grows":             {each(func(i int, s *Sample) { s.RSS += int64(i) * 100 << 10 }), "memory grow: "},
		"memory grows by little":   {each(func(i int, s *Sample) { s.RSS += int64(i) * 30 << 10 }), ""},
		"anonymous memory grows":   {each(func(i int, s *Sample) { s.Anonymous += int64(i) * 100 << 10 }), "anonymous memory grow: "},
		"descriptors grow":         {each(func(i int, s *Sample) { s.Descriptors += i / 2 }), "descriptors grow: "},
		"goroutines grow":          {each(func(i int, s *Sample) { s.Goroutines += i / 4 }), "goroutines grow: "},
		"descriptors are left":     {func(r *Report) { r.After.Descriptors++ }, "16 descriptors are left without load, before it were 15"},
		"goroutines are left":      {func(r *Report) { r.After.Goroutines++ }, "11 goroutines are left without load, before it were 10"},
		"memory is left":           {func(r *Report) { r.After.RSS += 17 * mb }, "17.0 MB of memory have not come back"},
		"some memory is left":      {func(r *Report) { r.After.RSS += 15 * mb }, ""},
		"an echo is lost":          {func(r *Report) { r.Honest[0].Lost = 1 }, "echoes: 1 were lost"},
		"a delivery is lost":       {func(r *Report) { r.Honest[0].Failed = &bench.DeliveryError{} }, "echoes: messages were lost: "},
		"the honest are ended":     {func(r *Report) { r.Honest[0].Failed = errors.New("gone") }, "echoes: ended: gone"},
		"the honest did nothing":   {func(r *Report) { r.Honest[0].Done = 0 }, "echoes: there were none"},
		"next to nothing was seen": {func(r *Report) { r.Samples = r.Samples[111:] }, "9 samples are too few to tell whether anything grows"},
		"nothing was seen":         {func(r *Report) { r.Samples = nil }, "0 samples are too few to tell whether anything grows"},
	} {
		r := calm()
		test.change(r)
		r.judge()
		if test.want == "" && !r.Passed() || test.want != "" && (len(r.Faults) != 1 || !strings.HasPrefix(r.Faults[0], test.want)) {
			t.Errorf("%s: %q, wanted %q", name, r.Faults, test.want)
		}
		var table strings.Builder
		r.WriteTable(&table)
		if strings.Contains(table.String(), "FAIL") == r.Passed() {
			t.Errorf("%s: %s", name, table.String())
		}
		var told struct{ Passed bool }
		if b, err := json.Marshal(r); err != nil || json.Unmarshal(b, &told) != nil || told.Passed != r.Passed() {
			t.Errorf("%s: %s, %v", name, b, err)
		}
	}
}

// What ended early is told, and is no pass.
func TestPartial(t *testing.T) {
	r := calm()
	r.Partial, r.After = true, Sample{}
	var table strings.Builder
	r.WriteTable(&table)
	b, err := json.Marshal(r)
	if text := table.String(); err != nil || r.Passed() || strings.Contains(text, "ok:") || strings.Contains(text, "after it:") || !strings.Contains(text, "\nended early: ") ||
		!strings.Contains(string(b), `"passed":false,"partial":true`) || strings.Contains(string(b), `"after"`) {
		t.Errorf("%s\n%s, %v", text, b, err)
	}
}

// A line is found as it is.
func TestFit(t *testing.T) {
	var samples []Sample
	for i := range 11 {
		samples = append(samples, Sample{At: time.Duration(i) * time.Second, Goroutines: 100 + 3*i})
	}
	got := trends[3].fit(samples)
	if got.Level < 114.999 || got.Level > 115.001 || got.Slope < 2.999 || got.Slope > 3.001 || got.Error > 1e-6 || got.Rise() < 29.99 || !got.Grows() {
		t.Errorf("%+v: %v", got, got)
	}
	if s := got.String(); s != "level 115.0, rises by 30.0 in 10s (10800.0 +- 0.0 an hour)" {
		t.Error(s)
	}
	slices.Reverse(samples)
	for i := range samples {
		samples[i].At = 0
	}
	if got := trends[3].fit(samples); got.Slope != 0 || got.Grows() {
		t.Errorf("all at once: %+v", got)
	}
	for n := range 3 {
		if got := trends[3].fit(samples[:n]); got.Slope != 0 || got.Grows() {
			t.Errorf("of %d: %+v", n, got)
		}
	}
}

func TestParseGoroutines(t *testing.T) {
	n, err := parseGoroutines(strings.NewReader("# TYPE go_goroutines gauge\ngo_goroutines_all 7\ngo_goroutines 12\n"))
	if n != 12 || err != nil {
		t.Error(n, err)
	}
	if _, err := parseGoroutines(strings.NewReader("go_threads 7\n")); err == nil {
		t.Error("none is taken for some")
	}
	if _, err := parseGoroutines(strings.NewReader("go_goroutines many\n")); err == nil {
		t.Error("many is taken for some")
	}
}
