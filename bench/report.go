package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is the results of one run with what they depend on.
type Report struct {
	Version int       `json:"version"` // of this format: see ReportVersion
	Started time.Time `json:"started"`
	Machine
	Command  []string  `json:"command,omitempty"` // the command line
	Addr     string    `json:"addr"`
	Protocol string    `json:"protocol"`
	Path     string    `json:"path"`
	PID      int       `json:"pid,omitempty"`            // of the server; 0: not measured
	More     int       `json:"more_processes,omitempty"` // of the server, measured with it
	Sockets  int       `json:"sockets"`
	Conns    int       `json:"conns"`
	InFlight int       `json:"inflight"`
	Size     int       `json:"size_bytes"`
	Batch    int       `json:"batch"`
	Sizes    string    `json:"sizes,omitempty"`
	Pace     *paceJSON `json:"pace,omitempty"` // nil: closed loop
	Churn    *Churn    `json:"churn,omitempty"`
	Load     *Load     `json:"load,omitempty"` // nil: one message at a time
	Random   bool      `json:"random_order"`
	Window   int       `json:"window_bytes"`
	Results  []Result  `json:"results"`
	SLOs     []Verdict `json:"slos,omitempty"`
	Failure  string    `json:"failure,omitempty"` // why it ended early
	Invalid  string    `json:"invalid,omitempty"` // why latency and rate are the loader's and not the server's
}

// ReportVersion is what Report.Version is now. It grows with every change that a reader must know of.
const ReportVersion = 1

// Verdict is what became of a service level objective.
type Verdict struct {
	Objective string  `json:"objective"` // as it was given
	Value     float64 `json:"value"`     // in the unit of the objective
	Text      string  `json:"text"`      // of the value, for people
	Met       bool    `json:"met"`
}

type paceJSON struct {
	Rate     float64 `json:"per_second"`
	Arrivals string  `json:"arrivals"`
	WarmUp   float64 `json:"warmup_seconds"`
	Ramp     float64 `json:"ramp_seconds"`
}

// NewReport describes a run with cfg, which starts now.
func NewReport(cfg Config) *Report {
	r := &Report{
		Version: ReportVersion, Started: time.Now().UTC(), Machine: ThisMachine(),
		Addr: cfg.Addr, Protocol: cfg.Protocol(), Path: cfg.Path, Sizes: cfg.Sizes.String(), Sockets: cfg.Sockets, Conns: cfg.Conns, InFlight: cfg.InFlight, Size: cfg.Size,
		Batch: cfg.Batch, Random: cfg.Random, Window: cfg.Window, Results: []Result{},
	}
	if p := cfg.Pace; p.Rate > 0 {
		r.Pace = &paceJSON{p.Rate, p.arrivals(), p.warmUp(cfg.Duration).Seconds(), p.Ramp.Seconds()}
	} else if p := cfg.Opening; p.Rate > 0 {
		r.Pace = &paceJSON{Rate: p.Rate, Arrivals: p.arrivals(), Ramp: p.Ramp.Seconds()}
	}
	if cfg.Churn != (Churn{}) {
		r.Churn = &cfg.Churn
	}
	if cfg.Load.Rate > 0 {
		load := cfg.Load.withDefaults(cfg.Sockets)
		r.Load = &load
	}
	if p, ok := cfg.Server.(*Process); ok {
		r.PID, r.More = p.PID, p.Processes()-1
	}
	return r
}

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	size := Plural(r.Size, "octet")
	if r.Sizes != "" && r.Sizes != strconv.Itoa(r.Size) {
		size = r.Sizes + " octets"
	}
	fmt.Fprintf(w, "%s on %s, messages of %s, ", Plural(r.Sockets, "WebSocket"), Plural(r.Conns, "connection"), size)
	if r.Pace != nil {
		fmt.Fprintf(w, "%s a second (%s)\n", rateText(r.Pace.Rate), r.Pace.Arrivals)
	} else {
		fmt.Fprintf(w, "%s in flight\n", Thousands(r.InFlight))
	}
	fmt.Fprintf(w, "server %s", r.Addr)
	if r.PID != 0 {
		fmt.Fprintf(w, ", process %d", r.PID)
	}
	if r.More != 0 {
		fmt.Fprintf(w, " and %d more", r.More)
	}
	if r.Protocol != "" && r.Protocol != "HTTP/2" {
		fmt.Fprintf(w, ", %s", r.Protocol)
	}
	fmt.Fprintf(w, "; %s, %s, %s\n\n", r.Go, r.System, Plural(r.CPUs, "CPU"))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tcount\tper second\tserver CPU each\tclient CPU each\tp50\tp99\tmax\t")
	for _, row := range r.Results {
		if row.Memory == nil {
			fmt.Fprintln(t, row.cells())
		}
		if l := row.Raw; l != nil {
			fmt.Fprintf(t, "uncorrected\t-\t-\t-\t-\t%s\t%s\t%s\t\n", DurationText(l.P50), DurationText(l.P99), DurationText(l.Max))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return r.WriteNotes(w)
}

func (r Result) cells() string {
	cells := []string{
		r.Name, Thousands(r.Count), Thousands(int(r.PerSecond())), perOpText(r.ServerCPU, r.Count), perOpText(r.ClientCPU, r.Count), "-", "-", "-", "",
	}
	if l := r.Latency; l != nil {
		cells[5], cells[6], cells[7] = DurationText(l.P50), DurationText(l.P99), DurationText(l.Max)
	}
	return strings.Join(cells, "\t")
}

// WriteNotes writes what does not fit the columns.
func (r *Report) WriteNotes(w io.Writer) error {
	fmt.Fprintln(w)
	for _, row := range r.Results {
		switch {
		case row.Failure != "":
			fmt.Fprintf(w, "%s ended early, after %s: %s.\n", row.Name, DurationText(row.Elapsed), row.Failure)
		case row.Partial:
			fmt.Fprintf(w, "%s ended early, after %s.\n", row.Name, DurationText(row.Elapsed))
		case row.Delivery != nil: // see writeDelivery
		case row.Name == "fanout":
			fmt.Fprintf(w, "fanout: p50, p99 and max are of rounds, each %s to %s: from the command to the last delivery.\n",
				Plural(r.Batch, "message"), Plural(r.Sockets, "socket"))
		}
		if row.Delivery != nil {
			r.writeDelivery(w, row.Delivery)
		}
		row.writeRate(w)
		row.writeServer(w)
		if m := row.Memory; m != nil {
			fmt.Fprintf(w, "idle: %.0f octets of server memory a socket (RSS %s, before the sockets %s)\n",
				row.BytesPerSocket(), megabytes(m.RSS), megabytes(m.Base))
			if row.Loader != nil {
				fmt.Fprintf(w, "idle: the loader itself has %s.\n", megabytes(row.Loader.RSS))
			}
		}
	}
	for _, v := range r.SLOs {
		met := "missed"
		if v.Met {
			met = "met"
		}
		fmt.Fprintf(w, "slo: %s: %s, %s\n", v.Objective, met, v.Text)
	}
	if r.Invalid != "" {
		fmt.Fprintf(w, "INVALID: %s\n", r.Invalid)
	}
	return nil
}

// writeRate writes what is behind the latency of operations that came at a rate.
func (r Result) writeRate(w io.Writer) {
	l := r.Loader
	if l == nil {
		return
	}
	if l.Lag != nil {
		fmt.Fprintf(w, "%s: latency is from when each was due, uncorrected from when it was sent: %s later at p50, %s at p99.\n",
			r.Name, DurationText(l.Lag.P50), DurationText(l.Lag.P99))
		fmt.Fprintf(w, "%s: %s of %s sent were answered, %s lost; the loader's loop was %.0f %% busy and waited %s for a CPU, %s took %s.\n", r.Name,
			Thousands(r.Count), Thousands(r.Begun), Thousands(r.Lost), 100*l.Busy, DurationText(l.Waited), Plural(l.Collections, "garbage collection"), DurationText(l.Paused))
	} else if l.Bound {
		fmt.Fprintf(w, "%s: the loader's loop had no time to wait: rate and latency are what it can do; server CPU each is the server's.\n", r.Name)
	}
	if l.Lag == nil && r.Lost > 0 {
		fmt.Fprintf(w, "%s: %s sent were never answered.\n", r.Name, Plural(r.Lost, "message"))
	}
	if c := r.Churned; c != (Churned{}) {
		fmt.Fprintf(w, "%s: meanwhile %s closed, %s reset, %s killed; %s opened again.\n", r.Name,
			Plural(c.Closes, "socket"), Thousands(c.Resets), Plural(c.Kills, "connection"), Plural(c.Reopened, "socket"))
	}
}

// writeServer writes what the server had at most in a series.
func (r Result) writeServer(w io.Writer) {
	var rss, sockets int64
	for _, p := range r.Series {
		rss, sockets = max(rss, p.Server.RSS), max(sockets, p.Server.Sockets)
	}
	if len(r.Series) > 1 && rss > 0 {
		fmt.Fprintf(w, "%s: the server had %s of RSS and %s in its sockets' queues at most.\n", r.Name, OctetsText(float64(rss)), OctetsText(float64(sockets)))
	}
}

// writeDelivery writes what a fan-out at a rate is about.
func (r *Report) writeDelivery(w io.Writer, d *Delivery) {
	l := r.Load
	fmt.Fprintf(w, "fanout: %s to %s of %s, from %s at %.4g a second in all.\n", Plural(d.Published, "message"),
		Plural(l.Topics, "topic"), Plural(l.Subscribers, "socket"), Plural(l.Publishers, "publisher"), l.Rate)
	fmt.Fprintf(w, "fanout: p50, p99 and max are from when a publish was due to a delivery, uncorrected from when it was")
	if t := d.ToLast; t != nil {
		fmt.Fprintf(w, "; to the last socket %s, %s and %s", DurationText(t.P50), DurationText(t.P99), DurationText(t.Max))
	}
	fmt.Fprintf(w, ".\nfanout: %s had %s to %s deliveries each; %s lost, %s twice, %s out of order.\n", Plural(d.Prompt.Sockets, "socket"),
		Thousands(d.Fewest), Thousands(d.Most), Thousands(d.Prompt.Lost), Thousands(d.Prompt.Repeated), Thousands(d.Prompt.Reordered))
	if s := d.Slow; s.Sockets > 0 {
		fmt.Fprintf(w, "fanout: %s had %s; %s lost, %s twice, %s out of order; the server gave up %s.\n", Plural(s.Sockets, "slow socket"),
			Thousands(s.Delivered)+" deliveries", Thousands(s.Lost), Thousands(s.Repeated), Thousands(s.Reordered), Thousands(s.Closed))
	}
	if r.PID != 0 {
		fmt.Fprintf(w, "fanout: server RSS %s before, %s at most.\n", megabytes(d.Memory.Base), megabytes(d.Memory.RSS))
	}
}

// rateText formats operations a second, of which there may be fewer than one.
func rateText(r float64) string {
	if r == math.Trunc(r) {
		return Thousands(int(r))
	}
	return fmt.Sprintf("%.6g", r)
}

// Thousands formats n in groups of three digits.
func Thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Plural is n of what noun names.
func Plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return Thousands(n) + " " + noun
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func perOpText(cpu time.Duration, count int) string {
	if count == 0 || cpu == 0 {
		return "-"
	}
	ns := perOp(cpu, count)
	if ns < 1000 {
		return fmt.Sprintf("%.0f ns", ns)
	}
	return DurationText(time.Duration(ns))
}

// OctetsText has the unit that makes it readable.
func OctetsText(n float64) string {
	switch a := math.Abs(n); {
	case a >= 1e9:
		return fmt.Sprintf("%.2f GB", n/1e9)
	case a >= 1e6:
		return fmt.Sprintf("%.1f MB", n/1e6)
	}
	return bytesText(n)
}

// Reports are all that were made in the run.
func (r *Report) Reports() []*Report { return []*Report{r} }

// DurationText has three significant digits.
func DurationText(d time.Duration) string {
	value, unit := float64(d)/1e3, "us"
	if d >= time.Second {
		value, unit = d.Seconds(), "s"
	} else if d >= time.Millisecond {
		value, unit = float64(d)/1e6, "ms"
	}
	decimals := 0
	if value > 0 {
		decimals = max(0, 2-int(math.Floor(math.Log10(value))))
	}
	return strconv.FormatFloat(value, 'f', min(decimals, 2), 64) + " " + unit
}
