package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// echo sends messages and awaits their echoes: InFlight at a time, each reply sending the next message
// (closed loop), or at a rate, whatever comes back (open loop). The next socket is the next one in turn,
// or one that is drawn. A message is
//
//	number of the message on its socket (32) | socket (32) | stamp (64) | filler
//
// and its reply must be the same.
type echo struct {
	unexpected
	cl      *Client
	filler  []byte // of the largest message; its first EchoSizeMin octets change
	sizes   Sizes
	random  *rand.Rand
	next    int    // in turn
	pace    *pacer // nil: closed loop
	churn   *churn // nil: none
	slow    *slowReaders
	from    time.Duration // what is sent from then on is measured
	until   time.Duration // and until then
	grace   time.Duration // how long what was sent until then is awaited
	stopped bool
	failed  error // in turn

	inFlight int // closed loop: as many now
	away     int // sent and not yet back
	stale    int // of these, sent ahead of the time that is measured; meanwhile nothing is abandoned
	begun    int // sent in the time that is measured
	count    int // of these, back; during the warm-up all
	last     time.Duration
	samples  samples       // from when the message was due
	raw      samples       // from when it was sent; open loop
	together time.Duration // nothing is sent until then
	lag      samples       // between the two
}

// awayMax is how many messages may be under way at a rate: a server that is so far behind does not
// recover, and what is sent to it fills memory.
const awayMax = 1 << 20

// graceMax is how long echoes are awaited when all is sent: as long as deliveries.
const graceMax = quietMax

// OverloadError is a server that fell behind the rate for good.
type OverloadError struct{ Away int }

func (e *OverloadError) Error() string {
	return fmt.Sprintf("the server is overloaded: %s are unanswered", Plural(e.Away, "message"))
}

// Echo sends messages over all sockets for Duration, after the ramp and the warm-up. In a closed loop those
// still under way at the end are awaited and not counted; at a rate they are counted. What is not back
// in the end is lost.
func (cl *Client) Echo(ctx context.Context) (Result, error) {
	e, err := newEcho(ctx, cl)
	if err != nil {
		return Result{}, err
	}
	return e.run(ctx)
}

func (e *echo) run(ctx context.Context) (Result, error) {
	cl := e.cl
	if e.churn != nil {
		defer e.churn.wait()
	}
	if err := cl.begin("echo warm-up", "echoes", &e.count, nil); err != nil {
		return Result{}, err
	}
	if err := e.warmUp(ctx); err != nil {
		return Result{}, err
	}
	if err := cl.begin("echo", "echoes", &e.count, &e.samples); err != nil {
		return Result{}, err
	}
	return e.measure(ctx)
}

func newEcho(ctx context.Context, cl *Client) (*echo, error) {
	cfg := &cl.cfg
	if cfg.Sizes.least < EchoSizeMin {
		return nil, fmt.Errorf("size must be at least %d to check echoes, not %d", EchoSizeMin, cfg.Sizes.least)
	}
	e := &echo{cl: cl, filler: filler(cfg.Sizes.most), sizes: cfg.Sizes, random: rand.New(rand.NewPCG(1, 2)), inFlight: cfg.InFlight, grace: graceMax}
	if cfg.Load.slow() {
		slow, err := cl.slowDown(ctx, newPlan(*cfg))
		if err != nil {
			return nil, err
		}
		e.slow = slow
	}
	cl.resetCounts()
	e.until = 1 << 62
	if cfg.Churn != (Churn{}) {
		e.churn = newChurn(cl, e.abandon)
	}
	return e, nil
}

// warmUp is all of the load before the part that is measured.
func (e *echo) warmUp(ctx context.Context) error {
	cl, pace := e.cl, e.cl.cfg.Pace
	cl.now = time.Since(cl.start)
	begun := cl.now
	e.from = begun + pace.Ramp + pace.warmUp(cl.cfg.Duration)
	if pace.Rate > 0 {
		e.pace = newPacer(pace.Rate, pace.Poisson, pace.Ramp, begun)
	}
	err := cl.run(ctx, e, func() bool {
		if pace.Ramp > 0 {
			grown := share(cl.now-begun, pace.Ramp)
			e.inFlight = max(1, min(cl.cfg.InFlight, int(grown*float64(cl.cfg.InFlight))))
		}
		return e.turn() || cl.now >= e.from
	})
	return e.outcome(err)
}

// measure is called when the measurement has begun.
func (e *echo) measure(ctx context.Context) (r Result, err error) {
	if e.pace == nil {
		r, err = e.measureLoop(ctx)
	} else {
		r, err = e.measureRate(ctx)
	}
	if e.churn != nil {
		r.Churned = e.churn.done
	}
	return r, err
}

// measureLoop is measure of a closed loop.
func (e *echo) measureLoop(ctx context.Context) (Result, error) {
	cl := e.cl
	e.inFlight = cl.cfg.InFlight
	e.until = cl.now + cl.cfg.Duration
	r, err := cl.end(e.outcome(cl.run(ctx, e, func() bool { return e.turn() || cl.now >= e.until })))
	if err == nil {
		err = e.drain(ctx)
	}
	r.settle(r.Count+e.away, err)
	return r, err
}

// drain awaits what is under way at the end of a closed loop, as long as grace.
func (e *echo) drain(ctx context.Context) error {
	e.stopped = true
	over := e.cl.now + e.grace
	return e.outcome(e.cl.run(ctx, e, func() bool {
		return e.turn() || e.away == 0 && e.churn.settled() || e.cl.now >= over
	}))
}

// measureRate is measure at a rate.
func (e *echo) measureRate(ctx context.Context) (Result, error) {
	cl := e.cl
	e.until = e.from + cl.cfg.Duration
	e.stale = e.away - e.begun // what begun has is due already
	timely := 0                // of begun, until the end and what the loader may be late by
	err := e.outcome(cl.run(ctx, e, func() bool {
		failed := e.turn()
		if cl.now-e.until < cl.cfg.LagMax {
			timely = e.begun
		}
		return failed || cl.now >= e.until && (e.away == 0 && e.pace.next >= e.until && e.churn.settled() || cl.now >= e.until+e.grace)
	}))
	r, err := cl.end(err)
	r.settle(e.begun, err)
	e.result(&r, timely)
	return r, err
}

// result adds to a result what there is at a rate. Of what was begun timely was in time.
func (e *echo) result(r *Result, timely int) {
	cl := e.cl
	r.Raw = e.raw.latency()
	if e.last > cl.meter.began {
		r.Elapsed = max(min(r.Elapsed, cl.cfg.Duration), e.last-cl.meter.began)
	}
	r.Loader.Lag = e.lag.latency()
	r.Loader.Wanted = cl.cfg.Pace.Rate
	switch {
	case r.Partial || e.begun == 0 && e.pace.next >= e.until: // as far as it went
		r.Loader.Begun = r.Loader.Wanted
	case e.pace.next < e.until: // some was never begun
		r.Loader.Begun = float64(timely) / cl.cfg.Duration.Seconds()
	default:
		r.Loader.Begun = r.Loader.Wanted * min(1, float64(timely)/float64(e.begun)) // the churn takes from begun
	}
	r.Loader.judge(cl.cfg.LagMax)
}

// outcome prefers what turn says to what the loop does.
func (e *echo) outcome(err error) error {
	if e.failed != nil {
		return e.failed
	}
	return err
}

// turn sends what is due. It says whether the run is over, because it failed.
func (e *echo) turn() bool {
	cl := e.cl
	if e.away == 0 {
		cl.heard = cl.now
	}
	if e.churn != nil && e.stale == 0 {
		e.churn.over = e.stopped || cl.now >= e.until
		e.failed = e.churn.turn(e)
	}
	if e.slow != nil && e.failed == nil {
		e.failed = e.slow.feed()
	}
	switch {
	case e.failed != nil || e.stopped:
	case e.pace == nil:
		for e.away < e.inFlight && e.send(cl.now) {
		}
	default:
		e.sendDue()
	}
	return e.failed != nil
}

// What is sent at a rate: batchMost messages, or to writesMost connections, are written at once, so that what is taken for
// sent does not wait long until it is. turnMost are sent before replies are read, which is about as many as one read brings:
// with fewer, those that are due would wait behind replies, and with more replies behind them, for ever longer.
const (
	batchMost  = 256
	writesMost = 32
	turnMost   = 6 * batchMost
)

// From crowdedRate messages a second on those of crowdedTime are sent together: a turn of the loop and two system calls
// for each few of them would take most of the loader's time.
const (
	crowdedRate = 1e6
	crowdedTime = 50 * time.Microsecond
)

// sendDue sends what is due at a rate, as far as a turn goes.
func (e *echo) sendDue() {
	cl := e.cl
	cl.now = time.Since(cl.start)
	if cl.now < e.together {
		cl.alarm = e.together
		return
	}
	for n := 0; e.pace.next <= cl.now && e.pace.next < e.until; n++ {
		switch {
		case n == turnMost:
			cl.alarm = cl.now
			return
		case n > 0 && n%batchMost == 0, len(cl.wake) >= writesMost:
			if e.failed = cl.flush(); e.failed != nil {
				return
			}
			cl.now = time.Since(cl.start)
		}
		if e.away >= awayMax {
			e.failed = &OverloadError{e.away}
			return
		}
		if !e.send(e.pace.next) {
			e.failed = errors.New("no socket is open")
			return
		}
		e.pace.step()
	}
	if cl.cfg.Pace.Rate >= crowdedRate {
		e.together = cl.now + crowdedTime
	}
	cl.alarm = min(max(e.pace.next, e.together), e.until)
}

// send sends a message that was due, if any socket can.
func (e *echo) send(due time.Duration) bool {
	n, ok := e.pick()
	if !ok {
		return false
	}
	c, i := e.cl.socket(n)
	s := &c.streams[i]
	s.sent++
	lag := max(0, e.cl.now-due)
	p := e.filler[:e.sizes.draw(e.random)]
	binary.BigEndian.PutUint32(p, s.sent)
	binary.BigEndian.PutUint32(p[4:], uint32(n))
	binary.BigEndian.PutUint64(p[8:], stamp(due, lag))
	c.send(i, opBinary, p, false)
	e.away++
	if due >= e.from && e.pace != nil {
		e.begun++
		e.lag.add(lag)
	}
	return true
}

// pick returns the socket for the next message. Those that are not open, or slow, are passed over.
func (e *echo) pick() (n int, ok bool) {
	for range e.cl.cfg.Sockets {
		if e.cl.cfg.Random {
			n = int(e.random.Uint64() % uint64(e.cl.cfg.Sockets))
		} else {
			n = e.next
			if e.next++; e.next == e.cl.cfg.Sockets {
				e.next = 0
			}
		}
		if e.cl.ready(n) {
			return n, true
		}
	}
	return 0, false
}

func (e *echo) opened(c *conn, i int) error {
	if e.churn != nil {
		e.churn.opened()
	}
	return nil
}

// closed is told of sockets that the churn closes, and of slow ones that the server gives up.
func (e *echo) closed(c *conn, i int, err error) error {
	switch {
	case c.streams[i].slow:
		return nil
	case err == nil && e.churn != nil:
		return e.churn.closed(c, i)
	}
	return e.unexpected.closed(c, i, err)
}

// abandon is told of a socket that is given up on purpose, and what was on its way with it.
func (e *echo) abandon(c *conn, i int) {
	s := &c.streams[i]
	lost := int(s.sent - s.seen)
	e.away -= lost
	e.begun -= min(lost, e.begun)
	s.sent = s.seen
}

func (e *echo) message(c *conn, i int, m message) error {
	if c.streams[i].slow {
		return nil
	}
	c.streams[i].seen++
	if err := e.check(c, i, m); err != nil {
		return err
	}
	e.away--
	age, lag := parseStamp(binary.BigEndian.Uint64(m.data[8:]), e.cl.now)
	if e.pace == nil {
		e.count++
		e.samples.add(age)
		if !e.stopped && e.away < e.inFlight {
			e.send(e.cl.now)
		}
		return nil
	}
	switch {
	case e.cl.now-age >= e.from:
		e.count++
		e.last = e.cl.now
		e.samples.add(age)
		e.raw.add(age - lag)
	case e.cl.now < e.from:
		e.count++
	default:
		e.stale--
	}
	return nil
}
