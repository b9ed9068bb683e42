package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"h2ws/bench"
)

// honest is one load that keeps to all rules.
type honest struct {
	name    string
	set     func(cfg *bench.Config)
	measure func(cl *bench.Client, ctx context.Context) (bench.Result, error)
}

// honestLoads are some 2,000 messages a second in all. Every message has a number, and an echo must be that of the next
// one of its socket; a message published is due once, in order, on every member of its topic.
func honestLoads() []honest {
	return []honest{
		{"echoes over HTTP/2", func(cfg *bench.Config) {
			cfg.Sockets, cfg.Conns = 200, 8
			cfg.Pace.Rate, cfg.Random = 1000, true
			cfg.Churn = bench.Churn{Closes: 2, Resets: 2, Kills: 0.2}
		}, (*bench.Client).Echo},
		{"echoes over HTTP/1.1", func(cfg *bench.Config) {
			cfg.HTTP1, cfg.Sockets, cfg.Conns = true, 50, 50
			cfg.Pace.Rate, cfg.Random = 200, true
			cfg.Churn = bench.Churn{Closes: 1, Resets: 0.5}
		}, (*bench.Client).Echo},
		{"deliveries over HTTP/2", func(cfg *bench.Config) {
			cfg.Sockets, cfg.Conns = 200, 4
			cfg.Load = bench.Load{Rate: 8, Publishers: 8, Topics: 4, Subscribers: 100}
		}, (*bench.Client).Fanout},
	}
}

// honestAddr is where the honest come from.
var honestAddr = netip.AddrFrom4([4]byte{127, 0, 0, 2})

// worker is one who does such load.
type worker struct {
	honest
	late *lateness
	out  io.Writer

	progress atomic.Int64 // messages of this run
	before   atomic.Int64 // of those before it
	runs     int
	total    Honest
}

// work opens the sockets, has them work, and closes them. A load that ends early when this process itself was late begins
// anew.
func (w *worker) work(ctx context.Context, cfg *Config) error {
	end := time.Now().Add(cfg.Duration)
	for {
		left := max(time.Until(end), time.Second)
		r, err := w.run(ctx, cfg, left)
		w.runs++
		w.total.add(r)
		w.progress.Store(0)
		w.before.Store(int64(w.total.Done))
		late := !cfg.exact && ctx.Err() == nil && w.late.excuses(time.Now())
		if err == nil || !late || !excusable(err) {
			return err
		}
		fmt.Fprintf(w.out, "%s: begins anew, as this process was late itself: %v\n", w.name, err)
	}
}

// excusable says whether an end may come of being late: not of messages that are wrong.
func excusable(err error) bool {
	var fault *bench.FaultError
	var delivery *bench.DeliveryError
	return !errors.As(err, &fault) && !errors.As(err, &delivery)
}

func (w *worker) run(ctx context.Context, cfg *Config, left time.Duration) (r bench.Result, err error) {
	bc := bench.DefaultConfig()
	bc.Target, bc.Duration = cfg.Target, left
	if len(bc.Locals) == 0 {
		bc.Locals = []netip.Addr{honestAddr}
	}
	bc.Progress = func(p bench.Progress) { w.progress.Store(int64(p.Done)) }
	bc.Pace.WarmUp = time.Second
	w.set(&bc)
	cl, err := bench.Dial(ctx, bc)
	if err != nil {
		return r, err
	}
	defer cl.Close()
	if _, err := cl.Open(ctx); err != nil {
		return r, fmt.Errorf("opening: %w", err)
	}
	if r, err = w.measure(cl, ctx); err != nil {
		r.Lost = 0 // what was on its way went with its connection
		return r, err
	}
	if _, err := cl.CloseSockets(ctx); err != nil {
		return r, fmt.Errorf("closing: %w", err)
	}
	return r, nil
}

// crowdText is how far they have come.
func crowdText(crowd []*worker) string {
	var all []string
	for _, w := range crowd {
		all = append(all, fmt.Sprintf("%d %s", w.before.Load()+w.progress.Load(), w.name))
	}
	return strings.Join(all, ", ")
}

// Honest is how a load fared.
type Honest struct {
	Name   string
	Done   int // messages that came
	Lost   int
	Churn  bench.Churned
	Anew   int           // times that it began anew, as this process itself was late
	P50    time.Duration // from when a message was due until it came, in the longest run
	P99    time.Duration
	Failed error // why it ended early: a socket or connection that the server ended, a message that is not the one expected
	most   int   // messages of the longest run
}

func (w *worker) outcome() Honest {
	h := w.total
	h.Name, h.Anew = w.name, w.runs-1
	return h
}

func (h *Honest) add(r bench.Result) {
	h.Done += r.Count
	h.Lost += r.Lost
	h.Churn.Closes += r.Churned.Closes
	h.Churn.Resets += r.Churned.Resets
	h.Churn.Kills += r.Churned.Kills
	h.Churn.Reopened += r.Churned.Reopened
	if l := r.Latency; l != nil && r.Count > h.most {
		h.P50, h.P99, h.most = l.P50, l.P99, r.Count
	}
}

func (h Honest) String() string {
	s := fmt.Sprintf("%d %s, %d lost; p50 %v, p99 %v", h.Done, h.Name, h.Lost, h.P50.Round(time.Microsecond), h.P99.Round(time.Microsecond))
	if h.Churn != (bench.Churned{}) {
		s += fmt.Sprintf("; %d sockets closed, %d reset, %d connections killed, %d sockets opened again", h.Churn.Closes, h.Churn.Resets, h.Churn.Kills, h.Churn.Reopened)
	}
	if h.Anew > 0 {
		s += fmt.Sprintf("; begun anew %d times", h.Anew)
	}
	return s
}
