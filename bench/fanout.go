package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

// fanout has the server publish, one round at a time: socket 0 asks for Batch messages, and when every
// socket has received all of them the next round begins. Every delivery is counted per socket; where
// Size allows, its publish sequence number must be the next one of its socket.
type fanout struct {
	unexpected
	cl      *Client
	began   time.Duration // when the round's command was sent
	due     uint32        // messages a socket may have seen until now
	before  uint64        // sequence number of the publish before the first one of this run
	round   int           // deliveries in this round
	count   int           // deliveries
	last    time.Duration // when the latest delivery arrived
	samples samples       // of the rounds: from the command to the last delivery
}

// Fanout publishes for Rounds rounds, or fewer if Duration is over before, at least one. A round ahead
// of them is a warm-up. Latency is that of rounds: from the command to the last delivery.
//
// With a Load that has a rate it publishes that instead: see fanoutAtRate.
func (cl *Client) Fanout(ctx context.Context) (Result, error) {
	if cl.plan != nil {
		return cl.fanoutAtRate(ctx)
	}
	if cl.cfg.Load.slow() {
		return Result{}, ErrSlow
	}
	f := &fanout{cl: cl}
	cl.resetCounts()
	if err := cl.begin("fanout warm-up", "deliveries", &f.count, nil); err != nil {
		return Result{}, err
	}
	if err := f.publish(ctx); err != nil {
		return Result{}, err
	}
	if err := cl.begin("fanout", "deliveries", &f.count, &f.samples); err != nil {
		return Result{}, err
	}
	until := cl.now + cl.cfg.Duration
	var err error
	for n := 0; err == nil && n < cl.cfg.Rounds && (n == 0 || cl.now < until); n++ {
		if err = f.publish(ctx); err == nil {
			f.samples.add(f.last - f.began)
		}
	}
	return cl.end(err)
}

// publish is one round.
func (f *fanout) publish(ctx context.Context) error {
	f.due += uint32(f.cl.cfg.Batch)
	f.round = 0
	f.began = time.Since(f.cl.start)
	c, i := f.cl.socket(0)
	c.send(i, opText, fmt.Appendf(nil, "!B %d %d", f.cl.cfg.Batch, f.cl.cfg.Size), false)
	return f.cl.run(ctx, f, func() bool { return f.round == f.cl.cfg.Batch*f.cl.cfg.Sockets })
}

func (f *fanout) message(c *conn, i int, m message) error {
	s := &c.streams[i]
	s.seen++
	if err := f.check(c, i, m); err != nil {
		return err
	}
	f.count++
	f.round++
	f.last = f.cl.now
	return nil
}

func (f *fanout) check(c *conn, i int, m message) error {
	n, seen := f.cl.number(c, i), c.streams[i].seen
	switch {
	case m.op == opText:
		return faultf("socket %d: the command to publish was answered: %.60q", n, m.data)
	case len(m.data) != f.cl.cfg.Size:
		return faultf("socket %d: delivery of %d octets, asked for were %d", n, len(m.data), f.cl.cfg.Size)
	case seen > f.due:
		return faultf("socket %d: delivery %d, published were %d", n, seen, f.due)
	case len(m.data) < sequenceSize:
		return nil
	}
	sequence := binary.BigEndian.Uint64(m.data)
	if f.before == 0 {
		f.before = sequence - uint64(seen)
	}
	if sequence != f.before+uint64(seen) {
		return faultf("socket %d: delivery has sequence number %d, expected was %d", n, sequence, f.before+uint64(seen))
	}
	return nil
}
