package attack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"sync"
	"time"

	"h2ws/bench"
	"h2ws/bench/raw"
)

// Config says what is thrown, and at whom.
type Config struct {
	Target raw.Target
	Only   *regexp.Regexp // of the attacks' names; nil: all
	Quick  bool           // a tenth of the counts, and none that takes longer than 15 s
	Server *bench.Process // for its memory and CPU; nil: these are not judged
	// Bystander stands at Target. nil: one that Run has stand here.
	Bystander *Bystander
	// Elsewhere stands at another server on the same machine, which nobody attacks, and tells what the machine makes
	// everybody wait for. nil: all that the other waits for is taken for the server's doing.
	Elsewhere *Bystander

	pace pace
}

// pace is how long things take that have no end of their own. Zero fields have defaults.
type pace struct {
	quiet    time.Duration // the bystander is watched before the first attack
	rest     time.Duration // an attack goes on at least, for the bystander to have seen something
	again    time.Duration // the same when it is made again
	patience time.Duration // settlePatience
}

func (p pace) withDefaults() pace {
	return pace{
		quiet:    cmp.Or(p.quiet, 2*time.Second),
		rest:     cmp.Or(p.rest, 250*time.Millisecond),
		again:    cmp.Or(p.again, time.Second),
		patience: cmp.Or(p.patience, settlePatience),
	}
}

// An attack is one way to bring a server down.
type attack struct {
	name  string // rule/name
	about string // what it does, and where it was seen
	run   func(a *assault) *observed
	want  wanted
	grows int64 // octets of memory that it may cost while it goes on; 0: growthMax
	waits bool  // it does nothing but wait, beside others that do
	slow  bool  // for longer than 15 s
	tls   bool  // it is about TLS
}

// assault is what an attack is given.
type assault struct {
	ctx    context.Context
	target *raw.Target
	quick  bool
	server *bench.Process
	pace   pace
	foes   []*foe
}

const (
	// growthMax is what an attack may cost in memory while it goes on, in octets.
	growthMax = 64 << 20
	// leakMax is what may be left of it afterwards: the allocator's rather than the attacker's.
	leakMax = 16 << 20
	// backPatience is how long the memory may take to come back.
	backPatience = 5 * time.Second
	// bystanderFactor is how much longer a bystander may wait than in quiet times, or than one at a server that nobody
	// attacks does at the same time.
	bystanderFactor = 3
	// tries is how often an attack is made if nothing but the bystander's wait is wrong. What a server makes it wait for it
	// does each time, and a moment in which the kernel runs something else does not come back. Echoes that are late
	// count from when they were due, so that a server that is away for 10 ms is seen in the longest 1 % of a second.
	tries = 5
	// excuseTime is how long a run goes on making attacks again whose bystander waited no longer than three times
	// the one elsewhere, but longer than three times the quiet wait.
	excuseTime = 30 * time.Second
)

// ErrNotLoopback is what Run returns for a server that is not on this machine.
var ErrNotLoopback = errors.New("attacks are for servers on the loopback")

// Run throws the attacks one after another.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := checkLoopback(cfg.Target.Addr); err != nil {
		return nil, err
	}
	cfg.pace = cfg.pace.withDefaults()
	if cfg.Bystander == nil {
		cfg.Bystander = StandHere(ctx, &cfg.Target)
		defer cfg.Bystander.Close()
	}
	report := &Report{}
	var err error
	if report.Quiet, err = cfg.Bystander.quiet(ctx, cfg.pace.quiet); err != nil {
		return nil, err
	}
	begin := time.Now()
	var excused time.Duration
	for _, together := range chosen(&cfg) {
		if ctx.Err() != nil {
			return report, ctx.Err()
		}
		results, lost := throw(ctx, &cfg, report.Quiet, cfg.pace.rest, together)
		for try := 2; try <= tries && !lost && noisy(results, excused < excuseTime); try++ {
			began := time.Now()
			excuse := !slices.ContainsFunc(results, func(r Result) bool { return !r.Passed() })
			results, lost = throw(ctx, &cfg, report.Quiet, cfg.pace.again, together)
			for i := range results {
				results[i].Tries = try
			}
			if excuse {
				excused += time.Since(began)
			}
		}
		report.Results = append(report.Results, results...)
		if lost {
			if err := cfg.Bystander.comeBack(ctx, cfg.pace.patience); err != nil {
				report.Elapsed = time.Since(begin)
				return report, fmt.Errorf("the server is gone after %s: %w", together[0].name, err)
			}
		}
	}
	report.Elapsed = time.Since(begin)
	return report, ctx.Err()
}

// chosen are the attacks of a run, one after another. Those that only wait do so together, at the end.
func chosen(cfg *Config) (turns [][]attack) {
	var waiting []attack
	for _, a := range attacks() {
		switch {
		case cfg.Only != nil && !cfg.Only.MatchString(a.name), cfg.Quick && a.slow, a.tls && cfg.Target.TLS == nil:
		case a.waits:
			waiting = append(waiting, a)
		default:
			turns = append(turns, []attack{a})
		}
	}
	if len(waiting) > 0 {
		turns = append(turns, waiting)
	}
	return turns
}

// checkLoopback looks at the address itself: a name may mean anything.
func checkLoopback(addr string) error {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || !at.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("%w: 127.0.0.1:PORT or [::1]:PORT, not %s", ErrNotLoopback, addr)
	}
	return nil
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

// noisy says whether nothing is wrong with attacks but how long the bystander waited: with excuses, also if the one
// elsewhere waited, too.
func noisy(results []Result, excuses bool) bool {
	waited := false
	for i := range results {
		r := &results[i]
		waited = waited || r.waited && (excuses || !r.Passed())
		if len(r.Faults) > 1 || len(r.Faults) == 1 && !r.waited {
			return false
		}
	}
	return waited
}

// throw makes attacks together for at least a time, and judges them. lost: the bystander's connection was.
func throw(ctx context.Context, cfg *Config, quiet Waits, rest time.Duration, together []attack) (results []Result, lost bool) {
	assaults := make([]*assault, len(together))
	seen := make([]*observed, len(together))
	results = make([]Result, len(together))
	for i := range together {
		assaults[i] = &assault{ctx: ctx, target: &cfg.Target, quick: cfg.Quick, server: cfg.Server, pace: cfg.pace}
	}
	before := assaults[0].settled()
	cfg.Bystander.present()
	cfg.Elsewhere.present()
	w := startWatch(cfg.Server)
	var all sync.WaitGroup
	for i := range together {
		all.Go(func() {
			begin := time.Now()
			seen[i] = together[i].run(assaults[i])
			results[i].Elapsed = time.Since(begin)
		})
	}
	all.Wait()
	sleep(ctx, rest-results[0].Elapsed)
	waits, elsewhere := cfg.Bystander.take(), cfg.Elsewhere.take()
	for _, a := range assaults {
		for _, f := range a.foes {
			f.close()
		}
	}
	peak, cpu := w.end()
	after := assaults[0].back(before)
	if late := cfg.Bystander.take(); late.Lost { // by the end of the attack's connections
		waits.Lost, waits.Why = true, late.Why
	}
	for i, o := range seen {
		r := &results[i]
		r.Tries = 1
		r.Name, r.About, r.Did, r.Reaction, r.Sent = together[i].name, together[i].about, o.did(), o.after, o.sent
		r.Before, r.Peak, r.After, r.CPU = before, peak, after, cpu
		r.Quiet, r.Bystander, r.Elsewhere = quiet, waits, elsewhere
		r.judge(&together[i], o)
	}
	return results, waits.Lost
}

// settled is the server's memory after it has collected garbage.
func (a *assault) settled() int64 {
	if a.server == nil {
		return 0
	}
	Collect(a.ctx, a.target)
	rss, _ := a.server.RSS()
	return rss
}

// Collect has a server collect its garbage and return memory to the operating system, if it knows the reference server's
// command for that; others echo it. Either way it has been heard when Collect returns, unless the server does not answer.
func Collect(ctx context.Context, target *raw.Target) error {
	f, err := dial(ctx, target, manner{})
	if err != nil {
		return err
	}
	defer f.close()
	if _, ok := f.open(1); !ok {
		return errors.New("no WebSocket to collect garbage by")
	}
	f.sendText(1, "!G")
	if !f.awaitSoon(func(t *tally) bool { return t.data > 0 }) {
		return errors.New("no answer to the command to collect garbage")
	}
	return nil
}

// back waits for the memory to be what it was before.
func (a *assault) back(before int64) (after int64) {
	if a.server == nil {
		return 0
	}
	for end := time.Now().Add(backPatience); ; {
		if after = a.settled(); after <= before+leakMax || time.Now().After(end) || a.ctx.Err() != nil {
			return after
		}
		sleep(a.ctx, 250*time.Millisecond)
	}
}

// n is a count, of which a quick run takes a tenth.
func (a *assault) n(full int) int {
	if a.quick {
		return max(full/10, 1)
	}
	return full
}

// time is how long a flood may take.
func (a *assault) time() time.Duration {
	if a.quick {
		return 2 * time.Second
	}
	return 5 * time.Second
}

// foe is a new connection. An attack without one cannot be made.
func (a *assault) foe(m manner) (*foe, *observed) {
	f, err := dial(a.ctx, a.target, m)
	if err != nil {
		return nil, &observed{conns: 1, wrong: "no connection: " + err.Error()}
	}
	f.patience = a.pace.patience
	a.foes = append(a.foes, f)
	return f, nil
}
