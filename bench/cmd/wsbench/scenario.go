package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"h2ws/bench"
)

// scenario is a command that measures.
type scenario struct {
	name   string // "": the demonstration
	usage  string
	groups flagGroup
	steps  []step
	idles  bool // Idle is among them
}

// step is one measurement of a scenario.
type step struct {
	name    string // of its result
	measure func(*bench.Client, context.Context) (bench.Result, error)
}

var (
	stepOpen   = step{"open", (*bench.Client).Open}
	stepEcho   = step{"echo", (*bench.Client).Echo}
	stepFanout = step{"fanout", (*bench.Client).Fanout}
	stepIdle   = step{"idle", (*bench.Client).Idle}
	stepClose  = step{"close", (*bench.Client).CloseSockets}
)

// storm says whether it opens or closes sockets, which most scenarios do for the sake of something else.
func (s step) storm() bool { return s.name == stepOpen.name || s.name == stepClose.name }

var demonstration = &scenario{
	usage: `
Wsbench measures WebSockets over HTTP/2 (RFC 8441).

  wsbench [flags]                    a demonstration: starts a server, opens 100,000 WebSockets
                                     on one connection, echoes, fans out, idles, closes
  wsbench echo [flags] [URL]         messages there and back
  wsbench fanout [flags] [URL]       one message to every WebSocket
  wsbench idle [flags] [URL]         memory of open WebSockets
  wsbench open [flags] [URL]         opening and closing storms
  wsbench find [flags] [URL]         the highest load that meets objectives
  wsbench compare [flags] [URL ...]  what servers cost beside each other
  wsbench conform [flags] URL        how well a server keeps to RFC 8441 and RFC 6455
  wsbench attack [flags] URL         how well it bears what brings servers down
  wsbench soak [flags] [URL]         whether anything grows under honest load and attacks
  wsbench report [flags] FILE        results that -json saved, once more
  wsbench doctor [flags]             what limits load on this machine
  wsbench serve [flags]              the server that the others start

"wsbench COMMAND -h" tells the flags of a command; those below are the demonstration's. The
server is always another process: a child, or the one at URL (http, https, ws or wss; host:port is http). Its
CPU and memory are read from /proc. fanout needs a server that knows the commands of "wsbench serve".

Examples:
  wsbench
  wsbench -sockets 1000000 -json results.json
  wsbench echo -conns 100 -inflight 1000 -order random
  wsbench serve -addr 127.0.0.1:8080 &
  wsbench fanout -sockets 10000 http://127.0.0.1:8080

Objectives are [SCENARIO.]METRIC, < <= > >= == or !=, and a value. Metrics: p50 p90 p95 p99 p99.9 p99.99
max mean of latency, with uncorrected. in front as no corrected tool would show them, with last. until the
last socket has a message, with lag. of the loader itself; rate; loss (also in %); errors; server.cpu (CPUs
busy), server.cpu_per_op (also _per_echo, _per_delivery, _per_open), server.rss, server.rss_per_socket,
server.socket_memory.

Exit status: 0 done, 1 bad command line, 2 connection or protocol failed, 3 objective missed, 4 INVALID: the
loader was the bottleneck, 130 interrupted. What was measured until then is printed and written in any case.`,
	groups: flagsSize | flagsDuration | flagsOrder | flagsFanout,
	steps:  []step{stepOpen, stepEcho, stepFanout, stepIdle, stepClose},
	idles:  true,
}

var scenarios = []*scenario{{
	name: "echo",
	usage: `
wsbench echo [flags] [URL]

Opens WebSockets and sends messages over all of them, -inflight at a time, or at a -rate, whatever
comes back. Every echo is compared with what was sent. Any server that echoes will do.

At a rate latency counts from when a message was due, so that a server that stops cannot hide what it
kept waiting; the figure that would hide it is beside it. When the loader itself is late, or does not
reach the rate, the run is INVALID.

Examples:
  wsbench echo
  wsbench echo -sockets 10000 -conns 100 -size 1000 -order random
  wsbench echo -rate 100000 -arrivals poisson -size exp:256 -slo 'p99<5ms' -slo loss==0 -html r.html http://127.0.0.1:8080
  wsbench echo -rate 5000 -churn 100 -resets 10 -kills 1 -conns 50 wss://localhost:8443/chat
  wsbench echo -pid 4242 -ca ca.pem https://localhost:8443/chat/{socket}
  wsbench echo -proto h1 -sockets 1000 ws://127.0.0.1:8081/`,
	groups: flagsAddr | flagsSize | flagsDuration | flagsOrder | flagsPace,
	steps:  []step{stepOpen, stepEcho},
}, {
	name: "fanout",
	usage: `
wsbench fanout [flags] [URL]

Opens WebSockets and has the server publish a message to all of them: "!B 1 64", sent on the first
one. When all have received it the next is published. One round goes ahead as a warm-up.

With -rate it publishes to topics instead, at that rate ("!P"), and some sockets may be slow. Every
delivery is checked: what sockets that are not slow lost, had twice or out of order makes the exit
status 2. A socket whose path has a -policy other than CloseSlow is not given up when it is slow.

Examples:
  wsbench fanout
  wsbench fanout -sockets 1000000 -rounds 20
  wsbench fanout -sockets 100000 -conns 10000
  wsbench fanout -rate 1000 -topics 1000 -publishers 100 -subscribers 500
  wsbench fanout -rate 20 -slow 0.01 -policy DropOldest
  wsbench fanout -rate 3000 -size 16000 -sockets 10 -conns 10 -slow-conns 1`,
	groups: flagsAddr | flagsSize | flagsDuration | flagsFanout | flagsLoad,
	steps:  []step{stepOpen, stepFanout},
}, {
	name: "idle",
	usage: `
wsbench idle [flags] [URL]

Opens WebSockets, has the server return the memory it does not use ("!G"), and reads what
they have added to it. The memory before is read with one connection and one WebSocket open.

Examples:
  wsbench idle -sockets 1000000
  wsbench idle -sockets 10000 -conns 10000`,
	groups: flagsAddr,
	steps:  []step{stepOpen, stepIdle},
	idles:  true,
}, {
	name: "open",
	usage: `
wsbench open [flags] [URL]

Opens WebSockets, -inflight handshakes at a time, or at a -rate, and closes them with the closing
handshake, -inflight at a time. Connections are made before.

Examples:
  wsbench open -sockets 1000000
  wsbench open -sockets 100000 -conns 1000 -inflight 1000
  wsbench open -sockets 50000 -rate 10000 -arrivals poisson -slo 'open.p99<10ms' https://localhost:8443`,
	groups: flagsAddr | flagsOpening,
	steps:  []step{stepOpen, stepClose},
}}

// echoScenario is what servers anywhere can be measured by.
var echoScenario = scenarioNamed("echo")

func scenarioNamed(name string) *scenario {
	for _, s := range scenarios {
		if s.name == name {
			return s
		}
	}
	panic("BUG: no scenario " + name)
}

// run is the whole command.
func (s *scenario) run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := s.parse(args, stdout)
	if err != nil {
		return err
	}
	if err := raiseDescriptors(o.cfg.Conns); err != nil {
		return err
	}
	stopProfile, err := startProfile(o.profile, ".client")
	if err != nil {
		return err
	}
	defer stopProfile()
	stop, err := o.begin(ctx, s, stderr)
	if err != nil {
		return err
	}
	defer func() { err = stop(err) }()
	live := newLive(stderr, o.cfg)
	report, err := s.measureWith(ctx, o, live)
	live.close()
	err = s.judge(report, o.slos, err)
	if len(report.Results) == 0 {
		return err
	}
	return cmp.Or(o.outputs.write(report, stdout, stderr), err)
}

// begin starts a server, unless there is one, and finds out where its usage is read. stop ends it; it
// returns the outcome of the run together with the server's.
func (o *options) begin(ctx context.Context, s *scenario, stderr io.Writer) (stop func(error) error, err error) {
	stop = func(err error) error { return err }
	if o.cfg.Addr == "" {
		if o.cfg.CPUs, err = divideCPUs(); err != nil {
			return nil, err
		}
		child, err := startServer(ctx, o, stderr)
		if err != nil {
			return nil, err
		}
		stop = child.stop
		o.cfg.Addr, o.pid = child.addr, child.cmd.Process.Pid
	}
	if err := o.findServer(s); err != nil {
		return nil, stop(err)
	}
	return stop, nil
}

// commandLine is what a report tells that it was made by.
func commandLine(name string, args []string) []string {
	command := []string{"wsbench"}
	if name != "" {
		command = append(command, name)
	}
	return append(command, args...)
}

// findServer finds the process to measure. Without one there still are rates and latencies.
func (o *options) findServer(s *scenario) (err error) {
	if o.metrics != "" {
		o.cfg.Server, err = bench.OpenMetrics(context.Background(), o.metrics)
		return err
	}
	p, err := o.process()
	if err == nil {
		o.cfg.Server = p
		p.Port = o.port()
	}
	if err != nil && (s.name == "idle" || o.pid != 0) {
		return fmt.Errorf("cannot measure the server: %w", err)
	}
	o.unmeasured = err
	return nil
}

// port is the server's, if it is on this machine; 0 otherwise.
func (o *options) port() int {
	addr, err := net.ResolveTCPAddr("tcp", o.cfg.Addr)
	if err != nil || !addr.IP.IsLoopback() {
		return 0
	}
	return addr.Port
}

func (o *options) process() (*bench.Process, error) {
	if o.pid != 0 {
		return bench.OpenProcess(o.pid)
	}
	addr, err := net.ResolveTCPAddr("tcp", o.cfg.Addr)
	if err != nil {
		return nil, err
	}
	return bench.FindServer(netip.AddrPortFrom(addr.AddrPort().Addr().Unmap(), uint16(addr.Port)))
}

// measureWith does the steps, as far as they succeed. The report is never nil.
func (s *scenario) measureWith(ctx context.Context, o *options, live *live) (*bench.Report, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	watch := newWatch(s, o.slos, end)
	o.cfg.Memory = s.idles
	o.cfg.Progress = live.show
	o.cfg.Told = func(p bench.Point) {
		live.told(p)
		if o.abort {
			watch.told(p)
		}
	}
	report := bench.NewReport(o.cfg)
	report.Command = o.command
	client, err := bench.Dial(ctx, o.cfg)
	if err != nil {
		return report, err
	}
	defer client.Close()
	if o.unmeasured != nil {
		live.say(fmt.Sprintf("wsbench: the server's CPU is not measured: %v", o.unmeasured))
	}
	for _, step := range s.steps {
		watch.begin(step)
		r, err := step.measure(client, ctx)
		if r.Name != "" {
			report.Results = append(report.Results, r)
			live.finish(r)
		}
		if err != nil && errors.Is(context.Cause(ctx), errMissed) {
			err = errMissed
		}
		if err != nil {
			return report, err
		}
	}
	return report, nil
}
