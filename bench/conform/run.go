package conform

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"h2ws/bench/raw"
)

// Config says what is run, and against what.
type Config struct {
	Target raw.Target
	Only   *regexp.Regexp // of the cases' names; nil: all

	Wait     time.Duration // what an answer may take at most; 0: 2 s
	Grace    time.Duration // what an answer may take that should come at once; 0: 250 ms
	Parallel int           // cases at a time; 0: 16
}

func (c Config) withDefaults() Config {
	if c.Wait <= 0 {
		c.Wait = 2 * time.Second
	}
	if c.Grace <= 0 {
		c.Grace = 250 * time.Millisecond
	}
	if c.Parallel <= 0 {
		c.Parallel = 16
	}
	return c
}

// A Case is one dialogue about one rule.
type Case struct {
	Name    string // group/name
	Section string // the rule
	setup   setup
	steps   []step
}

// setup is what a dialogue begins with.
type setup struct {
	settings []entry // the client's, besides its usual ones
	noCredit bool    // nothing that was received is given back
	silent   bool    // neither preface nor SETTINGS are sent: the steps do that
}

// ErrUnreachable is wrapped by what Run returns if there is no HTTP/2 server at the target.
var ErrUnreachable = errors.New("no HTTP/2 server")

// Run runs the cases. Without an error every one has an outcome.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	cfg = cfg.withDefaults()
	if err := probe(ctx, &cfg); err != nil {
		return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, cfg.Target.Addr, err)
	}
	var chosen []Case
	for _, c := range Cases() {
		if cfg.Only == nil || cfg.Only.MatchString(c.Name) {
			chosen = append(chosen, c)
		}
	}
	begin := time.Now()
	report := &Report{Outcomes: make([]Outcome, len(chosen))}
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(cfg.Parallel, len(chosen)) {
		workers.Go(func() {
			for i := range next {
				report.Outcomes[i] = chosen[i].run(ctx, &cfg)
			}
		})
	}
	for i := 0; i < len(chosen) && ctx.Err() == nil; i++ {
		next <- i
	}
	close(next)
	workers.Wait()
	report.Elapsed = time.Since(begin)
	return report, ctx.Err()
}

// probe finds out whether somebody says SETTINGS.
func probe(ctx context.Context, cfg *Config) error {
	d, err := newDialogue(ctx, cfg, setup{})
	if err != nil {
		return err
	}
	defer d.c.Close()
	return d.start()
}

// run has the dialogue of the case.
func (c *Case) run(ctx context.Context, cfg *Config) Outcome {
	o := Outcome{Name: c.Name, Section: c.Section}
	begin := time.Now()
	d, err := newDialogue(ctx, cfg, c.setup)
	if err == nil {
		defer d.c.Close()
		err = d.runSteps(c)
		o.Notes, o.Transcript = d.notes, d.log.lines()
	}
	o.Elapsed = time.Since(begin)
	var miss *missError
	switch {
	case errors.As(err, &miss):
		o.Grade, o.Want, o.Got = Failed, miss.want, miss.got
	case err != nil:
		o.Grade, o.Want, o.Got = Failed, "a connection that lasts", err.Error()
	case len(o.Notes) > 0:
		o.Grade = Lenient
	}
	return o
}

func (d *dialogue) runSteps(c *Case) error {
	if !c.setup.silent {
		if err := d.start(); err != nil {
			return err
		}
	}
	for _, s := range c.steps {
		if err := s(d); err != nil {
			return err
		}
	}
	return d.finish()
}

// missError is something else than what a step wanted.
type missError struct{ want, got string }

func (e *missError) Error() string { return "wanted " + e.want + "; came " + e.got }
