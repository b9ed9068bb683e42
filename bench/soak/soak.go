package soak

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"h2ws/bench"
	"h2ws/bench/attack"
)

// Config says who is soaked, in what, and for how long.
type Config struct {
	Target   bench.Target // on the loopback; Path and HTTP1 mean nothing
	Server   *bench.Process
	Metrics  string        // URL where go_goroutines is among the metrics; "": goroutines are not judged
	Duration time.Duration // of the load; getting there and back takes some seconds more
	Interval time.Duration // between samples; 0: a sixtieth of Duration, within 500 ms and 30 s
	Seed     uint64        // of the attacks' order
	Out      io.Writer     // is told every sample, and every attack that the server did not answer as is wanted

	names    []string      // of the attacks; nil: all that fit
	loads    []honest      // nil: honestLoads
	patience time.Duration // backPatience
	exact    bool          // being late is no excuse
}

func (cfg Config) withDefaults() Config {
	cfg.Interval = cmp.Or(cfg.Interval, min(max(cfg.Duration/60, 500*time.Millisecond), 30*time.Second))
	cfg.patience = cmp.Or(cfg.patience, backPatience)
	cfg.Target.Path, cfg.Target.HTTP1 = "/", false
	if cfg.loads == nil {
		cfg.loads = honestLoads()
	}
	if cfg.names == nil {
		cfg.names = attack.Fitting(&cfg.Target.Target, cfg.Duration >= slowFrom)
	}
	return cfg
}

const (
	// slowFrom is how long a soak takes that has time for the attacks that wait.
	slowFrom = 10 * time.Minute
	// backPatience is how long descriptors and goroutines may take to be as few as before the load. The longest that
	// a server holds on to a connection which says nothing is a handshake's or a stalled stream's deadline.
	backPatience = time.Minute
)

// Run soaks the server. An error is why it could not be done, or ended early; what the server did wrong is in the report,
// which is partial beside an error, and nil if it never began.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if cfg.Server == nil || cfg.Duration <= 0 {
		return nil, errors.New("a soak takes a process to look at, and time")
	}
	cfg = cfg.withDefaults()
	s := newSampler(&cfg)
	r := &Report{Seed: cfg.Seed}
	var err error
	if r.Before, err = s.settled(ctx); err != nil {
		return nil, err
	}
	fmt.Fprintf(cfg.Out, "soak: %v, seed %d, %d attacks; before it: %v\n", cfg.Duration, cfg.Seed, len(cfg.names), r.Before)
	r.Partial = true
	if err := r.bear(ctx, &cfg, s); err != nil {
		return r, err
	}
	if r.After, err = s.back(ctx, r.Before); err != nil {
		return r, fmt.Errorf("after the load: %w", err)
	}
	r.Partial = false
	r.judge()
	return r, nil
}

// bear is the time under load.
func (r *Report) bear(ctx context.Context, cfg *Config, s *sampler) error {
	begin := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	late := &lateness{}
	all.Go(func() { late.watch(ctx) })
	crowd := make([]*worker, len(cfg.loads))
	done := make(chan *worker, len(cfg.loads))
	for i, h := range cfg.loads {
		w := &worker{honest: h, late: late, out: cfg.Out}
		crowd[i] = w
		go func() {
			if w.total.Failed = w.work(ctx, cfg); w.total.Failed != nil {
				cancel() // it is over: the server has failed
			}
			done <- w
		}()
	}
	foes := newFoes(cfg)
	err := foes.attack(ctx, begin, func() {
		sample, err := s.take(ctx)
		if err != nil { // a server that is gone is missed by the honest
			fmt.Fprintln(cfg.Out, "no sample:", err)
			return
		}
		sample.At = time.Since(begin)
		r.Samples = append(r.Samples, sample)
		fmt.Fprintf(cfg.Out, "%v  %v  %v\n", sample, crowdText(crowd), foes)
	})
	if err != nil {
		cancel()
	}
	failed := false
	for range crowd {
		w := <-done
		failed = failed || w.total.Failed != nil && !errors.Is(w.total.Failed, context.Canceled)
	}
	r.Elapsed = time.Since(begin)
	cancel()
	all.Wait()
	for _, w := range crowd {
		r.Honest = append(r.Honest, w.outcome())
	}
	r.Attacks, r.FellShort, r.Late = foes.made, foes.fellShort, late.String()
	if failed {
		return nil // but for the server's failing it would have gone on
	}
	return err
}
