package bench

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// somePlan has 3 topics of 5 sockets, of which there are 7, and 7 publishers of 4 messages.
func somePlan() *plan {
	cfg := DefaultConfig()
	cfg.Sockets, cfg.Conns, cfg.Duration = 7, 2, time.Second
	cfg.Load = Load{Rate: 28, Topics: 3, Subscribers: 5, Publishers: 7}
	return newPlan(cfg)
}

func nobody(int) bool { return false }

func TestTallyOfAllInOrder(t *testing.T) {
	p := somePlan()
	tl := newTally(p, 100, func(n int) bool { return n == 3 })
	const at = 1e18
	for sequence := range uint64(4) {
		for i := range 7 {
			topic := i % 3
			for m := topic * 5; m < topic*5+5; m++ {
				if tl.complete() {
					t.Fatal("complete before all was delivered")
				}
				n := m % 7
				age := time.Duration(1+m-topic*5) * time.Millisecond
				if err := tl.deliver(n, n == 3, head{sequence + 1, at, uint32(101 + i), 0}, at+int64(age)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	// Topics 0 and 1 have socket 3 (memberships 3 and 10), topic 2 does not.
	if want := (deliveries{owed: 4 * (3*4 + 2*4 + 2*5), delivered: 4 * (3*4 + 2*4 + 2*5)}); tl.prompt != want {
		t.Errorf("prompt: %+v, want %+v", tl.prompt, want)
	}
	if want := (deliveries{owed: 4 * 5, delivered: 4 * 5}); tl.slow != want {
		t.Errorf("slow: %+v, want %+v", tl.slow, want)
	}
	if !tl.complete() {
		t.Error("not complete")
	}
	if l := tl.toLast.latency(); l.Count != 28 || !about(l.P50, 5*time.Millisecond) || !about(l.Max, 5*time.Millisecond) {
		t.Errorf("%d publishes reached the last socket, after %+v", l.Count, l)
	}
	if l := tl.latency.latency(); l.Count != 120 || !about(l.P50, 3*time.Millisecond) {
		t.Errorf("latency of %d deliveries: %+v", l.Count, l)
	}
}

func TestWhatIsKnownToBePublished(t *testing.T) {
	tl := newTally(somePlan(), 0, func(n int) bool { return n == 4 })
	for _, d := range []struct {
		socket, publisher int
		sequence          uint64
		published         int // in all
	}{
		{0, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 3, 3}, {0, 1, 2, 3}, // what was overtaken is published too
		{4, 4, 2, 5}, // a slow socket is a witness as well
		{5, 2, 1, 6},
	} {
		if err := tl.deliver(d.socket, d.socket == 4, head{d.sequence, 0, uint32(d.publisher), 0}, 0); err != nil {
			t.Fatal(err)
		}
		if n := tl.published(); n != d.published {
			t.Errorf("%d are published when socket %d has message %d of publisher %d, want %d", n, d.socket, d.sequence, d.publisher, d.published)
		}
	}
}

func TestTallyRefuses(t *testing.T) {
	p := somePlan()
	for text, h := range map[string]head{
		"publisher 0,":      {1, 0, 0, 0},
		"publisher 100,":    {1, 0, 100, 0},
		"publisher 108,":    {1, 0, 108, 0},
		"topic 1,":          {1, 0, 102, 0}, // of the sockets 5, 6, 0, 1, 2
		"sequence number 0": {0, 0, 101, 0},
		"sequence number 5": {5, 0, 101, 0},
		"number 4294967297": {1<<32 + 1, 0, 101, 0},
	} {
		wantFault(t, newTally(p, 100, nobody).deliver(4, false, h, 0), text)
	}
}

// TestTallyAgainstModel delivers sequence numbers of a few slots in any order, some often and some never.
func TestTallyAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		p := somePlan()
		p.count = 1 + random.IntN(30)
		tl := newTally(p, 0, func(n int) bool { return n >= 5 })
		var want [2]deliveries
		highest := map[string]uint64{}
		seen := map[string]bool{}
		for range random.IntN(2000) {
			i, sequence := random.IntN(7), 1+random.Uint64N(uint64(p.count))
			topic := i % 3
			n := (topic*5 + random.IntN(5)) % 7
			d := &want[0]
			if n >= 5 {
				d = &want[1]
			}
			slot := fmt.Sprint(n, i)
			message := fmt.Sprint(n, i, sequence)
			switch {
			case seen[message]:
				d.repeated++
			case sequence < highest[slot]:
				d.reordered++
				d.delivered++
			default:
				d.delivered++
			}
			highest[slot] = max(highest[slot], sequence)
			seen[message] = true
			if err := tl.deliver(n, n >= 5, head{sequence, 0, uint32(i + 1), 0}, 0); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		for i := range 7 {
			for m := i % 3 * 5; m < i%3*5+5; m++ {
				d := &want[0]
				if m%7 >= 5 {
					d = &want[1]
				}
				d.owed += p.count
				for sequence := range highest[fmt.Sprint(m%7, i)] {
					if !seen[fmt.Sprint(m%7, i, sequence+1)] {
						d.missing++
					}
				}
			}
		}
		if tl.prompt != want[0] || tl.slow != want[1] {
			t.Fatalf("seed %d: got %+v and %+v, want %+v and %+v", seed, tl.prompt, tl.slow, want[0], want[1])
		}
	}
}
