package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"h2ws/bench"
)

// Exit statuses.
const (
	exitOK          = 0
	exitUsage       = 1   // the command line
	exitFailure     = 2   // the connection, the protocol, or the machine
	exitMissed      = 3   // an objective, or what the server was judged by
	exitInvalid     = 4   // the loader was the bottleneck
	exitInterrupted = 130 // SIGINT or SIGTERM; what was measured until then has been printed
)

var errMissed = errors.New("an objective was missed")

// invalidError is a run whose figures are the loader's.
type invalidError struct{ why string }

func (e *invalidError) Error() string { return "INVALID: " + e.why }

// judge says how a run ended that failed with err, or did not. It notes in the report why figures are
// not to be trusted.
func judge(r *bench.Report, objectives sloFlag, err error) error {
	r.SLOs = objectives.verdicts(r.Results)
	missed := errors.Is(err, errMissed)
	for _, v := range r.SLOs {
		missed = missed || !v.Met
	}
	for _, result := range r.Results {
		switch l := result.Loader; {
		case l == nil || r.Invalid != "":
		case l.Invalid != "":
			r.Invalid = fmt.Sprintf("%s: %s", result.Name, l.Invalid)
		case l.Bound && missed && len(objectives) > 0:
			r.Invalid = fmt.Sprintf("%s: the loader had no time to wait, so that what was missed may be its fault", result.Name)
		}
	}
	if err != nil && !errors.Is(err, errMissed) {
		var overload *bench.OverloadError
		if !errors.As(err, &overload) || len(objectives) == 0 && r.Invalid == "" {
			r.Failure = err.Error()
			if errors.Is(err, context.Canceled) {
				r.Failure = "interrupted"
			}
			return err
		}
	}
	switch {
	case r.Invalid != "":
		return &invalidError{r.Invalid}
	case missed:
		return errMissed
	}
	return nil
}

// status prints what err is about, and returns the exit status.
func status(err error, stderr io.Writer) int {
	var usage *usageError
	var invalid *invalidError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errFellShort):
		return exitMissed
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "wsbench: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "wsbench: %v%s\n", err, hint(err))
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &invalid):
		return exitInvalid
	case errors.Is(err, errMissed):
		return exitMissed
	}
	return exitFailure
}
