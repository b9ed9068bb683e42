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

// judge says how a run ended that failed with err, or did not. It notes in the report why it failed, and why figures are
// not to be trusted. A server that is overloaded meets no objective: figures are of what it has answered.
func (s *scenario) judge(r *bench.Report, objectives sloFlag, err error) error {
	var overload *bench.OverloadError
	overloaded := errors.As(err, &overload)
	missed := errors.Is(err, errMissed) || overloaded && len(objectives) > 0
	r.SLOs = objectives.verdicts(s, r.Results)
	for _, v := range r.SLOs {
		missed = missed || !v.Met
	}
	s.noteInvalid(r, objectives, missed)
	if err != nil && !errors.Is(err, errMissed) {
		r.Failure = err.Error()
		if errors.Is(err, context.Canceled) {
			r.Failure = "interrupted"
		}
	}
	switch {
	case r.Failure != "" && !overloaded:
		return err
	case r.Invalid != "":
		return &invalidError{r.Invalid}
	case missed && overloaded:
		return fmt.Errorf("%w: %w", errMissed, err)
	case missed:
		return errMissed
	}
	return err
}

// noteInvalid notes why figures are the loader's, or what was missed may be its fault.
func (s *scenario) noteInvalid(r *bench.Report, objectives sloFlag, missed bool) {
	for _, result := range r.Results {
		switch l := result.Loader; {
		case l == nil || r.Invalid != "":
		case l.Invalid != "":
			r.Invalid = fmt.Sprintf("%s: %s", result.Name, l.Invalid)
		case l.Bound && missed && objectives.about(result.Name, s):
			r.Invalid = fmt.Sprintf("%s: the loader had no time to wait, so that what was missed may be its fault", result.Name)
		}
	}
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
