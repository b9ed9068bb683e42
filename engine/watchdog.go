package engine

import (
	"bytes"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// heart tells the watchdog that a loop lives. Only the loop beats.
type heart struct {
	beats     atomic.Uint64 // twice their number, and 1 while the loop does not wait for events
	goroutine []byte        // how the loop's goroutine begins in a stack trace, from before its first beat
}

// beat says that the loop has got on: it must between any two callbacks of different connections.
func (h *heart) beat() { h.beats.Store((h.beats.Load() + 2) | 1) }

// rest says that it waits for events.
func (h *heart) rest() { h.beats.Store(h.beats.Load() &^ 1) }

// name remembers the calling goroutine as the loop's.
func (h *heart) name() {
	var b [64]byte
	head := b[:runtime.Stack(b[:], false)]
	h.goroutine = bytes.Clone(head[:bytes.IndexByte(head, '[')])
}

// watchdog looks at loops from outside. One that has not got on for Limits.BlockTime is blocked by a callback: that is
// logged with the callback's stack and counted, once.
type watchdog struct {
	log     *slog.Logger
	limit   time.Duration
	blocked atomic.Uint64
	once    sync.Once
	stop    chan struct{}
	done    chan struct{}
}

// watch is what the watchdog knows of one loop.
type watch struct {
	heart *heart
	beats uint64
	since time.Time
	told  bool
}

// looks is how often the watchdog looks within its limit.
const looks = 4

func newWatchdog(limit time.Duration, log *slog.Logger, loops []*loop) *watchdog {
	d := &watchdog{log: log, limit: limit, stop: make(chan struct{}), done: make(chan struct{})}
	if limit == never {
		close(d.done)
		return d
	}
	go d.run(loops)
	return d
}

func (d *watchdog) run(loops []*loop) {
	defer close(d.done)
	watches := make([]watch, len(loops))
	for i, l := range loops {
		watches[i] = watch{heart: &l.heart, since: time.Now()}
	}
	tick := time.NewTicker(max(d.limit/looks, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-d.stop:
			return
		case now := <-tick.C:
			for i := range watches {
				d.look(&watches[i], now)
			}
		}
	}
}

func (d *watchdog) look(w *watch, now time.Time) {
	beats := w.heart.beats.Load()
	switch {
	case beats != w.beats || beats&1 == 0:
		w.beats, w.since, w.told = beats, now, false
	case !w.told && now.Sub(w.since) >= d.limit:
		w.told = true
		d.log.Error("a callback blocks its loop", "for", now.Sub(w.since), "stack", string(stackOf(w.heart.goroutine)))
		d.blocked.Add(1)
	}
}

// end ends the watchdog. Any goroutine, any number of times, on nil too.
func (d *watchdog) end() {
	if d != nil {
		d.once.Do(func() { close(d.stop) })
		<-d.done
	}
}

func (d *watchdog) addTo(s *Stats) {
	if d != nil {
		s.LoopsBlocked += d.blocked.Load()
	}
}

// stacksSize is how much of all goroutines' stacks is searched for a loop's. Loops are among the first.
const stacksSize = 1 << 20

// stackOf returns the stack of a goroutine.
func stackOf(goroutine []byte) []byte {
	all := make([]byte, stacksSize)
	all = all[:runtime.Stack(all, true)]
	for stack := range bytes.SplitSeq(all, []byte("\n\n")) {
		if bytes.HasPrefix(stack, goroutine) {
			return stack
		}
	}
	return fmt.Appendf(nil, "%snot among the first", goroutine)
}
