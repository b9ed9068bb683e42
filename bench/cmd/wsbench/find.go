package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"h2ws/bench"
)

const findUsage = `
wsbench find [flags] -slo OBJECTIVE [URL]

Searches the highest load that meets the objectives: a higher one each time until they are missed, and
then between the two until these are within -precision of each other. Every load is a run of its own;
one that misses is tried once more, and one that is hopeless ends early. When the loader is the
bottleneck the search ends there, and says so (exit status 4): what was found is "at least". To get above
that give the server and wsbench processors of their own (taskset), or run wsbench on another machine.

Examples:
  wsbench find -slo 'p99<10ms'
  wsbench find -slo 'p99<20ms' -slo loss==0 -sockets 10000 -html find.html http://127.0.0.1:8080
  wsbench find -of sockets -rate 10000 -from 1000 -to 1000000 -slo 'open.p99<1s' -slo 'p99<20ms' https://localhost:8443
  wsbench find -scenario fanout -sockets 10000 -slo 'last.p99<50ms' http://127.0.0.1:8080`

// search is one run of find.
type search struct {
	scenario  *scenario
	o         *options
	of        string
	from, to  float64
	precision float64
	limit     time.Duration
	began     time.Time
	live      *live
	out       bench.Search
	end       error // why no more is to be tried

	try func(ctx context.Context, load float64) *bench.Probe // one run
}

// loads are what -of can be, and where the search begins and ends by default.
var loads = map[string]struct{ from, to float64 }{
	"rate": {1000, 1e7}, "sockets": {100, 1e6}, "inflight": {1, 1 << 20},
}

// findDuration is that of a probe, and findLimit that of a search.
const (
	findDuration = 3 * time.Second
	findLimit    = 2 * time.Minute
)

func find(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, o, err := newSearch(args, stdout)
	if err != nil {
		return err
	}
	if err := raiseDescriptors(o.cfg.Conns); err != nil {
		return err
	}
	stop, err := o.begin(ctx, s.scenario, stderr)
	if err != nil {
		return err
	}
	s.live = newLive(stderr, o.cfg)
	err = stop(s.run(ctx))
	s.live.close()
	if len(s.out.Probes) == 0 {
		return err
	}
	return errors.Join(o.outputs.write(&s.out, stdout, stderr), err)
}

func newSearch(args []string, stdout io.Writer) (*search, *options, error) {
	o := newOptions()
	o.command = commandLine("find", args)
	o.cfg.Sockets, o.cfg.Duration = 1000, findDuration
	s := &search{o: o, began: time.Now()}
	f := newFlagSet("find")
	f.StringVar(&s.of, "of", "rate", "search the highest `rate|sockets|inflight`")
	name := f.String("scenario", "echo", "what is measured: `echo|fanout`")
	f.Float64Var(&s.from, "from", 0, "`load` to begin with (default: 1,000 a second, 100 sockets, 1 in flight)")
	f.Float64Var(&s.to, "to", 0, "the highest `load` to try (default: 10 million a second, a million sockets, a million in flight)")
	f.Float64Var(&s.precision, "precision", 0.05, "end when what met and what missed are within this `share` of each other")
	f.DurationVar(&s.limit, "limit", findLimit, "end after this `time` with what was found until then")
	groups := flagsAddr | flagsSize | flagsDuration | flagsOrder | flagsPace | flagsSearch
	o.register(f, groups)
	if err := parseFlags(f, args, stdout, findUsage); err != nil {
		return nil, nil, err
	}
	if err := s.settle(f, *name); err != nil {
		return nil, nil, &usageError{"find", err.Error()}
	}
	return s, o, nil
}

// settle checks what the flags say.
func (s *search) settle(f *flag.FlagSet, name string) error {
	bounds, ok := loads[s.of]
	switch {
	case !ok:
		return fmt.Errorf("-of must be rate, sockets or inflight, not %q", s.of)
	case name != "echo" && name != "fanout":
		return fmt.Errorf("-scenario must be echo or fanout, not %q", name)
	case name == "fanout" && s.of == "inflight":
		return errors.New("-of inflight is for echo")
	case len(s.o.slos) == 0:
		return errors.New("-slo says what the load is to meet: give one")
	case !(s.precision > 0 && s.precision < 1):
		return fmt.Errorf("-precision must be a share between 0 and 1, not %v", s.precision)
	}
	s.scenario = scenarioNamed(name)
	if s.from == 0 {
		s.from = bounds.from
	}
	if s.to == 0 {
		s.to = max(bounds.to, s.from)
	}
	if !(s.from > 0 && s.from <= s.to && s.to <= 1e9) {
		return fmt.Errorf("-from must be above 0 and at most -to, not %v and %v", s.from, s.to)
	}
	s.try = s.measure
	s.out = bench.Search{Version: bench.ReportVersion, Started: s.began.UTC(), Of: s.of}
	if err := s.o.takeTarget(s.scenario, f.Args()); err != nil {
		return err
	}
	s.o.settle(f)
	if s.of == "rate" { // what it was is replaced
		s.o.cfg.Pace.Rate = s.from
	}
	if err := s.o.check(s.scenario); err != nil {
		return err
	}
	return s.check()
}

// check finds loads at both ends that cannot be.
func (s *search) check() error {
	for _, load := range []float64{s.from, s.to} {
		cfg := s.config(load)
		if err := cfg.Check(); err != nil {
			return fmt.Errorf("with %s %.4g: -%w", s.of, load, err)
		}
	}
	return nil
}

// config is that of a probe.
func (s *search) config(load float64) bench.Config {
	cfg := s.o.cfg
	switch s.of {
	case "rate":
		cfg.Pace.Rate = load
	case "sockets":
		cfg.Sockets = int(load)
		if cfg.HTTP1 {
			cfg.Conns = cfg.Sockets
		}
		cfg.Conns = min(cfg.Conns, cfg.Sockets)
	case "inflight":
		cfg.InFlight = int(load)
	}
	if s.scenario.name == "fanout" {
		cfg.Load.Rate, cfg.Pace.Rate = cfg.Pace.Rate, 0
	}
	return cfg
}

// grow is by how much the load grows until it is too much.
const grow = 4

func (s *search) run(ctx context.Context) error {
	load := s.from
	for s.end == nil && time.Since(s.began) < s.limit {
		if s.probe(ctx, load) {
			s.out.Found = load
		} else {
			s.out.Failed = load
		}
		found, failed := s.out.Found, s.out.Failed
		switch {
		case found > 0 && failed > 0 && failed/found <= 1+s.precision, found >= s.to:
			return s.outcome()
		case failed == 0:
			load = min(s.to, found*grow)
		case found == 0:
			load = failed / grow
		default:
			load = math.Sqrt(found * failed)
		}
		if s.of != "rate" {
			load = math.Round(load)
		}
		if load < 1 || load == found || load == failed {
			return s.outcome()
		}
	}
	if s.end == nil && s.out.Found > 0 {
		s.out.Limit = fmt.Sprintf("the search was ended after %v, as -limit says", s.limit)
	}
	return s.outcome()
}

// outcome is the error of the search. The lowest load that failed decides whose limit it is.
func (s *search) outcome() error {
	if s.end != nil {
		return s.end
	}
	for _, p := range s.out.Probes {
		if p.Load == s.out.Failed && p.Report != nil && p.Report.Invalid != "" {
			load := bench.Thousands(int(p.Load))
			s.out.Limit = fmt.Sprintf("at %s the loader is the bottleneck, and what the server can do there is not known", load)
			return &invalidError{fmt.Sprintf("%s %s: %s", s.of, load, p.Report.Invalid)}
		}
	}
	if s.out.Found == 0 {
		return errMissed
	}
	return nil
}

// probe says whether a load meets the objectives. One that does not is tried once more.
func (s *search) probe(ctx context.Context, load float64) (met bool) {
	for range 2 {
		p := s.try(ctx, load)
		s.out.Probes = append(s.out.Probes, p)
		outcome := "met"
		if !p.Met {
			outcome = p.Why
		}
		s.live.say(fmt.Sprintf("%s %s: %s", s.of, bench.Thousands(int(load)), outcome))
		if p.Met || s.end != nil {
			return p.Met
		}
	}
	return false
}

// measure is try.
func (s *search) measure(ctx context.Context, load float64) *bench.Probe {
	o := *s.o
	o.cfg = s.config(load)
	o.abort = true
	report, err := s.scenario.measureWith(ctx, &o, s.live)
	err = s.scenario.judge(report, o.slos, err)
	var invalid *invalidError
	p := &bench.Probe{Load: load, Report: report, Met: err == nil}
	if errors.As(err, &invalid) && excused(report) {
		p.Met, err = true, nil
	}
	switch {
	case err == nil:
	case errors.Is(err, errMissed):
		p.Why = missedText(report)
	case report.Invalid != "":
		p.Why = "the loader was the bottleneck"
	case len(s.out.Probes) > 0 && ctx.Err() == nil: // too much for the server
		p.Why = err.Error()
	default: // it never worked, or somebody wants to end it
		p.Why = err.Error()
		s.end = err
	}
	return p
}

// excused says whether the objectives were met though the loader was the bottleneck: latency has its lag in it, and is
// short all the same. Under a load that did not come, or not all of it, nothing was met; nor is it by deliveries of which the
// loader cannot tell how long they took.
func excused(r *bench.Report) bool {
	for _, result := range r.Results {
		if l := result.Loader; l != nil && (l.Begun < 0.99*l.Wanted || l.Wanted == 0 && l.Invalid != "") {
			return false
		}
	}
	return r.Failure == "" && !slices.ContainsFunc(r.SLOs, func(v bench.Verdict) bool { return !v.Met })
}

// missedText names the objectives that were missed, or says why it came to none.
func missedText(r *bench.Report) string {
	if r.Failure != "" {
		return r.Failure
	}
	text := ""
	for _, v := range r.SLOs {
		if !v.Met {
			text += fmt.Sprintf(", %s: %s", v.Objective, v.Text)
		}
	}
	if text == "" {
		return "missed in three intervals in a row"
	}
	return "missed" + text[1:]
}
