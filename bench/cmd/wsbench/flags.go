package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"

	"h2ws/bench"
)

// options is what the command line of a scenario says.
type options struct {
	cfg     bench.Config
	access  access
	outputs outputs
	size    string
	order   string
	arrival string
	slos    sloFlag
	abort   bool
	profile string
	pid     int
	metrics string
	loops   int

	command    []string // the command line
	unmeasured error    // why cfg.Server is nil
}

// Groups of flags that only some scenarios know.
type flagGroup int

const (
	flagsAddr flagGroup = 1 << iota
	flagsSize
	flagsDuration
	flagsOrder
	flagsFanout
	flagsLoad
	flagsPace
	flagsOpening
	flagsSearch // not what a search does itself
)

// register declares the flags of a scenario. Values of flags it does not know keep their defaults.
func (o *options) register(f *flag.FlagSet, groups flagGroup) {
	c := &o.cfg
	f.IntVar(&c.Sockets, "sockets", c.Sockets, "open `N` WebSockets")
	f.IntVar(&c.Conns, "conns", c.Conns, "share them among `N` HTTP/2 connections; over HTTP/1.1 every socket has its own")
	f.IntVar(&c.Sources, "sources", c.Sources, "connect from `N` loopback addresses to one (default: one for each 20,000 connections)")
	f.IntVar(&c.InFlight, "inflight", c.InFlight, "keep `N` messages, or opening or closing handshakes, under way")
	f.StringVar(&c.Path, "path", c.Path, "`path` to open; {socket} and {conn} in it are the numbers, from 0, of a socket and its connection")
	f.IntVar(&c.Window, "window", c.Window, "`octets` the server may send on a socket before it gets credit: INITIAL_WINDOW_SIZE")
	f.IntVar(&o.loops, "loops", 0, "give the child server `N` event loops (default: one for each CPU)")
	f.DurationVar(&c.Interval, "interval", 0, "`time` between the points of plots and live figures (default: a twentieth of -duration, 100ms to 1s)")
	o.outputs.register(f)
	f.Var(&o.slos, "slo", "the run is to meet this `objective`, as in 'p99<20ms' or 'echo.loss==0'; may be given several times")
	if groups&flagsSearch == 0 {
		f.BoolVar(&o.abort, "abort-on-slo", false, "end the run when three intervals in a row miss an objective about latency")
	}
	f.StringVar(&o.profile, "profile", "", "write CPU profiles to `prefix`.client and, of the child server, prefix.server")
	if groups&flagsAddr != 0 {
		f.StringVar(&o.metrics, "metrics", "", "`URL` of the server's metrics as text for Prometheus, for its CPU and memory")
		f.IntVar(&o.pid, "pid", 0, "process `id` of the server, for its CPU and memory (default: the one that listens there, if it can be seen)")
		o.access.register(f)
	}
	if groups&flagsSize != 0 {
		f.StringVar(&o.size, "size", o.size, "`octets` of a message; of echo also spread: 16-1024 evenly, exp:256 exponentially, 64*9,4096*1 with weights")
	}
	if groups&flagsDuration != 0 {
		f.DurationVar(&c.Duration, "duration", c.Duration, "measure for this `time` (fanout: at most, or publish for so long at -rate)")
	}
	if groups&flagsOrder != 0 {
		f.StringVar(&o.order, "order", "turn", "send on the sockets in `turn|random` order")
	}
	if groups&flagsFanout != 0 {
		f.IntVar(&c.Rounds, "rounds", c.Rounds, "publish `N` times at most, each when all have received the one before")
		f.IntVar(&c.Batch, "batch", c.Batch, "publish `N` messages at a time")
	}
	if groups&flagsLoad != 0 {
		o.registerLoad(f)
	}
	if groups&flagsPace != 0 {
		o.registerPace(f, groups)
	}
	if groups&flagsOpening != 0 {
		o.registerRate(f, &o.cfg.Opening, "open `N` WebSockets a second, whether those before are open or not; latency is from when each was due (default: -inflight at a time)")
		f.DurationVar(&o.cfg.Opening.Ramp, "ramp", 0, "`time` in which the rate grows from nothing")
	}
}

// registerRate declares the flags of whatever can come at a rate.
func (o *options) registerRate(f *flag.FlagSet, p *bench.Pace, usage string) {
	f.Float64Var(&p.Rate, "rate", 0, usage)
	f.StringVar(&o.arrival, "arrivals", o.arrival, "at a rate, what is due comes at `constant|poisson` intervals")
	f.DurationVar(&o.cfg.LagMax, "max-lag", o.cfg.LagMax, "at a rate, the run is INVALID if more than 1 in 100 is sent this `time` late")
}

func (o *options) registerPace(f *flag.FlagSet, groups flagGroup) {
	c := &o.cfg
	o.registerRate(f, &c.Pace, "send `N` messages a second in all, whether those before came back or not; latency is from when each was due (default: -inflight at a time)")
	f.DurationVar(&c.Pace.WarmUp, "warmup", c.Pace.WarmUp, "load for this `time` ahead of what is measured (default: a tenth of -duration)")
	f.DurationVar(&c.Pace.Ramp, "ramp", 0, "`time` ahead of the warm-up in which the load grows from nothing")
	f.Float64Var(&c.Churn.Closes, "churn", 0, "meanwhile close `N` sockets a second, and open them again")
	f.Float64Var(&c.Churn.Resets, "resets", 0, "meanwhile reset `N` sockets a second, and open them again")
	f.Float64Var(&c.Churn.Kills, "kills", 0, "meanwhile kill `N` connections a second by a TCP reset, and make them again")
	if groups&flagsLoad == 0 {
		o.registerSlow(f)
	}
}

func (o *options) registerSlow(f *flag.FlagSet) {
	l := &o.cfg.Load
	f.Float64Var(&l.SlowShare, "slow", 0, "`share` of the sockets that are slow: their stream windows are used up first (0.01: one in a hundred)")
	f.IntVar(&l.SlowConns, "slow-conns", 0, "`N` connections that are slow: not read")
	f.IntVar(&l.SlowRate, "slow-rate", 0, "`octets` a second that each slow socket grants, and each slow connection is read (default: none)")
}

func (o *options) registerLoad(f *flag.FlagSet) {
	l := &o.cfg.Load
	f.Float64Var(&l.Rate, "rate", 0, "publish `N` messages a second in all, to topics, whoever keeps up with that (default: each when all have the one before)")
	f.IntVar(&l.Publishers, "publishers", 0, "`N` of them, the topics dealt out among them (default: one for each topic)")
	f.IntVar(&l.Topics, "topics", 0, "publish to `N` topics, on paths /t/0, /t/1, ... in place of -path (default 1)")
	f.IntVar(&l.Subscribers, "subscribers", 0, "`N` sockets in each topic, which puts a socket into as many as it takes (default: the sockets dealt out)")
	f.StringVar(&l.Policy, "policy", "", "ask for this `policy` of the sockets' queues: CloseSlow, DropNewest, DropOldest or Conflate (default: the server's)")
	o.registerSlow(f)
}

func newOptions() *options {
	cfg := bench.DefaultConfig()
	return &options{cfg: cfg, size: strconv.Itoa(cfg.Size), order: "turn", arrival: "constant"}
}

// parse reads the command line of scenario s. The error is a *usageError or flag.ErrHelp.
func (s *scenario) parse(args []string, stdout io.Writer) (*options, error) {
	o := newOptions()
	o.command = commandLine(s.name, args)
	f := newFlagSet(s.name)
	o.register(f, s.groups)
	if err := parseFlags(f, args, stdout, s.usage); err != nil {
		return nil, err
	}
	if err := o.takeTarget(s, f.Args()); err != nil {
		return nil, &usageError{s.name, err.Error()}
	}
	o.settle(f)
	if err := o.check(s); err != nil {
		return nil, &usageError{s.name, err.Error()}
	}
	return o, nil
}

// settle decides what the protocol does where the command line says nothing.
func (o *options) settle(f *flag.FlagSet) {
	set := map[string]bool{}
	f.Visit(func(f *flag.Flag) { set[f.Name] = true })
	if !o.cfg.HTTP1 {
		return
	}
	if !set["sockets"] {
		o.cfg.Sockets = min(o.cfg.Sockets, http1Sockets)
	}
	if !set["conns"] {
		o.cfg.Conns = o.cfg.Sockets
	}
}

// http1Sockets are as many as most machines have descriptors for.
const http1Sockets = 1000

func newFlagSet(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

// parseFlags parses args into f. For -h it writes the usage, followed by what f knows.
func parseFlags(f *flag.FlagSet, args []string, stdout io.Writer, usage string) error {
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(stdout, "%s\n\nFlags:\n", strings.TrimSpace(usage))
		f.SetOutput(stdout)
		f.PrintDefaults()
		return err
	}
	if err != nil {
		return &usageError{f.Name(), err.Error()}
	}
	return nil
}

// takeTarget takes the server from what follows the flags.
func (o *options) takeTarget(s *scenario, args []string) (err error) {
	switch {
	case len(args) == 0:
		return o.takeChild()
	case s.groups&flagsAddr == 0:
		return fmt.Errorf("unexpected argument %q: the demonstration starts its own server", args[0])
	case len(args) > 1:
		return fmt.Errorf("unexpected argument %q after the target (flags go before it)", args[1])
	case o.loops != 0:
		return errors.New("-loops is for the child server, not for one at a URL")
	}
	o.cfg.Target, err = o.access.target(args[0], o.cfg.Path)
	return err
}

// takeSize reads -size.
func (o *options) takeSize(s *scenario) (err error) {
	if o.cfg.Sizes, err = bench.ParseSizes(o.size); err != nil {
		return fmt.Errorf("-%w", err)
	}
	least, fixed := o.cfg.Sizes.Fixed()
	o.cfg.Size = least
	switch {
	case !fixed && s.groups&flagsFanout != 0:
		return fmt.Errorf("-size must be one number, not %s: everybody is published the same", o.size)
	case s.groups&flagsOrder != 0 && least < bench.EchoSizeMin:
		return fmt.Errorf("-size must be at least %d, not %d: echoes are checked by what is in them", bench.EchoSizeMin, least)
	}
	return nil
}

// takeChild makes a server of our own the target, whose address is not known yet.
func (o *options) takeChild() error {
	a := &o.access
	if o.pid != 0 || o.metrics != "" || a.ca != "" || a.insecure || a.locals != "" {
		return errors.New("-pid, -metrics, -ca, -insecure and -local are for a server at a URL: there is none")
	}
	secure := a.protocol == protoH2
	if err := a.checkProtocol(secure); err != nil {
		return err
	}
	if secure {
		o.cfg.TLS = &tls.Config{InsecureSkipVerify: true} // the child signs its own
	}
	o.cfg.HTTP1 = a.protocol == protoH1
	return a.fill(&o.cfg.Target)
}

// check finds the values that cannot be meant.
func (o *options) check(s *scenario) error {
	o.cfg.Random = o.order == "random"
	switch {
	case o.order != "turn" && o.order != "random":
		return fmt.Errorf("-order must be turn or random, not %q", o.order)
	case o.pid < 0:
		return fmt.Errorf("-pid must be the number of a process, not %d", o.pid)
	case o.loops < 0:
		return fmt.Errorf("-loops must be positive, not %d", o.loops)
	case o.arrival != "constant" && o.arrival != "poisson":
		return fmt.Errorf("-arrivals must be constant or poisson, not %q", o.arrival)
	case o.abort && len(o.slos) == 0:
		return errors.New("-abort-on-slo needs an -slo")
	case s.name == "fanout" && o.cfg.Load.Rate == 0 && (o.cfg.Load.SlowShare != 0 || o.cfg.Load.SlowConns != 0 || o.cfg.Load.SlowRate != 0):
		return errors.New("-slow, -slow-conns and -slow-rate are for publishing at a rate: give that too")
	case o.cfg.Pace.WarmUp < 0 && o.cfg.Pace.WarmUp != -1:
		return fmt.Errorf("-warmup must not be negative, as %v is", o.cfg.Pace.WarmUp)
	}
	o.cfg.Pace.Poisson = o.arrival == "poisson"
	if s.groups&flagsOpening != 0 {
		o.cfg.Opening.Poisson, o.cfg.Pace.Poisson = o.cfg.Pace.Poisson, false
	}
	if err := o.takeSize(s); err != nil {
		return err
	}
	if err := o.cfg.Check(); err != nil {
		return fmt.Errorf("-%w", err)
	}
	return nil
}
