package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"time"

	"h2ws/bench"
)

// contender is a server to be compared, ours among them.
type contender struct {
	title string
	http1 bool
	path  string   // of the program
	args  []string // in front of -addr
}

// shape is what all contenders are measured in that can be.
type shape struct {
	conns, sockets int
}

// fits says whether the contender can have so many sockets on so many connections.
func (s shape) fits(c contender) bool { return !c.http1 || s.conns == s.sockets }

// measured is what is done in each cell, in this order: memory is that of sockets that were just opened,
// as "wsbench idle" has it, and peers publish to the sockets that have been heard of.
var measured = []step{stepOpen, stepIdle, stepEcho, stepFanout}

// portSources are how many loopback addresses the client connects from.
const portSources = 4

// measure starts the contender, measures it for limit at most, and ends it. What fails is in the cell.
func (c contender) measure(ctx context.Context, s shape, cfg bench.Config, limit time.Duration, stderr io.Writer) bench.Cell {
	cell := bench.Cell{Server: c.title, HTTP1: c.http1, Conns: s.conns, Sockets: s.sockets, Results: []bench.Result{}}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	child, err := startChild(limited, exec.Command(c.path, append(slices.Clone(c.args), "-addr", "127.0.0.1:0")...), cfg.CPUs, stderr)
	if err == nil {
		cfg.Addr = child.addr
		cfg.Conns, cfg.Sockets, cfg.HTTP1 = s.conns, s.sockets, c.http1
		cfg.Sources = min(portSources, s.conns)
		err = child.stop(fill(limited, &cell, cfg, child.cmd.Process.Pid))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("not done after %v", limit)
	}
	cell.Failure = err
	return cell
}

// fill does what is measured, as far as it succeeds.
func fill(ctx context.Context, cell *bench.Cell, cfg bench.Config, pid int) (err error) {
	cfg.Server, err = bench.OpenProcess(pid)
	if err != nil {
		return fmt.Errorf("cannot measure the server: %w", err)
	}
	client, err := bench.Dial(ctx, cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	cell.Connected = client.Connected()
	for _, step := range measured {
		r, err := step.measure(client, ctx)
		if err != nil {
			return err
		}
		cell.Results = append(cell.Results, r)
	}
	return nil
}
