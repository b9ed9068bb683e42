package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"h2ws/bench"
	"h2ws/bench/attack"
)

const attackUsage = `
wsbench attack [flags] URL

Throws at a server of WebSockets over HTTP/2 what has brought servers of its kind down: floods of frames, streams that are
reset, field blocks that grow, messages that do not end, connections that say nothing. Each attack reports what the
server did and after how long, what that cost it in CPU and memory, and how long a bystander waited: a connection, of a
process of its own, that echoes every millisecond. A second one does so elsewhere, at a server that nobody attacks: what
it waits for is the machine's doing. The server must echo messages, and be on this machine: no other address than one of
the loopback is taken. http and ws are cleartext HTTP/2 with prior knowledge, https and wss TLS; HOST:PORT is http.

An attack passes if the server does what is wanted of it, memory and waits stay within bounds, and the memory is
free again 5 s later. The exit status is 0 if all pass, 3 if one does not, 2 if the server is not to be spoken to.

  wsbench attack -quick 127.0.0.1:8080
  wsbench attack -rule reset,fault/malformed http://127.0.0.1:8080/`

func assault(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var cfg attack.Config
	var where access
	f := newFlagSet("attack")
	rule := f.String("rule", "", "only these `names`, with commas between them: of rules (ping) or attacks (ping/unread)")
	list := f.Bool("list", false, "print the names of the attacks, and do nothing")
	f.BoolVar(&cfg.Quick, "quick", false, "a tenth of the counts, and no attack that takes longer than 15 s")
	file := f.String("json", "", "write the results as JSON to `file` too; with - to the standard output, and the table to the standard error")
	pid := f.Int("pid", 0, "process `id` of the server, for its CPU and memory (default: the one that listens there, if it can be seen)")
	path := f.String("path", "/", "`path` to open")
	stand := f.Bool("bystander", false, "attack nobody, but be the bystander: echo, and tell of it for each line of the standard input")
	giveWay := f.Bool("give-way", runtime.GOOS == "linux", "take only the CPU time that nobody else wants, as if the attackers had a machine of their own")
	where.registerTrust(f)
	if err := parseFlags(f, args, stdout, attackUsage); err != nil {
		return err
	}
	if *list {
		for _, name := range attack.Names() {
			fmt.Fprintln(stdout, name)
		}
		return nil
	}
	var err error
	if cfg.Only, err = onlyRules(*rule); err != nil {
		return &usageError{"attack", err.Error()}
	}
	if cfg.Target, err = where.rawTarget(f, *path); err != nil {
		return &usageError{"attack", err.Error()}
	}
	if *stand {
		return attack.Stand(ctx, &cfg.Target, os.Stdin, stdout)
	}
	if cfg.Server, err = attacked(*pid, cfg.Target.Addr); err != nil {
		fmt.Fprintln(stderr, "wsbench: CPU and memory are not measured:", err)
	}
	report, err := throw(ctx, cfg, args, *giveWay, stderr)
	if report != nil && len(report.Results) > 0 {
		if err := writeVerdict(report, *file, stdout, stderr); err != nil {
			return err
		}
	}
	switch {
	case err != nil:
		return err
	case len(report.Results) == 0:
		return &usageError{"attack", fmt.Sprintf("-rule: nothing of %q is left: -quick leaves out what takes longer than 15 s, and tls is for https and wss", *rule)}
	case report.Failed() > 0:
		return errFellShort
	}
	return nil
}

// throw makes the attacks, with a bystander at the server that is attacked, which args say, and one elsewhere.
func throw(ctx context.Context, cfg attack.Config, args []string, giveWay bool, stderr io.Writer) (report *attack.Report, err error) {
	control, err := startControl(ctx, stderr)
	if err != nil {
		return nil, err
	}
	defer func() { err = control.stop(err) }()
	if cfg.Bystander, err = startBystander(args, stderr); err != nil {
		return nil, err
	}
	defer cfg.Bystander.Close()
	if cfg.Elsewhere, err = startBystander([]string{control.addr}, stderr); err != nil {
		return nil, err
	}
	defer cfg.Elsewhere.Close()
	if giveWay {
		if err := idle(); err != nil {
			return nil, fmt.Errorf("-give-way: %w", err)
		}
	}
	return attack.Run(ctx, cfg)
}

// startBystander starts one where the arguments of an attack say.
func startBystander(args []string, stderr io.Writer) (*attack.Bystander, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &bystanderProcess{cmd: exec.Command(exe, append([]string{"attack", "-bystander"}, args...)...)}
	p.cmd.Stderr = stderr
	p.cmd.SysProcAttr = childAttributes()
	if p.WriteCloser, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.Reader, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting a bystander: %w", err)
	}
	return attack.NewBystander(p), nil
}

// bystanderProcess is a bystander of which this process holds both ends.
type bystanderProcess struct {
	io.Reader
	io.WriteCloser
	cmd *exec.Cmd
}

// Close ends it: it reads that there are no more questions.
func (p *bystanderProcess) Close() error {
	return errors.Join(p.WriteCloser.Close(), p.cmd.Wait())
}

// startControl starts a server that nobody attacks.
func startControl(ctx context.Context, stderr io.Writer) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startChild(ctx, exec.Command(exe, "serve", "-addr", "127.0.0.1:0"), nil, stderr)
}

// onlyRules matches the names of rules and attacks in a list.
func onlyRules(list string) (*regexp.Regexp, error) {
	if list == "" {
		return nil, nil
	}
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		known := slices.ContainsFunc(attack.Names(), func(a string) bool { return a == name || strings.HasPrefix(a, name+"/") })
		if !known {
			return nil, fmt.Errorf("-rule: no attack is called %q (see wsbench attack -list)", name)
		}
		names = append(names, regexp.QuoteMeta(name))
	}
	return regexp.Compile("^(" + strings.Join(names, "|") + ")(/|$)")
}

// attacked is the process of the server.
func attacked(pid int, addr string) (*bench.Process, error) {
	if pid != 0 {
		return bench.OpenProcess(pid)
	}
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	return bench.FindServer(at)
}
