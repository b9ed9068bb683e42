package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"h2ws/bench"
)

// options is what the command line of a scenario says.
type options struct {
	cfg     bench.Config
	access  access
	order   string
	json    string
	profile string
	pid     int
	loops   int

	unmeasured error // why cfg.Server is nil
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
	f.StringVar(&o.json, "json", "", "write the results as JSON to `file` too; with - to the standard output, and the table to the standard error")
	f.StringVar(&o.profile, "profile", "", "write CPU profiles to `prefix`.client and, of the child server, prefix.server")
	if groups&flagsAddr != 0 {
		f.IntVar(&o.pid, "pid", 0, "process `id` of the server, for its CPU and memory (default: the one that listens there, if it can be seen)")
		o.access.register(f)
	}
	if groups&flagsSize != 0 {
		f.IntVar(&c.Size, "size", c.Size, "`octets` of a message")
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
}

func (o *options) registerLoad(f *flag.FlagSet) {
	l := &o.cfg.Load
	f.Float64Var(&l.Rate, "rate", 0, "publish `N` messages a second in all, to topics, whoever keeps up with that (default: each when all have the one before)")
	f.IntVar(&l.Publishers, "publishers", 0, "`N` of them, the topics dealt out among them (default: one for each topic)")
	f.IntVar(&l.Topics, "topics", 0, "publish to `N` topics, on paths /t/0, /t/1, ... in place of -path (default 1)")
	f.IntVar(&l.Subscribers, "subscribers", 0, "`N` sockets in each topic, which puts a socket into as many as it takes (default: the sockets dealt out)")
	f.StringVar(&l.Policy, "policy", "", "ask for this `policy` of the sockets' queues: CloseSlow, DropNewest, DropOldest or Conflate (default: the server's)")
	f.Float64Var(&l.SlowShare, "slow", 0, "`share` of the sockets that are slow: their stream windows are used up first (0.01: one in a hundred)")
	f.IntVar(&l.SlowConns, "slow-conns", 0, "`N` connections that are slow: not read")
	f.IntVar(&l.SlowRate, "slow-rate", 0, "`octets` a second that each slow socket grants, and each slow connection is read (default: none)")
}

// parse reads the command line of scenario s. The error is a *usageError or flag.ErrHelp.
func (s *scenario) parse(args []string, stdout io.Writer) (*options, error) {
	o := &options{cfg: bench.DefaultConfig(), order: "turn"}
	f := newFlagSet(s.name)
	o.register(f, s.groups)
	if err := parseFlags(f, args, stdout, s.usage); err != nil {
		return nil, err
	}
	if err := o.takeTarget(s, f.Args()); err != nil {
		return nil, &usageError{s.name, err.Error()}
	}
	if conns := f.Lookup("conns"); o.cfg.HTTP1 && conns.Value.String() == conns.DefValue {
		o.cfg.Conns = o.cfg.Sockets
	}
	if err := o.check(s); err != nil {
		return nil, &usageError{s.name, err.Error()}
	}
	return o, nil
}

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

// takeChild makes a server of our own the target, whose address is not known yet.
func (o *options) takeChild() error {
	a := &o.access
	if o.pid != 0 || a.protocol != "" && a.protocol != protoH2C || a.ca != "" || a.insecure || a.locals != "" {
		return errors.New("-pid, -proto, -ca, -insecure and -local are for a server at a URL: there is none")
	}
	return a.fill(&o.cfg.Target)
}

// check finds the values that cannot be meant.
func (o *options) check(s *scenario) error {
	o.cfg.Random = o.order == "random"
	switch {
	case o.order != "turn" && o.order != "random":
		return fmt.Errorf("-order must be turn or random, not %q", o.order)
	case s.groups&flagsOrder != 0 && o.cfg.Size < bench.EchoSizeMin:
		return fmt.Errorf("-size must be at least %d, not %d: echoes are checked by what is in them", bench.EchoSizeMin, o.cfg.Size)
	case o.pid < 0:
		return fmt.Errorf("-pid must be the number of a process, not %d", o.pid)
	case o.loops < 0:
		return fmt.Errorf("-loops must be positive, not %d", o.loops)
	}
	if err := o.cfg.Check(); err != nil {
		return fmt.Errorf("-%w", err)
	}
	return nil
}
