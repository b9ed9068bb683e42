package bench

import (
	"context"
	"fmt"
	"time"
)

// ratedFanout has the server publish a plan, and waits until every socket that is not slow has all of
// it, or nothing more comes.
type ratedFanout struct {
	unexpected
	cl      *Client
	tally   *tally
	epoch   int64         // cl.start, in nanoseconds since 1970
	slow    *slowReaders  // nil: none yet
	count   int           // deliveries, each once
	givenUp int           // slow sockets, by the server
	last    time.Duration // when a prompt socket last had something new
	until   time.Duration // when all should have been published
	quiet   time.Duration // nothing comes for so long after that: what is missing is lost
}

// quietMax is ratedFanout.quiet: longer than a machine that is busy with other things keeps a process waiting.
const quietMax = 10 * time.Second

// fanoutAtRate publishes the plan, after a warm-up of one message by each publisher. Latency is that of
// deliveries to sockets that are not slow, from their publish, which takes a server on this machine. If one of these lost anything, was
// delivered anything twice or out of order, the error is a *DeliveryError, beside the result.
//
// Sockets that are slow remain so: it is the last scenario of a Client that has any.
func (cl *Client) fanoutAtRate(ctx context.Context) (Result, error) {
	warmUp := *cl.plan
	warmUp.count, warmUp.each = 1, 1000
	f := newRatedFanout(cl, &warmUp, 0)
	if err := cl.begin("fanout warm-up", "deliveries", &f.count, nil); err != nil {
		return Result{}, err
	}
	if err := f.publish(ctx); err != nil {
		return Result{}, err
	}
	if err := f.tally.verdict(); err != nil {
		return Result{}, fmt.Errorf("warm-up: %w", err)
	}
	slow, err := cl.slowDown(ctx, cl.plan)
	if err != nil {
		return Result{}, err
	}
	f = newRatedFanout(cl, cl.plan, uint32(cl.plan.Publishers))
	f.slow = slow
	return f.measure(ctx)
}

func newRatedFanout(cl *Client, p *plan, base uint32) *ratedFanout {
	cl.resetCounts()
	return &ratedFanout{
		cl: cl, tally: newTally(p, base, cl.slowOf), epoch: cl.start.UnixNano(), quiet: quietMax,
	}
}

func (f *ratedFanout) measure(ctx context.Context) (Result, error) {
	cl := f.cl
	before, err := cl.usage()
	if err != nil {
		return Result{}, err
	}
	if err := cl.begin("fanout", "deliveries", &f.count, &f.tally.latency); err != nil {
		return Result{}, err
	}
	r, err := cl.end(f.publish(ctx))
	r.Raw = f.tally.raw.latency()
	r.Delivery = f.summary(r.Partial)
	r.Delivery.Memory = Memory{Base: before.RSS, RSS: before.RSS}
	for _, p := range r.Series {
		r.Delivery.Memory.RSS = max(r.Delivery.Memory.RSS, p.Server.RSS)
	}
	f.judge(r.Loader)
	if err == nil {
		err = f.tally.verdict()
	}
	return r, err
}

// judge decides about Invalid. Latency begins on the server's clock and ends on ours.
func (f *ratedFanout) judge(l *Loader) {
	switch {
	case f.tally.early > 0:
		l.Invalid = fmt.Sprintf("%s deliveries came before they were published by the server's clock, which is not this machine's", Thousands(f.tally.early))
	case l.Bound:
		l.Invalid = "the loader had no time to wait: messages were late because it read them late"
	case !onThisMachine(f.cl.cfg.Addr):
		l.Invalid = "the server is on another machine: two clocks cannot tell how long a delivery took"
	}
}

// publish starts the publishers, and returns when what they publish has arrived.
func (f *ratedFanout) publish(ctx context.Context) error {
	p := f.tally.plan
	c, i := f.cl.socket(0)
	f.until = time.Since(f.cl.start) + p.length()
	for publisher := range p.Publishers {
		r := p.command(publisher, f.tally.base, f.cl.cfg.Size)
		c.send(i, opText, r.text(), false)
	}
	var failed error
	err := f.cl.run(ctx, f, func() bool {
		if f.slow != nil {
			failed = f.slow.feed()
		}
		return failed != nil || f.over()
	})
	if failed != nil {
		return failed
	}
	return err
}

// over says whether there is nothing more to wait for.
func (f *ratedFanout) over() bool {
	return f.tally.complete() || f.cl.now-max(f.last, f.until) > f.quiet
}

func (f *ratedFanout) message(c *conn, i int, m message) error {
	s := &c.streams[i]
	n := f.cl.number(c, i)
	switch {
	case m.op == opText:
		return faultf("socket %d: a command to publish was answered: %.80q", n, m.data)
	case len(m.data) != f.cl.cfg.Size:
		return faultf("socket %d: delivery of %d octets, asked for were %d", n, len(m.data), f.cl.cfg.Size)
	}
	s.seen++
	prompt := f.tally.prompt.delivered
	err := f.tally.deliver(n, s.slow, parseHead(m.data), f.epoch+int64(f.cl.now))
	if f.tally.prompt.delivered > prompt {
		f.last = f.cl.now
	}
	f.count = f.tally.prompt.delivered + f.tally.slow.delivered
	return err
}

// closed is told of slow sockets that the server gives up, which is its right.
func (f *ratedFanout) closed(c *conn, i int, err error) error {
	if !c.streams[i].slow {
		return f.unexpected.closed(c, i, err)
	}
	if err != nil {
		f.givenUp++
	}
	return nil
}
