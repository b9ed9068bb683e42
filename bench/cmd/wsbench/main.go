// Wsbench measures WebSockets over HTTP/2, and is a reference server to be measured.
//
// Without arguments it starts that server in a child process, opens 100,000 WebSockets on one
// connection, echoes, fans out, and closes them, and prints what the server did a second and what it
// cost. See wsbench -h.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit statuses.
const (
	exitOK          = 0
	exitUsage       = 1   // the command line
	exitFailure     = 2   // the connection, the protocol, or the machine
	exitInterrupted = 130 // SIGINT or SIGTERM; what was measured until then has been printed
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
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
	err := dispatch(ctx, args, stdout, stderr)
	var usage *usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "wsbench: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "wsbench: %v%s\n", err, hint(err))
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailure
}

// dispatch runs the command that args name.
func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || len(args[0]) > 0 && args[0][0] == '-' {
		return demonstration.run(ctx, args, stdout, stderr)
	}
	switch args[0] {
	case "serve":
		return serve(ctx, args[1:], stdout, stderr)
	case "compare":
		return compare(ctx, args[1:], stdout, stderr)
	}
	for _, s := range scenarios {
		if s.name == args[0] {
			return s.run(ctx, args[1:], stdout, stderr)
		}
	}
	return &usageError{"", fmt.Sprintf("unknown command %q", args[0])}
}
