package bench

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"h2ws/ws"
)

func TestRatedPublishesOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rated{publisher: 0, count: 50, size: 64, rate: 10}
		begun := time.Now()
		n := 0
		r.run(t.Context(), func(m *ws.Prepared) {
			h := parseHead(m.Data())
			due := begun.Add(time.Duration(n) * 100 * time.Millisecond).UnixNano()
			n++
			if h != (head{uint64(n), due, 0, 0}) || m.Len() != 64 {
				t.Errorf("message %d: %+v of %d octets, want it at %d", n, h, m.Len(), due)
			}
		})
		if n != 50 {
			t.Errorf("published %d", n)
		}
	})
}

func TestRatedMakesUpForDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rated{count: 20, size: lateSize, rate: 10}
		begun, n := time.Now(), 0
		r.run(t.Context(), func(m *ws.Prepared) {
			if n++; n == 5 {
				<-time.After(time.Second) // of the bubble: ten are due when it is over
			}
			want := max(r.due(n-1), 0)
			if n > 5 && n <= 15 {
				want = 1400 * time.Millisecond
			}
			if at := time.Duration(parseHead(m.Data()).at - begun.UnixNano()); at != want {
				t.Errorf("message %d at %v, want %v", n, at, want)
			}
		})
	})
}

func TestRatedEndsWithItsAsker(t *testing.T) {
	for _, rate := range []float64{rateMin, 10, rateMax} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			n := 0
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				(&rated{publisher: 7, count: 1 << 30, rate: rate}).run(ctx, func(*ws.Prepared) {
					n++
					cancel()
				})
			}()
			if rate == rateMin {
				synctest.Wait()
				cancel()
			}
			<-ended
			if n > 100 { // a timer that has fired may win over ctx, but not for long
				t.Errorf("%d were published after the end", n)
			}
		})
	}
}

func TestPublishersAreSpread(t *testing.T) {
	const n = 100
	var used [n]int
	for id := range uint32(n) {
		r := rated{publisher: id + 1, rate: 1}
		if gap := r.due(1) - r.due(0); gap != time.Second {
			t.Errorf("publisher %d: %v between messages", id, gap)
		}
		used[r.due(0)*n/time.Second]++
	}
	for i, k := range used {
		if k > 3 {
			t.Errorf("%d of %d publishers begin in hundredth %d of the interval", k, n, i)
		}
	}
	if late := (&rated{rate: rateMin}).due(1<<31 - 1); late <= 0 {
		t.Errorf("the last message is due after %v", late)
	}
}

func TestRatedText(t *testing.T) {
	for _, r := range []rated{
		{"a", 1, 1, 0, 1},
		{"0", 4294967295, 2147483647, SizeMax, 0.125},
		{"/?x", 0, 0, 20, 1e9},
	} {
		if back, err := parseRated(strings.Fields(string(r.text()))[1:]); err != nil || back != r {
			t.Errorf("%s: got %+v, %v", r.text(), back, err)
		}
	}
}
