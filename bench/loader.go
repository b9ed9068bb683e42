package bench

import (
	"fmt"
	"time"
)

// Loader is how the load generator itself fared.
type Loader struct {
	Busy        float64       // share of the time in which its loop did not wait for the server
	Lag         *Latency      // at a rate: from when an operation was due until it began; nil: not at a rate
	Wanted      float64       // operations a second that were to begin; 0: not at a rate
	Begun       float64       // that did
	Waited      time.Duration // of its loop for a CPU that others had; 0 also where that is not known
	Collections int           // of garbage
	Paused      time.Duration // by them
	RSS         int64         // resident memory of this process, octets

	// Bound says that what was measured is what the loader can do: its loop had no time to wait.
	Bound bool
	// Invalid is why latency and rate are the loader's and not the server's; "": they are the server's.
	Invalid string
}

// busyMax is the share of the time from which on the loop is taken for the bottleneck.
const busyMax = 0.95

// judge decides about Invalid, of operations that began at a rate.
func (l *Loader) judge(lagMax time.Duration) {
	switch {
	case l.Lag != nil && l.Lag.P99 > lagMax:
		l.Invalid = fmt.Sprintf("the loader was late: 99 of 100 operations began within %s, more than %s%s", DurationText(l.Lag.P99), DurationText(lagMax), l.waitedText())
	case l.Begun < 0.99*l.Wanted:
		l.Invalid = fmt.Sprintf("the loader began %.0f operations a second, not %.0f", l.Begun, l.Wanted)
	}
}

// waitedText says that others had the CPUs, if that may be why the loader was late.
func (l *Loader) waitedText() string {
	if l.Waited < l.Lag.P99 {
		return ""
	}
	return fmt.Sprintf("; it waited %s in all for a CPU that others had", DurationText(l.Waited))
}
