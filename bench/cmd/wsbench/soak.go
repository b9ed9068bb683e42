package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"time"

	"h2ws/bench/soak"
)

const soakUsage = `
wsbench soak [flags] [URL]

Has a server bear honest load and attacks together, and tells whether anything of it grows. The load is light: 1,000
echoes a second over HTTP/2 and 200 over HTTP/1.1, on sockets and connections of which some are closed, reset or killed each
second and opened anew, and 800 deliveries a second of messages published to topics; every message is checked. The
attacks are those of wsbench attack, a tenth of their counts, one at a time in random order, each followed by as long a
rest. Without URL a child process is the server; a server at a URL must be "wsbench serve" or understand its commands, on
this machine's loopback.

The server's memory (RSS, after it has collected its garbage), descriptors and goroutines are sampled all the time and
printed. Something grows if, after a fifth of the time, the line of least squares through its samples rises by more than
5 % of its level, and more than 4 MB, 10 descriptors or 10 goroutines, beyond two standard errors. At the end,
without load, there must be no more descriptors and goroutines than before it, and no more than 16 MB of memory more. No
echo and no delivery may be lost, no socket and no connection of the honest ended by the server.

The exit status is 0 if all of that holds, 3 if it does not, 2 if the server is not to be spoken to, and 130 if it was
interrupted: then what was seen is told and not judged.`

func soakServer(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	cfg := soak.Config{Out: stdout}
	var where access
	f := newFlagSet("soak")
	f.DurationVar(&cfg.Duration, "duration", time.Minute, "load for this `time`")
	f.DurationVar(&cfg.Interval, "interval", 0, "`time` between samples (default: a sixtieth of -duration, 500ms to 30s)")
	f.Uint64Var(&cfg.Seed, "seed", rand.Uint64N(1e6), "`number` that decides the order of the attacks (default: a random one)")
	secure := f.Bool("tls", false, "the child server speaks TLS")
	logs := f.String("log", "", "write what the child server logs to `file`")
	file := f.String("json", "", "write the results as JSON to `file` too; with - to the standard output, and the table to the standard error")
	f.StringVar(&cfg.Metrics, "metrics", "", "`URL` of metrics as text for Prometheus with go_goroutines among them (default: /metrics of the server)")
	pid := f.Int("pid", 0, "process `id` of a server at a URL (default: the one that listens there)")
	where.registerTrust(f)
	if err := parseFlags(f, args, stdout, soakUsage); err != nil {
		return err
	}
	switch {
	case f.NArg() > 1:
		return &usageError{"soak", fmt.Sprintf("unexpected argument %q after the target (flags go before it)", f.Arg(1))}
	case cfg.Duration <= 0:
		return &usageError{"soak", fmt.Sprintf("-duration must be more than 0, not %v", cfg.Duration)}
	case f.NArg() == 1 && (*secure || *logs != ""):
		return &usageError{"soak", "-tls and -log are for the child server, not for one at a URL"}
	}
	at := f.Arg(0)
	if at == "" {
		child, err := startSoaked(ctx, *secure, *logs)
		if err != nil {
			return err
		}
		defer func() { err = child.stop(err) }()
		*pid = child.cmd.Process.Pid
		if at = "http://" + child.addr; *secure {
			at, where.insecure = "https://"+child.addr, true
		}
	}
	if cfg.Target, err = where.target(at, "/"); err != nil {
		return &usageError{"soak", err.Error()}
	}
	if cfg.Metrics == "" {
		scheme := "http"
		if cfg.Target.TLS != nil {
			scheme = "https"
		}
		cfg.Metrics = scheme + "://" + cfg.Target.Addr + "/metrics"
	}
	if cfg.Server, err = attacked(*pid, cfg.Target.Addr); err != nil {
		return err
	}
	report, err := soak.Run(ctx, cfg)
	if report == nil {
		return err
	}
	if err := cmp.Or(writeVerdict(report, *file, stdout, stderr), err); err != nil {
		return err
	}
	if !report.Passed() {
		return errFellShort
	}
	return nil
}

// startSoaked starts a child server.
func startSoaked(ctx context.Context, secure bool, logs string) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "-addr", "127.0.0.1:0", "-max-streams", "10000"}
	if secure {
		args = append(args, "-tls")
	}
	var to io.Writer = io.Discard
	if logs != "" {
		log, err := os.Create(logs)
		if err != nil {
			return nil, err
		}
		defer log.Close() // the child has it
		to = log
	}
	return startChild(ctx, exec.Command(exe, args...), nil, to)
}
