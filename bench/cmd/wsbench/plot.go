package main

import (
	"math"

	"h2ws/bench"
)

// plot is what page.js draws.
type plot struct {
	Kind   string    `json:"kind"`            // lines or bars
	X      string    `json:"x,omitempty"`     // unit, as page.js knows them
	Y      string    `json:"y"`               //
	XName  string    `json:"xName,omitempty"` //
	LogX   bool      `json:"logX,omitempty"`  //
	LogY   bool      `json:"logY,omitempty"`  //
	Least  float64   `json:"least,omitempty"` // the top of the scale is not below that
	Xs     []float64 `json:"xs,omitempty"`    // of lines
	Names  []string  `json:"names,omitempty"` // of bars
	Series []curveOf `json:"series"`
}

// curveOf is a line, or the bars. nil is a gap.
type curveOf struct {
	Name   string     `json:"name"`
	Values []*float64 `json:"values"`
	Color  int        `json:"color,omitempty"` // of those in page.css; 0: the next
	Fill   bool       `json:"fill,omitempty"`
}

// add shows a plot in a section.
func (p *page) add(s *pageSection, title, note string, what plot) {
	s.Plots = append(s.Plots, plotRef{len(p.plots), title, note})
	p.plots = append(p.plots, what)
}

// Colours of page.css that mean the same in every plot.
const (
	colorFirst  = 1
	colorSecond = 2
	colorThird  = 3
)

// addResult adds the plots of a scenario.
func (p *page) addResult(r *bench.Result) {
	s := &pageSection{Title: r.Name}
	if r.Failure != "" {
		s.Alerts = append(s.Alerts, "Ended early: "+r.Failure)
	}
	p.Sections = append(p.Sections, s)
	named := []namedLatency{{r.Name, r.Latency}}
	if r.Raw != nil {
		named = []namedLatency{{"from when it was due", r.Latency}, {"from when it was sent (uncorrected)", r.Raw}}
	}
	if r.Name == "fanout" && r.Delivery == nil {
		named[0].name = "to the last socket"
	}
	if r.Delivery != nil {
		named[0].name = "to each socket, from when it was due"
		if r.Raw != nil {
			named[1].name = "to each socket, from when it was published (uncorrected)"
		}
		named = append(named, namedLatency{"to the last socket", r.Delivery.ToLast})
	}
	p.add(s, "Latency by percentile", "both scales are logarithmic", percentiles(named))
	if len(r.Series) < 2 {
		return
	}
	xs, column := columns(r.Series)
	p.add(s, "Throughput", r.Unit+" a second", plot{Kind: "lines", X: "seconds", Y: "number", Xs: xs, Series: []curveOf{
		{r.Unit, column(bench.Point.PerSecond), colorFirst, true},
	}})
	p.add(s, "Latency over time", "logarithmic", plot{Kind: "lines", X: "seconds", Y: "us", LogY: true, Xs: xs, Series: []curveOf{
		{"p50", column(func(p bench.Point) float64 { return pointLatency(p, "p50") }), colorFirst, false},
		{"p99", column(func(p bench.Point) float64 { return pointLatency(p, "p99") }), colorSecond, false},
		{"max", column(func(p bench.Point) float64 { return pointLatency(p, "max") }), colorThird, false},
	}})
	p.add(s, "CPUs busy", "", plot{Kind: "lines", X: "seconds", Y: "number", Least: 1, Xs: xs, Series: []curveOf{
		{"server", column(bench.Point.Busy), colorFirst, true},
		{"loader", column(func(p bench.Point) float64 { return p.Client }), colorSecond, false},
	}})
	if r.Series[len(r.Series)-1].Server.RSS > 0 {
		p.add(s, "Server memory", "", plot{Kind: "lines", X: "seconds", Y: "octets", Xs: xs, Series: []curveOf{
			{"RSS", column(func(p bench.Point) float64 { return float64(p.Server.RSS) }), colorFirst, true},
			{"queues of its sockets (kernel)", column(func(p bench.Point) float64 { return float64(p.Server.Sockets) }), colorSecond, false},
		}})
	}
}

// columns returns the times of a series, and how to take a value from each of its points.
func columns(series []bench.Point) (xs []float64, column func(func(bench.Point) float64) []*float64) {
	for _, p := range series {
		xs = append(xs, p.Until.Seconds())
	}
	return xs, func(of func(bench.Point) float64) (values []*float64) {
		for _, p := range series {
			values = append(values, number(of(p)))
		}
		return values
	}
}

// number is nil for NaN.
func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// pointLatency is in microseconds; a logarithm has no 0.
func pointLatency(p bench.Point, name string) float64 {
	if p.Lat == nil {
		return math.NaN()
	}
	return max(1e-3, float64(latencies[name](p.Lat))/1e3)
}

type namedLatency struct {
	name string
	l    *bench.Latency
}

// percentiles draws latencies over 1/(1-q), so that 90 %, 99 % and 99.9 % are equally far from each other.
func percentiles(named []namedLatency) plot {
	p := plot{Kind: "lines", X: "percentile", XName: "percentile", Y: "us", LogX: true, LogY: true}
	most := 1
	for _, n := range named {
		if n.l != nil && n.l.Histogram != nil {
			most = max(most, n.l.Count)
		}
	}
	const perDecade = 12
	for k := 0; k <= int(math.Ceil(perDecade*math.Log10(float64(most)))); k++ {
		p.Xs = append(p.Xs, math.Pow(10, float64(k)/perDecade))
	}
	for _, n := range named {
		if n.l == nil || n.l.Histogram == nil {
			continue
		}
		c := curveOf{Name: n.name}
		for _, x := range p.Xs {
			us := float64(n.l.Histogram.ValueAtPercentile(100*(1-1/x))) / 1e3
			if x > float64(n.l.Count)*math.Pow(10, 1.0/perDecade) {
				us = math.NaN()
			}
			c.Values = append(c.Values, number(max(1e-3, us)))
		}
		p.Series = append(p.Series, c)
	}
	return p
}
