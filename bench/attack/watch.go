package attack

import (
	"sync"
	"time"

	"h2ws/bench"
)

// watch reads the server's memory while an attack goes on.
type watch struct {
	process *bench.Process
	stop    chan struct{}
	done    sync.WaitGroup
	peak    int64
	cpu     time.Duration
}

const watchEvery = 20 * time.Millisecond

// startWatch begins to watch. process is nil if the server cannot be seen.
func startWatch(process *bench.Process) *watch {
	w := &watch{process: process, stop: make(chan struct{})}
	if process == nil {
		return w
	}
	w.cpu, _ = process.CPU()
	w.done.Go(func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			rss, err := process.RSS()
			if err != nil {
				return
			}
			w.peak = max(w.peak, rss)
			select {
			case <-tick.C:
			case <-w.stop:
				return
			}
		}
	})
	return w
}

// end returns the most memory seen, in octets, and the CPU time used since the beginning.
func (w *watch) end() (peak int64, cpu time.Duration) {
	close(w.stop)
	w.done.Wait()
	if w.process == nil {
		return 0, 0
	}
	now, _ := w.process.CPU()
	return w.peak, now - w.cpu
}
