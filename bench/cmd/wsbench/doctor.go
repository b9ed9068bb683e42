package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"h2ws/bench"
)

const doctorUsage = `
wsbench doctor [flags]

Looks at what limits load on this machine: descriptors, ports, sysctls, clock, timers and cores. Each line
is ok, or a warning with what to do about it. With -conns it says whether so many connections are possible.

Examples:
  wsbench doctor
  wsbench doctor -conns 50000`

// finding is one line of the doctor.
type finding struct {
	name string
	bad  bool
	text string
	cure string
}

func doctor(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlagSet("doctor")
	conns := f.Int("conns", 10_000, "`N` connections that are to be possible")
	if err := parseFlags(f, args, stdout, doctorUsage); err != nil {
		return err
	}
	switch {
	case f.NArg() > 0:
		return &usageError{"doctor", fmt.Sprintf("unexpected argument %q", f.Arg(0))}
	case *conns < 1 || *conns > 1<<20:
		return &usageError{"doctor", fmt.Sprintf("-conns must be 1 to %d, not %d", 1<<20, *conns)}
	}
	m := bench.ThisMachine()
	fmt.Fprintf(stdout, "%s, %s, %s, kernel %s, %s, wsbench %s\n\n", m.CPU, bench.Plural(m.CPUs, "CPU"), m.System, m.Kernel, m.Go, m.Tool)
	findings := append([]finding{cores(), timers()}, systemFindings(*conns)...)
	bad := 0
	for _, f := range findings {
		verdict := "ok  "
		if f.bad {
			verdict = "WARN"
			bad++
		}
		fmt.Fprintf(stdout, "%s  %-12s %s\n", verdict, f.name, f.text)
		if f.bad {
			fmt.Fprintf(stdout, "      %-12s %s\n", "", f.cure)
		}
	}
	if bad > 0 {
		fmt.Fprintf(stdout, "\n%d of %d deserve a look.\n", bad, len(findings))
	}
	return nil
}

func cores() finding {
	n := runtime.NumCPU()
	return finding{
		name: "cores", bad: n < 2, text: fmt.Sprintf("%d: the loader's loop uses one", n),
		cure: "run the server on another machine, or its CPU and the loader's are one",
	}
}

// timers measures how late a timer is, which bounds how exact a rate can be.
func timers() finding {
	const wait, times = time.Millisecond, 50
	var worst time.Duration
	for range times {
		began := time.Now()
		<-time.After(wait)
		worst = max(worst, time.Since(began)-wait)
	}
	return finding{
		name: "timers", bad: worst > wait, text: fmt.Sprintf("%d waits of %v were up to %s late", times, wait, bench.DurationText(worst)),
		cure: "something else runs on this machine: at a rate the run may be INVALID",
	}
}

// words are the fields of a sysctl.
func words(s string) []string { return strings.Fields(s) }
