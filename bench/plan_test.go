package bench

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"
)

func TestPlanAgainstModel(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		cfg := DefaultConfig()
		cfg.Sockets = 1 + random.IntN(50)
		cfg.Conns = 1 + random.IntN(cfg.Sockets)
		cfg.Load = Load{Rate: 100, Topics: 1 + random.IntN(20), Subscribers: random.IntN(cfg.Sockets + 1), Publishers: random.IntN(30)}
		p := newPlan(cfg)
		members := map[string][]int{} // by topic, what the sockets' paths say
		for n := range cfg.Sockets {
			names := topicNames(p.path(n))
			published := slices.ContainsFunc(names, func(name string) bool {
				topic, err := strconv.Atoi(name)
				return err == nil && topic < p.Publishers
			})
			if published != p.listens(n) {
				t.Fatalf("%+v: socket %d opens %s", cfg.Load, n, p.path(n))
			}
			for _, name := range names {
				members[name] = append(members[name], n)
			}
		}
		if len(members) != cfg.Load.Topics {
			t.Fatalf("%+v: %d topics have members", cfg.Load, len(members))
		}
		for topic := range cfg.Load.Topics {
			who := members[fmt.Sprint(topic)]
			if len(who) != p.Subscribers {
				t.Fatalf("%+v: topic %d has the sockets %v", cfg.Load, topic, who)
			}
			places := map[int]bool{}
			for n := range cfg.Sockets {
				k, ok := p.subscriber(topic, n)
				if ok != slices.Contains(who, n) || ok && (k < 0 || places[k]) {
					t.Fatalf("%+v: socket %d is subscriber %d, %v of topic %d: %v", cfg.Load, n, k, ok, topic, who)
				}
				places[k] = ok
			}
		}
	}
}

func TestPlanOfMessages(t *testing.T) {
	for _, c := range []struct {
		rate       float64
		publishers int
		count      int
	}{{100, 1, 500}, {100, 10, 50}, {0.1, 1, 1}, {3, 100, 1}, {100, 3, 167}} {
		cfg := DefaultConfig()
		cfg.Duration = 5 * time.Second
		cfg.Load = Load{Rate: c.rate, Publishers: c.publishers, Topics: 2}
		p := newPlan(cfg)
		if p.count != c.count {
			t.Errorf("%+v: %d messages each", c, p.count)
		}
		last := p.command(c.publishers-1, 7, 64)
		want := rated{fmt.Sprint((c.publishers - 1) % 2), uint32(7 + c.publishers), c.count, 64, c.rate / float64(c.publishers)}
		if last != want {
			t.Errorf("%+v: the last is asked for %+v, want %+v", c, last, want)
		}
	}
}

func TestSlowSockets(t *testing.T) {
	for _, c := range []struct {
		sockets, conns, slowConns int
		share                     float64
		want                      int
	}{
		{100_000, 1, 0, 0.01, 1000}, {100_000, 1, 0, 0, 0}, {1, 1, 0, 0.9, 0}, {10, 1, 0, 0.999, 9},
		{100, 10, 9, 0.5, 9}, {100, 10, 5, 0.1, 10},
	} {
		cfg := DefaultConfig()
		cfg.Sockets, cfg.Conns = c.sockets, c.conns
		cfg.Load = Load{Rate: 1, SlowShare: c.share, SlowConns: c.slowConns}
		p := newPlan(cfg)
		slow := p.slowSockets()
		if len(slow) != c.want || !slices.IsSorted(slow) {
			t.Errorf("%+v: %d are slow", c, len(slow))
		}
		if got := len(slices.Compact(slices.Clone(slow))); got != len(slow) {
			t.Errorf("%+v: %d different ones", c, got)
		}
		for _, n := range slow {
			if n == 0 || p.slowConn(n%c.conns) {
				t.Errorf("%+v: socket %d is slow", c, n)
			}
		}
	}
}
