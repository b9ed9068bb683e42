package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"h2ws/bench"
)

// objective is one -slo: "[scenario.]metric op value[unit]".
type objective struct {
	text     string
	scenario string // "": see about
	metric   string
	op       string
	value    float64 // in the unit of the metric
	share    bool    // of losses: in percent
}

// sloFlag is a flag.Value.
type sloFlag []objective

func (f *sloFlag) String() string { return "" }

func (f *sloFlag) Set(s string) error {
	o, err := parseObjective(s)
	if err == nil {
		*f = append(*f, o)
	}
	return err
}

// Operators, the longer ones first.
var operators = []string{"<=", ">=", "==", "!=", "<", ">"}

// What values are.
type unit int

const (
	unitNumber unit = iota
	unitDuration
	unitOctets
)

// gauge reads a metric of a result, NaN if it was not measured.
type gauge struct {
	unit unit
	of   func(r *bench.Result) float64
}

// latencies are the metrics of a latency, by their names.
var latencies = map[string]func(*bench.Latency) time.Duration{
	"p50": func(l *bench.Latency) time.Duration { return l.P50 }, "p90": func(l *bench.Latency) time.Duration { return l.P90 },
	"p95": func(l *bench.Latency) time.Duration { return l.P95 }, "p99": func(l *bench.Latency) time.Duration { return l.P99 },
	"p99.9": func(l *bench.Latency) time.Duration { return l.P999 }, "p99.99": func(l *bench.Latency) time.Duration { return l.P9999 },
	"max": func(l *bench.Latency) time.Duration { return l.Max }, "mean": func(l *bench.Latency) time.Duration { return l.Mean },
}

// gauges are the metrics, by their names.
var gauges = func() map[string]gauge {
	perOp := gauge{unitDuration, func(r *bench.Result) float64 {
		return known(r.ServerCPU != 0 && r.Count > 0, float64(r.ServerPerOp()))
	}}
	m := map[string]gauge{
		"rate":   {unitNumber, func(r *bench.Result) float64 { return r.PerSecond() }},
		"loss":   {unitNumber, func(r *bench.Result) float64 { return float64(losses(r)) }},
		"errors": {unitNumber, func(r *bench.Result) float64 { return float64(faults(r)) }},
		"server.cpu": {unitNumber, func(r *bench.Result) float64 {
			return known(r.ServerCPU != 0, r.ServerCPU.Seconds()/max(r.Elapsed.Seconds(), 1e-9))
		}},
		"server.cpu_per_op": perOp, "server.cpu_per_delivery": perOp, "server.cpu_per_echo": perOp, "server.cpu_per_open": perOp,
		"server.rss":            {unitOctets, func(r *bench.Result) float64 { return most(r, func(u bench.Usage) int64 { return u.RSS }) }},
		"server.socket_memory":  {unitOctets, func(r *bench.Result) float64 { return most(r, func(u bench.Usage) int64 { return u.Sockets }) }},
		"server.rss_per_socket": {unitOctets, func(r *bench.Result) float64 { return known(r.Memory != nil, r.BytesPerSocket()) }},
	}
	for name, of := range latencies {
		m[name] = gauge{unitDuration, func(r *bench.Result) float64 { return latency(r.Latency, of) }}
		m["uncorrected."+name] = gauge{unitDuration, func(r *bench.Result) float64 { return latency(r.Raw, of) }}
		m["lag."+name] = gauge{unitDuration, func(r *bench.Result) float64 { return latency(r.Loader.Lag, of) }}
		m["last."+name] = gauge{unitDuration, func(r *bench.Result) float64 { return latency(toLast(r), of) }}
	}
	return m
}()

func known(ok bool, value float64) float64 {
	if !ok {
		return math.NaN()
	}
	return value
}

func latency(l *bench.Latency, of func(*bench.Latency) time.Duration) float64 {
	if l == nil {
		return math.NaN()
	}
	return float64(of(l))
}

// toLast is the latency until the last socket has a message.
func toLast(r *bench.Result) *bench.Latency {
	switch {
	case r.Delivery != nil:
		return r.Delivery.ToLast
	case r.Name == "fanout":
		return r.Latency
	}
	return nil
}

func losses(r *bench.Result) int {
	if r.Delivery != nil {
		return r.Delivery.Prompt.Lost
	}
	return r.Lost
}

// owed is what losses are a share of.
func owed(r *bench.Result) int {
	if r.Delivery != nil {
		return r.Delivery.Prompt.Delivered + r.Delivery.Prompt.Lost
	}
	return max(r.Begun, r.Count)
}

func faults(r *bench.Result) (n int) {
	if r.Failure != "" {
		n++
	}
	if d := r.Delivery; d != nil {
		n += d.Prompt.Repeated + d.Prompt.Reordered
	}
	return n
}

func most(r *bench.Result, of func(bench.Usage) int64) float64 {
	value := math.NaN()
	for _, p := range r.Series {
		if n := of(p.Server); n > 0 && !(value > float64(n)) {
			value = float64(n)
		}
	}
	return value
}

// scenarioNames are the results that an objective may be about.
var scenarioNames = []string{"open", "echo", "fanout", "idle", "close"}

func parseObjective(s string) (o objective, err error) {
	o.text = s
	at := strings.IndexAny(s, "<>=!")
	if at < 0 {
		return o, errors.New("it is metric, operator and value, as in 'p99<20ms'")
	}
	name, rest := strings.TrimSpace(s[:at]), s[at:]
	for _, op := range operators {
		if after, ok := strings.CutPrefix(rest, op); ok {
			o.op, rest = op, strings.TrimSpace(after)
			break
		}
	}
	if o.op == "" {
		return o, fmt.Errorf("the operators are %s", strings.Join(operators, " "))
	}
	o.metric = name
	if scenario, metric, ok := strings.Cut(name, "."); ok && slices.Contains(scenarioNames, scenario) {
		o.scenario, o.metric = scenario, metric
	}
	g, ok := gauges[o.metric]
	if !ok {
		return o, fmt.Errorf("there is no metric %q (see -h)", o.metric)
	}
	if percent, ok := strings.CutSuffix(rest, "%"); ok && o.metric == "loss" {
		o.share, rest = true, percent
	}
	o.value, err = parseValue(rest, g.unit)
	return o, err
}

// octets are the units of memory.
var octets = []struct {
	suffix string
	n      float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}

func parseValue(s string, u unit) (float64, error) {
	switch u {
	case unitDuration:
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, fmt.Errorf("%q is no duration, as 20ms is", s)
		}
		return float64(d), nil
	case unitOctets:
		for _, o := range octets {
			if number, ok := strings.CutSuffix(s, o.suffix); ok {
				n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
				return n * o.n, err
			}
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) {
		return 0, fmt.Errorf("%q is no number", s)
	}
	return n, nil
}

// about says whether the objective is about what a step of a scenario measures. Without a name it is not about opening and
// closing sockets, where they are opened for something, whether it came to that or not.
func (o *objective) about(name string, s *scenario) bool {
	if o.scenario != "" {
		return name == o.scenario
	}
	storms := !slices.ContainsFunc(s.steps, func(s step) bool { return !s.storm() })
	return storms || !step{name: name}.storm()
}

// about says whether any of them is.
func (f sloFlag) about(name string, s *scenario) bool {
	return slices.ContainsFunc(f, func(o objective) bool { return o.about(name, s) })
}

// verdict says what became of the objective in a run. All results that it is about must meet it: the first that does not
// is told.
func (o *objective) verdict(s *scenario, results []bench.Result) bench.Verdict {
	v := bench.Verdict{Objective: o.text, Text: "not measured"}
	for i := range results {
		r := &results[i]
		if !o.about(r.Name, s) {
			continue
		}
		value := o.of(r)
		if math.IsNaN(value) {
			continue
		}
		v.Value, v.Text, v.Met = value, o.valueText(value), o.met(value)
		if !v.Met {
			break
		}
	}
	return v
}

// of is NaN where the metric was not measured.
func (o *objective) of(r *bench.Result) float64 {
	if strings.HasPrefix(o.metric, "lag.") && r.Loader == nil {
		return math.NaN()
	}
	value := gauges[o.metric].of(r)
	if o.share {
		value = 100 * value / float64(max(1, owed(r)))
	}
	return value
}

func (o *objective) met(value float64) bool {
	switch o.op {
	case "<":
		return value < o.value
	case "<=":
		return value <= o.value
	case ">":
		return value > o.value
	case ">=":
		return value >= o.value
	case "==":
		return value == o.value
	default:
		return value != o.value
	}
}

func (o *objective) valueText(value float64) string {
	switch gauges[o.metric].unit {
	case unitDuration:
		return bench.DurationText(time.Duration(value))
	case unitOctets:
		return bench.OctetsText(value)
	}
	if o.share {
		return fmt.Sprintf("%.3g %%", value)
	}
	if value == math.Trunc(value) || value >= 1000 {
		return bench.Thousands(int(value))
	}
	return fmt.Sprintf("%.3g", value)
}

// verdicts judges a run of a scenario.
func (f sloFlag) verdicts(s *scenario, results []bench.Result) (all []bench.Verdict) {
	for i := range f {
		all = append(all, f[i].verdict(s, results))
	}
	return all
}

// watch ends a run of a scenario that misses an objective about latency in each of three intervals of a step in a row, with
// errMissed.
type watch struct {
	scenario   *scenario
	step       step // that the points are of
	objectives sloFlag
	missed     []int // of each: intervals in a row
	end        func(error)
}

// hopeless is how many intervals in a row are enough.
const hopeless = 3

func newWatch(s *scenario, f sloFlag, end func(error)) *watch {
	return &watch{scenario: s, objectives: f, missed: make([]int, len(f)), end: end}
}

// begin is called before a step, when no points are told.
func (w *watch) begin(s step) {
	w.step = s
	clear(w.missed)
}

// told is given the points of a series.
func (w *watch) told(p bench.Point) {
	for i := range w.objectives {
		o := &w.objectives[i]
		of, ok := latencies[o.metric]
		if !ok || p.Lat == nil || !o.about(w.step.name, w.scenario) {
			continue
		}
		if w.missed[i]++; o.met(float64(of(p.Lat))) {
			w.missed[i] = 0
		}
		if w.missed[i] == hopeless {
			w.end(errMissed)
		}
	}
}
