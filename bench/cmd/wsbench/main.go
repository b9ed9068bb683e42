// Wsbench measures WebSockets over HTTP/2, and is a reference server to be measured.
//
// Without arguments it starts that server in a child process, opens 100,000 WebSockets on one
// connection, echoes, fans out, and closes them, and prints what the server did a second and what it
// cost. See wsbench -h.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"h2ws/bench"
)

func main() {
	runtime.LockOSThread() // the loop runs here, on a CPU of its own, and reads how long its thread waited for it
	threadIsMine = true
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	debug.SetGCPercent(400) // memory is cheaper than the processor that a collection takes from the load
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// threadIsMine says that the loop runs on a thread that is locked to it, as it does in main but not in tests.
var threadIsMine bool

// divideCPUs gives the loop, and the servers that are started from now on, CPUs of their own.
func divideCPUs() (*bench.CPUs, error) {
	if !threadIsMine {
		return nil, nil
	}
	return bench.DivideCPUs()
}

// usageError is a mistake on the command line.
type usageError struct {
	command string // of wsbench, "" for none
	text    string
}

func (e *usageError) Error() string {
	see := "wsbench"
	if e.command != "" {
		see += " " + e.command
	}
	return fmt.Sprintf("%s (see %s -h)", e.text, see)
}

// run is main without the process around it. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return status(dispatch(ctx, args, stdout, stderr), stderr)
}

// command is what the first word of the command line names.
type command struct {
	name string
	run  func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

// commands are all but the demonstration, which has no name.
func commands() []command {
	all := []command{{"serve", serve}, {"find", find}, {"compare", compare}, {"report", report}, {"doctor", doctor}, {"conform", conformance}, {"attack", assault}, {"soak", soakServer}}
	for _, s := range scenarios {
		all = append(all, command{s.name, s.run})
	}
	return all
}

// dispatch runs the command that args name.
func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || len(args[0]) > 0 && args[0][0] == '-' {
		return demonstration.run(ctx, args, stdout, stderr)
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:], stdout, stderr)
		}
	}
	return &usageError{"", fmt.Sprintf("unknown command %q", args[0])}
}
