package soak

import (
	"context"
	"fmt"
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
	done   atomic.Int64 // messages
	result bench.Result
	err    error
}

// work opens the sockets, has them work, and closes them.
func (w *worker) work(ctx context.Context, cfg *Config) {
	bc := bench.DefaultConfig()
	bc.Target, bc.Duration = cfg.Target, cfg.Duration
	if len(bc.Locals) == 0 {
		bc.Locals = []netip.Addr{honestAddr}
	}
	bc.Progress = func(p bench.Progress) { w.done.Store(int64(p.Done)) }
	bc.Pace.WarmUp = time.Second
	w.set(&bc)
	w.err = w.run(ctx, bc)
}

func (w *worker) run(ctx context.Context, bc bench.Config) error {
	cl, err := bench.Dial(ctx, bc)
	if err != nil {
		return err
	}
	defer cl.Close()
	if _, err := cl.Open(ctx); err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	if w.result, err = w.measure(cl, ctx); err != nil {
		return err
	}
	if _, err := cl.CloseSockets(ctx); err != nil {
		return fmt.Errorf("closing: %w", err)
	}
	return nil
}

// crowdText is how far they have come.
func crowdText(crowd []*worker) string {
	var all []string
	for _, w := range crowd {
		all = append(all, fmt.Sprintf("%d %s", w.done.Load(), w.name))
	}
	return strings.Join(all, ", ")
}

// Honest is how a load fared.
type Honest struct {
	Name   string
	Done   int // messages that came
	Lost   int
	Churn  bench.Churned
	P50    time.Duration // from when a message was due until it came
	P99    time.Duration
	Failed error // why it ended early: a socket or connection that the server ended, a message that is not the one expected
}

func (w *worker) outcome() Honest {
	h := Honest{Name: w.name, Done: w.result.Count, Lost: w.result.Lost, Churn: w.result.Churned, Failed: w.err}
	if l := w.result.Latency; l != nil {
		h.P50, h.P99 = l.P50, l.P99
	}
	return h
}

func (h Honest) String() string {
	s := fmt.Sprintf("%d %s, %d lost; p50 %v, p99 %v", h.Done, h.Name, h.Lost, h.P50.Round(time.Microsecond), h.P99.Round(time.Microsecond))
	if h.Churn != (bench.Churned{}) {
		s += fmt.Sprintf("; %d sockets closed, %d reset, %d connections killed, %d sockets opened again", h.Churn.Closes, h.Churn.Resets, h.Churn.Kills, h.Churn.Reopened)
	}
	return s
}
