package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// Comparison is what several servers cost that were given the same work on one machine, in one run.
type Comparison struct {
	Version int
	Started time.Time
	Machine Machine
	Command []string // the command line
	Size    int      // of messages, in octets
	Cells   []Cell   // of each shape the first is what the others are compared with

	Elsewhere bool // the servers are at URLs, and were opened and echoed at only
}

// Cell is one server in one shape: so many sockets on so many connections.
type Cell struct {
	Server    string
	HTTP1     bool // it speaks HTTP/1.1, not HTTP/2
	Conns     int
	Sockets   int
	Connected Result   // see Client.Connected
	Results   []Result // of the scenarios that ended well
	Failure   error    // why there are no more; nil: all ended well
	SLOs      []Verdict
	Invalid   string // why latency and rate are the loader's and not the server's
}

// metric is a figure of which less is better, taken from the result of a scenario.
type metric struct {
	name     string
	title    string
	text     func(float64) string
	scenario string
	of       func(*Cell, Result) float64
}

var metrics = []metric{
	{"open_cpu_ns", "open", nanosecondsText, "open", func(c *Cell, r Result) float64 {
		return perOp(c.Connected.ServerCPU+r.ServerCPU, r.Count)
	}},
	{"idle_bytes", "idle", bytesText, "idle", func(_ *Cell, r Result) float64 { return r.BytesPerSocket() }},
	{"echo_cpu_ns", "echo", nanosecondsText, "echo", cpuPerOp},
	{"delivery_cpu_ns", "fan-out", nanosecondsText, "fanout", cpuPerOp},
	{"last_socket_ns", "last socket", nanosecondsText, "fanout", medianLatency},
}

// metricsElsewhere are those of a Comparison.Elsewhere.
var metricsElsewhere = []metric{
	{"open_cpu_ns", "open", nanosecondsText, "open", cpuPerOp},
	{"echo_cpu_ns", "echo", nanosecondsText, "echo", cpuPerOp},
	{"echo_p50_ns", "p50", nanosecondsText, "echo", medianLatency},
	{"echo_p99_ns", "p99", nanosecondsText, "echo", func(_ *Cell, r Result) float64 {
		if r.Latency == nil {
			return math.NaN()
		}
		return float64(r.Latency.P99)
	}},
}

func (c *Comparison) metrics() []metric {
	if c.Elsewhere {
		return metricsElsewhere
	}
	return metrics
}

func cpuPerOp(_ *Cell, r Result) float64 {
	if r.ServerCPU == 0 {
		return math.NaN()
	}
	return perOp(r.ServerCPU, r.Count)
}

func medianLatency(_ *Cell, r Result) float64 {
	if r.Latency == nil {
		return math.NaN()
	}
	return float64(r.Latency.P50)
}

// value is NaN if it was not measured.
func (m metric) value(c *Cell) float64 {
	for _, r := range c.Results {
		if r.Name == m.scenario {
			return m.of(c, r)
		}
	}
	return math.NaN()
}

// ratio is how many times base's figure c's is, or 0 where one of them is missing.
func (m metric) ratio(c, base *Cell) float64 {
	if r := m.value(c) / m.value(base); r > 0 && !math.IsInf(r, 0) {
		return r
	}
	return 0
}

// base returns the cell that one is compared with.
func (c *Comparison) base(cell *Cell) *Cell {
	for i := range c.Cells {
		if b := &c.Cells[i]; b.sameShape(cell) {
			return b
		}
	}
	return cell
}

func (c *Cell) sameShape(d *Cell) bool { return c.Conns == d.Conns && c.Sockets == d.Sockets }

// Shape says how many sockets are on how many connections.
func (c *Cell) Shape() string {
	return fmt.Sprintf("%s x %s", Plural(c.Conns, "connection"), Thousands(c.Sockets/c.Conns))
}

// Failures is how many cells lack figures.
func (c *Comparison) Failures() (n int) {
	for i := range c.Cells {
		if c.Cells[i].Failure != nil {
			n++
		}
	}
	return n
}

// MarshalJSON gives each figure with its ratio to the base's.
func (c *Comparison) MarshalJSON() ([]byte, error) {
	out := comparisonJSON{
		Version: c.Version, Started: c.Started, Machine: c.Machine,
		Command: c.Command, Size: c.Size, Elsewhere: c.Elsewhere, Cells: []cellJSON{},
	}
	for i := range c.Cells {
		cell := &c.Cells[i]
		out.Cells = append(out.Cells, cell.json(c.metrics(), c.base(cell)))
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Comparison) UnmarshalJSON(b []byte) error {
	var in comparisonJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*c = Comparison{Version: in.Version, Started: in.Started, Machine: in.Machine, Command: in.Command, Size: in.Size, Elsewhere: in.Elsewhere}
	for _, j := range in.Cells {
		cell := Cell{Server: j.Server, HTTP1: j.Protocol == "HTTP/1.1", Conns: j.Conns, Sockets: j.Sockets, Connected: j.Connected, Results: j.Results, SLOs: j.SLOs, Invalid: j.Invalid}
		if j.Failure != "" {
			cell.Failure = errors.New(j.Failure)
		}
		c.Cells = append(c.Cells, cell)
	}
	return nil
}

func (c *Cell) json(metrics []metric, base *Cell) cellJSON {
	out := cellJSON{
		Server: c.Server, Protocol: "HTTP/2", Conns: c.Conns, Sockets: c.Sockets,
		Figures: map[string]figureJSON{}, Connected: c.Connected, Results: c.Results, SLOs: c.SLOs, Invalid: c.Invalid,
	}
	if c.HTTP1 {
		out.Protocol = "HTTP/1.1"
	}
	if c.Failure != nil {
		out.Failure = c.Failure.Error()
	}
	for _, m := range metrics {
		if figure := m.value(c); !math.IsNaN(figure) {
			out.Figures[m.name] = figureJSON{figure, m.ratio(c, base)}
		}
	}
	return out
}

type comparisonJSON struct {
	Version int       `json:"version"`
	Started time.Time `json:"started"`
	Machine
	Command   []string   `json:"command,omitempty"`
	Size      int        `json:"size_bytes"`
	Elsewhere bool       `json:"elsewhere,omitempty"`
	Cells     []cellJSON `json:"cells"`
}

type cellJSON struct {
	Server    string                `json:"server"`
	Protocol  string                `json:"protocol"`
	Conns     int                   `json:"conns"`
	Sockets   int                   `json:"sockets"`
	Failure   string                `json:"failure,omitempty"`
	Figures   map[string]figureJSON `json:"figures"`
	Connected Result                `json:"connected"`
	Results   []Result              `json:"results"`
	SLOs      []Verdict             `json:"slos,omitempty"`
	Invalid   string                `json:"invalid,omitempty"`
}

type figureJSON struct {
	Value float64 `json:"value"`
	Ratio float64 `json:"ratio,omitempty"` // to the first server of the shape
}

// Reports has one for each cell that has results.
func (c *Comparison) Reports() (all []*Report) {
	for i := range c.Cells {
		cell := &c.Cells[i]
		all = append(all, &Report{
			Version: ReportVersion, Started: c.Started, Machine: c.Machine, Command: c.Command, Addr: cell.Server, Protocol: cell.protocol(),
			Sockets: cell.Sockets, Conns: cell.Conns, Size: c.Size, Results: cell.Results, SLOs: cell.SLOs, Invalid: cell.Invalid,
		})
	}
	return all
}

func (c *Cell) protocol() string {
	if c.HTTP1 {
		return "HTTP/1.1"
	}
	return "HTTP/2"
}

// Bars is one metric of all servers in a shape, of which less is better.
type Bars struct {
	Shape, Title string
	Octets       bool // nanoseconds otherwise
	Servers      []string
	Values       []float64 // NaN: not measured
}

// Bars has all metrics of all shapes, those of a shape together.
func (c *Comparison) Bars() (all []Bars) {
	for i := range c.Cells {
		first := &c.Cells[i]
		if c.base(first) != first {
			continue
		}
		for _, m := range c.metrics() {
			b := Bars{Shape: first.Shape(), Title: m.title, Octets: m.name == "idle_bytes"}
			for k := range c.Cells {
				if cell := &c.Cells[k]; cell.sameShape(first) {
					b.Servers, b.Values = append(b.Servers, cell.Server), append(b.Values, m.value(cell))
				}
			}
			all = append(all, b)
		}
	}
	return all
}
