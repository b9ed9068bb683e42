package soak

import (
	"fmt"
	"math"
	"time"
)

// Trend is the line through samples of one figure that has the least squares of distances.
//
// The figure grows if the line rises, from the first sample to the last, by more than a share of its level and by more
// than what comes and goes anyway, and does so beyond doubt: its slope less twice its standard error still has it
// rise as much.
type Trend struct {
	Name  string
	Level float64       // mean of the samples
	Span  time.Duration // from the first to the last
	Slope float64       // a second
	Error float64       // standard error of that
	of    trend
}

// growthShare is what a rise must exceed, of the level.
const growthShare = 0.05

// samplesMin is how many samples tell a trend.
const samplesMin = 10

// trend is one figure that must not grow.
type trend struct {
	name   string
	of     func(Sample) float64
	least  float64 // what comes and goes anyway: a rise below is none
	format string
	scale  float64 // of what format prints
}

var trends = []trend{
	{"memory", func(s Sample) float64 { return float64(s.RSS) }, 4 << 20, "%.2f MB", 1 << 20},
	{"anonymous memory", func(s Sample) float64 { return float64(s.Anonymous) }, 4 << 20, "%.2f MB", 1 << 20},
	{"descriptors", func(s Sample) float64 { return float64(s.Descriptors) }, 10, "%.1f", 1},
	{"goroutines", func(s Sample) float64 { return float64(s.Goroutines) }, 10, "%.1f", 1},
}

// fit needs two samples at different times to have a slope, and three for its error.
func (f trend) fit(samples []Sample) Trend {
	t := Trend{Name: f.name, of: f}
	n := float64(len(samples))
	if n < 3 {
		return t
	}
	t.Span = samples[len(samples)-1].At - samples[0].At
	var at float64
	for _, s := range samples {
		at += s.At.Seconds() / n
		t.Level += f.of(s) / n
	}
	var xx, xy float64
	for _, s := range samples {
		x := s.At.Seconds() - at
		xx += x * x
		xy += x * (f.of(s) - t.Level)
	}
	if xx == 0 {
		return t
	}
	t.Slope = xy / xx
	var rest float64
	for _, s := range samples {
		d := f.of(s) - t.Level - t.Slope*(s.At.Seconds()-at)
		rest += d * d
	}
	t.Error = math.Sqrt(rest / (n - 2) / xx)
	return t
}

// Rise is how much the line rises from the first sample to the last.
func (t Trend) Rise() float64 { return t.Slope * t.Span.Seconds() }

// Grows says whether the figure does.
func (t Trend) Grows() bool {
	sure := (t.Slope - 2*t.Error) * t.Span.Seconds()
	return sure > max(t.of.least, growthShare*t.Level)
}

func (t Trend) String() string {
	amount := func(v float64) string { return fmt.Sprintf(t.of.format, v/t.of.scale) }
	return fmt.Sprintf("level %s, rises by %s in %v (%s +- %s an hour)", amount(t.Level), amount(t.Rise()), t.Span.Round(time.Second),
		amount(t.Slope*3600), amount(2*t.Error*3600))
}
