package engine

import (
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	var c clock
	world, want := time.Duration(0), time.Duration(0)
	for _, step := range []struct {
		why                      string
		passes, patience, counts time.Duration
	}{
		{"an event comes early", 3 * ms, 10 * s, 3 * ms},
		{"nothing comes", 10 * s, 10 * s, 10 * s},
		{"a turn takes its time", 90 * ms, 0, 90 * ms},
		{"a callback blocks the loop", 8 * s, 0, lagMax},
		{"nothing is awaited, so nobody can be late", 24 * 3600 * s, never, 24 * 3600 * s},
		{"the machine sleeps", 3600 * s, 2 * s, 2*s + lagMax},
		{"a callback blocks the loop, which then waits as long as it should", 5*s + 2*s, 2 * s, 2*s + lagMax},
	} {
		world += step.passes
		want += step.counts
		if got := c.tick(world, step.patience); got != want || c.at(world+s) != want+s {
			t.Errorf("%s: %v, want %v", step.why, got, want)
		}
	}
}
