package bench

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"time"
)

// meter notes where a scenario began.
type meter struct {
	name, unit     string
	began          time.Duration // on the client's clock
	server, client time.Duration // CPU used until then
	slept          time.Duration // of the loop, until then
	waited         time.Duration // of its thread for a CPU, until then
	memory         runtime.MemStats
	count          *int // operations done since

	samples *samples // of the operations
	clerk   *clerk   // nil: no series is kept
	turned  time.Duration
	counted int // of count, in the intervals that are over
}

// begin starts the measurement of a scenario that counts its operations in *count, and collects what they
// took in s. Without s no series is kept.
func (cl *Client) begin(name, unit string, count *int, s *samples) error {
	cl.meter.stop()
	cl.now = time.Since(cl.start)
	usage, err := cl.usage()
	*count = 0
	cl.meter = meter{name: name, unit: unit, began: cl.now, turned: cl.now, server: usage.CPU, client: ownCPU(), slept: cl.slept, waited: ownWait(), count: count}
	runtime.ReadMemStats(&cl.meter.memory)
	if s != nil {
		s.h = newHistogram()
		cl.meter.samples, cl.meter.clerk = s, startClerk(cl.cfg.Server, cl.cfg.Told, cl.cfg.CPUs)
	}
	return err
}

// usage is the server's; zero if it is not measured.
func (cl *Client) usage() (Usage, error) {
	if cl.cfg.Server == nil {
		return Usage{}, nil
	}
	return cl.cfg.Server.Usage()
}

// turn begins the next interval of the series, if it is time.
func (m *meter) turn(now, interval time.Duration) {
	if m.clerk == nil || now-m.turned < interval {
		return
	}
	m.hand(now)
}

// hand gives the interval that ends now to the clerk.
func (m *meter) hand(now time.Duration) {
	n := *m.count - m.counted
	m.clerk.in <- interval{until: now - m.began, span: now - m.turned, count: n, h: m.samples.take(m.clerk.empty())}
	m.turned, m.counted = now, *m.count
}

// stop ends a series that nobody wants any more.
func (m *meter) stop() {
	if m.clerk != nil {
		m.clerk.finish()
		m.clerk = nil
	}
}

// end takes the measurement after the loop ended with err. With an error the result is what was measured
// until then.
func (cl *Client) end(err error) (Result, error) {
	m := &cl.meter
	now := time.Since(cl.start)
	usage, usageErr := cl.usage()
	err = cmp.Or(err, usageErr)
	r := Result{Name: m.name, Unit: m.unit, Began: cl.start.Add(m.began), Count: *m.count, Elapsed: now - m.began, Partial: err != nil}
	if err != nil && !errors.Is(err, context.Canceled) {
		r.Failure = err.Error()
	}
	if usageErr == nil && usage.CPU > m.server { // a server that has died tells nothing, one that was started anew less than before
		r.ServerCPU = usage.CPU - m.server
	}
	r.ClientCPU = ownCPU() - m.client
	r.Loader = cl.loader(r.Elapsed)
	if m.clerk != nil {
		m.hand(now)
		r.Series, r.Latency = m.clerk.finish()
		m.clerk = nil
	}
	return r, err
}

// loader is how this process fared in the scenario that ends.
func (cl *Client) loader(elapsed time.Duration) *Loader {
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	before := &cl.meter.memory
	busy := 1 - share(cl.slept-cl.meter.slept, elapsed)
	return &Loader{
		RSS:         ownRSS(),
		Busy:        busy,
		Bound:       busy > busyMax,
		Waited:      ownWait() - cl.meter.waited,
		Collections: int(after.NumGC - before.NumGC),
		Paused:      time.Duration(after.PauseTotalNs - before.PauseTotalNs),
	}
}

// progress tells the user how far the scenario is.
func (m *meter) progress(cl *Client) {
	if cl.cfg.Progress != nil && m.count != nil {
		cl.cfg.Progress(Progress{m.name, *m.count, m.unit, cl.now - m.began})
	}
}
