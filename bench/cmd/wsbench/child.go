package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"h2ws/bench"
)

// child is a server started by this process, such as "wsbench serve", and ended by it.
type child struct {
	cmd  *exec.Cmd
	addr string
}

// childPatience is how long the child may take to start, and to end after SIGTERM.
const childPatience = 10 * time.Second

// startServer starts the child and waits until it listens.
func startServer(ctx context.Context, o *options, stderr io.Writer) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "-addr", "127.0.0.1:0", "-loops", strconv.Itoa(o.loops)}
	if per := (o.cfg.Sockets + o.cfg.Conns - 1) / o.cfg.Conns; per > maxStreamsDefault {
		args = append(args, "-max-streams", strconv.Itoa(per))
	}
	if o.cfg.TLS != nil {
		args = append(args, "-tls")
	}
	if o.profile != "" {
		args = append(args, "-cpuprofile", o.profile+".server")
	}
	if o.cfg.TLS != nil {
		stderr = io.Discard // that the certificate is its own
	}
	return startChild(ctx, exec.Command(exe, args...), o.cfg.CPUs, stderr)
}

// startChild starts a server that tells where it listens as "wsbench serve" does, on other CPUs than the loop's, and waits
// until it has.
func startChild(ctx context.Context, cmd *exec.Cmd, cpus *bench.CPUs, stderr io.Writer) (*child, error) {
	c := &child{cmd: cmd}
	c.cmd.Stderr = stderr
	c.cmd.SysProcAttr = childAttributes()
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cpus.Others(); err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	started := c.cmd.Start()
	back := cpus.Loop()
	if started != nil {
		return nil, fmt.Errorf("starting the server: %w", started)
	}
	if back != nil {
		return nil, c.stop(back)
	}
	if c.addr, err = readAddr(ctx, out); err != nil {
		return nil, c.stop(err)
	}
	return c, nil
}

// readAddr waits for the line that says where the server listens.
func readAddr(ctx context.Context, out io.Reader) (string, error) {
	type answer struct {
		line string
		err  error
	}
	ready := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(out).ReadString('\n')
		ready <- answer{line, err}
	}()
	select {
	case a := <-ready:
		addr, ok := strings.CutPrefix(strings.TrimSpace(a.line), listeningOn)
		if a.err != nil || !ok {
			return "", fmt.Errorf("the server did not start: it said %q", a.line)
		}
		return addr, nil
	case <-time.After(childPatience):
		return "", errors.New("the server did not start within 10 s")
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// stop ends the child and waits for it. It returns err, the outcome of the run, together with how the
// child ended if that was not as it should.
func (c *child) stop(err error) error {
	c.cmd.Process.Signal(syscall.SIGTERM) // fails if it has ended, which Wait tells
	timer := time.AfterFunc(childPatience, func() { c.cmd.Process.Kill() })
	defer timer.Stop()
	waitErr := c.cmd.Wait()
	switch {
	case waitErr == nil:
		return err
	case err == nil:
		return fmt.Errorf("the server ended with: %w", waitErr)
	default:
		return fmt.Errorf("%w (the server ended with: %w)", err, waitErr)
	}
}
