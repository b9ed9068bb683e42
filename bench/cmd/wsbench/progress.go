package main

import (
	"fmt"
	"io"
	"time"

	"h2ws/bench"
)

// progress tells how far the run is: on a terminal in one line that changes, elsewhere in one line for
// each scenario that is over.
type progress struct {
	w        io.Writer
	terminal bool
}

func newProgress(w io.Writer) *progress { return &progress{w, isTerminal(w)} }

// clearLine moves to the start of the line and erases it.
const clearLine = "\r\x1b[K"

func (p *progress) show(s bench.Progress) {
	if !p.terminal {
		return
	}
	fmt.Fprintf(p.w, "%s%s %.1f s  %s %s", clearLine, s.Name, s.Elapsed.Seconds(), bench.Thousands(s.Done), s.Unit)
	if s.Elapsed > 0 {
		fmt.Fprintf(p.w, ", %s/s", bench.Thousands(int(float64(s.Done)/s.Elapsed.Seconds())))
	}
}

func (p *progress) finish(r bench.Result) {
	if !p.terminal {
		fmt.Fprintf(p.w, "%s: %s %s in %v\n", r.Name, bench.Thousands(r.Count), r.Unit, r.Elapsed.Round(time.Millisecond))
	}
}

func (p *progress) clear() {
	if p.terminal {
		fmt.Fprint(p.w, clearLine)
	}
}
