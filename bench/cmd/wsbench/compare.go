package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"h2ws/bench"
)

const compareUsage = `
wsbench compare [flags] [URL...]

With URLs: opens sockets and echoes at each of these servers with the same load, one after another, and
shows them beside each other. The flags are those of echo.

Without: measures what other servers of WebSockets cost beside ours, in one run on this machine: net/http's
HTTP/2, gorilla/websocket, coder/websocket, lxzan/gws and gobwas/ws. They are the programs in
bench/peers, which it builds: run it in a checkout of h2ws. The first time that takes the network.

Every server is a process of its own in every shape, and nothing else runs beside it but the client.
Servers that speak only HTTP/1.1 are measured where every connection has one socket. What fails, or
is not done in time, is shown as failed.

Examples:
  wsbench compare
  wsbench compare -quick -peers nethttp,gws
  wsbench compare -json comparison.json
  wsbench compare -rate 20000 -html c.html http://127.0.0.1:8080 http://127.0.0.1:8081`

// comparison is one run of compare.
type comparison struct {
	command    []string
	contenders []contender // ours is the first
	shapes     []shape
	duration   time.Duration // of echo, and of fanout
	limit      time.Duration // of a cell
	cells      bench.Comparison
}

// cellLimit bounds the whole run, together with the number of cells. It is twice what the slowest needs:
// net/http, which takes 2 to 4 s for every message to 10,000 sockets on a connection.
const cellLimit = 30 * time.Second

func newComparison(quick bool) *comparison {
	c := &comparison{
		shapes:   []shape{{1, 1000}, {1, 10_000}, {100, 10_000}, {10_000, 10_000}},
		duration: 3 * time.Second,
		limit:    cellLimit,
	}
	if quick {
		c.shapes = []shape{{1, 1000}, {10, 1000}, {1000, 1000}}
		c.duration = 300 * time.Millisecond
	}
	return c
}

// compare is the whole command.
func compare(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlagSet("compare")
	o := newOptions()
	o.command = commandLine("compare", args)
	o.cfg.Sockets = 1000
	names := f.String("peers", "", "without URLs, compare with these only: `names` out of nethttp,gorilla,coder,gws,gobwas")
	quick := f.Bool("quick", false, "without URLs, smaller and shorter: half a minute, figures that are rougher")
	o.register(f, echoScenario.groups)
	if err := parseFlags(f, args, stdout, compareUsage); err != nil {
		return err
	}
	if err := checkCompare(f, o); err != nil {
		return &usageError{"compare", err.Error()}
	}
	if f.NArg() > 0 {
		return compareURLs(ctx, o, f.Args(), stdout, stderr)
	}
	chosen, err := choosePeers(*names)
	if err != nil {
		return &usageError{"compare", err.Error()}
	}
	dir, err := os.MkdirTemp("", "wsbench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	built, err := buildPeers(ctx, chosen, dir, stderr)
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	c := newComparison(*quick)
	c.command = o.command
	c.contenders = append([]contender{{title: "h2ws", path: exe, args: []string{"serve"}}}, built...)
	return c.run(ctx, &o.outputs, stdout, stderr)
}

// checkCompare refuses flags of the one comparison in the other.
func checkCompare(f *flag.FlagSet, o *options) (err error) {
	peersOnly, both := []string{"peers", "quick"}, []string{"json", "hlog", "csv", "html"}
	n := f.NArg()
	f.Visit(func(f *flag.Flag) {
		switch ofPeers := slices.Contains(peersOnly, f.Name); {
		case slices.Contains(both, f.Name):
		case ofPeers && n > 0:
			err = fmt.Errorf("-%s is for the comparison without URLs", f.Name)
		case !ofPeers && n == 0:
			err = fmt.Errorf("-%s is for a comparison of URLs: there is none", f.Name)
		}
	})
	if err != nil || n == 0 {
		return err
	}
	for _, url := range f.Args() {
		if _, err = o.access.target(url, o.cfg.Path); err != nil {
			return err
		}
	}
	o.cfg.HTTP1 = o.access.protocol == protoH1
	o.settle(f)
	return o.check(echoScenario)
}

// run measures and writes. Its error tells of failures that the table shows.
func (c *comparison) run(ctx context.Context, files *outputs, stdout, stderr io.Writer) error {
	most := 0
	for _, s := range c.shapes {
		most = max(most, s.conns)
	}
	if err := raiseDescriptors(most); err != nil {
		return err
	}
	err := c.measure(ctx, stderr)
	if len(c.cells.Cells) == 0 {
		return err
	}
	if err := files.write(&c.cells, stdout, stderr); err != nil {
		return err
	}
	if n := c.cells.Failures(); err == nil && n > 0 {
		return fmt.Errorf("%d of %d measurements failed", n, len(c.cells.Cells))
	}
	return err
}

// measure fills the cells, until ctx is done.
func (c *comparison) measure(ctx context.Context, stderr io.Writer) error {
	cfg := bench.DefaultConfig()
	cfg.Duration, cfg.Rounds, cfg.Memory = c.duration, 1<<20, true
	var err error
	if cfg.CPUs, err = divideCPUs(); err != nil {
		return err
	}
	c.cells = bench.Comparison{Version: bench.ReportVersion, Started: time.Now().UTC(), Machine: bench.ThisMachine(), Command: c.command, Size: cfg.Size}
	live := newLive(stderr, cfg)
	defer live.close()
	for _, s := range c.shapes {
		for _, contender := range c.contenders {
			if !s.fits(contender) {
				continue
			}
			cfg.Progress = func(p bench.Progress) {
				p.Name = contender.title + " " + p.Name
				live.show(p)
			}
			began := time.Now()
			cell := contender.measure(ctx, s, cfg, c.limit, stderr)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			c.cells.Cells = append(c.cells.Cells, cell)
			live.say(fmt.Sprintf("%s, %s: %.1f s", cell.Server, cell.Shape(), time.Since(began).Seconds()))
		}
	}
	return nil
}
