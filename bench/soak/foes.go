package soak

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"h2ws/bench/attack"
	"h2ws/bench/raw"
)

// foes make one attack after another: all of them in random order, and again in another one.
type foes struct {
	target    raw.Target
	names     []string
	random    *rand.Rand
	duration  time.Duration
	interval  time.Duration
	out       io.Writer
	next      int // in names
	made      int
	fellShort int
	last      string
}

// Attacks rest for as long as they took, within these bounds: what they have the server clean up is done, mostly, when a
// sample is taken at the end of it, and honest load has its turn.
const (
	restMin = 250 * time.Millisecond
	restMax = 3 * time.Second
	// lastFrom is how long before the end no attack begins any more: the longest takes 45 s.
	lastFrom = 50 * time.Second
)

func newFoes(cfg *Config) *foes {
	return &foes{
		target: cfg.Target.Target, names: append([]string(nil), cfg.names...), random: rand.New(rand.NewPCG(cfg.Seed, 0)),
		duration: cfg.Duration, interval: cfg.Interval, out: cfg.Out,
	}
}

// attack goes on until the time is up. In the first rest after each interval sample is called.
func (f *foes) attack(ctx context.Context, begin time.Time, sample func()) error {
	for due := begin.Add(f.interval); time.Since(begin) < f.duration; {
		rest := restMin
		if f.duration < slowFrom || time.Since(begin) < f.duration-lastFrom {
			took, err := f.throw(ctx)
			if err != nil {
				return err
			}
			rest = min(max(took, restMin), restMax)
		}
		if err := sleep(ctx, rest); err != nil {
			return err
		}
		if now := time.Now(); now.After(due) && now.Sub(begin) < f.duration { // an attack may have taken longer than there was
			due = now.Add(f.interval)
			sample()
		}
	}
	return nil
}

// throw makes the next attack, of a tenth of its counts.
func (f *foes) throw(ctx context.Context) (took time.Duration, err error) {
	if len(f.names) == 0 {
		return 0, nil
	}
	if f.next%len(f.names) == 0 {
		f.next = 0
		f.random.Shuffle(len(f.names), func(i, k int) { f.names[i], f.names[k] = f.names[k], f.names[i] })
	}
	f.last = f.names[f.next]
	f.next++
	r, err := attack.Throw(ctx, attack.Config{Target: f.target, Quick: true}, f.last)
	if err != nil || ctx.Err() != nil {
		return 0, err
	}
	f.made++
	if !r.Passed() {
		f.fellShort++
		fmt.Fprintf(f.out, "%s: %q (the server: %s)\n", f.last, r.Faults, r.Did)
	}
	return r.Elapsed, nil
}

func (f *foes) String() string {
	return fmt.Sprintf("%d attacks, last %s", f.made, f.last)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
