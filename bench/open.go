package bench

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// unexpected is what scenarios embed: it takes every event for a fault of the server.
type unexpected struct{}

func (unexpected) opened(c *conn, i int) error { return nil }

func (unexpected) message(c *conn, i int, m message) error {
	return faultf("a message of %d octets on stream %d that nothing asked for: %.40q", len(m.data), streamID(i), m.data)
}

func (unexpected) closed(c *conn, i int, err error) error {
	if err == nil {
		err = faultf("END_STREAM on stream %d", streamID(i))
	}
	return err
}

// openings is a storm of opening handshakes: InFlight at a time, or at a rate, whatever is answered.
type openings struct {
	unexpected
	cl      *Client
	next    int    // the socket to open next
	goal    int    // one behind the last
	pace    *pacer // nil: InFlight at a time
	failed  error  // at a rate
	count   int    // opened
	samples samples
	raw     samples // from when the request was sent; at a rate
	lag     samples // from when it was due until then
}

// openFirst opens socket 0, and if its memory is to be measured, collects the server's garbage and reads it.
func (cl *Client) openFirst(ctx context.Context) error {
	o := openings{cl: cl, goal: 1}
	if err := o.open(cl.now); err != nil {
		return err
	}
	if err := cl.run(ctx, &o, func() bool { return o.count == 1 }); err != nil || !cl.cfg.Memory {
		return err
	}
	var err error
	cl.base, err = cl.settledRSS(ctx)
	return err
}

// Open opens the WebSockets and returns when all of them are open. The first one is open already and
// does not count. Latency is from the request to its answer; at a rate, from when the request was due.
func (cl *Client) Open(ctx context.Context) (Result, error) {
	for _, c := range cl.conns {
		c.reserve(cl.perConn() - len(c.streams))
	}
	o := openings{cl: cl, next: 1, goal: cl.cfg.Sockets}
	if err := cl.begin("open", "opens", &o.count, &o.samples); err != nil {
		return Result{}, err
	}
	if cl.cfg.Opening.Rate > 0 {
		return o.atRate(ctx)
	}
	for range min(cl.cfg.InFlight, cl.cfg.Sockets-1) {
		if err := o.open(cl.now); err != nil {
			return Result{}, err
		}
	}
	err := cl.run(ctx, &o, func() bool { return o.count == cl.cfg.Sockets-1 })
	return cl.end(err)
}

// atRate is Open at a rate.
func (o *openings) atRate(ctx context.Context) (Result, error) {
	cl, pace := o.cl, o.cl.cfg.Opening
	o.pace = newPacer(pace.Rate, pace.Poisson, pace.Ramp, cl.now)
	err := cl.run(ctx, o, func() bool {
		o.openDue()
		return o.failed != nil || o.count == cl.cfg.Sockets-1
	})
	r, err := cl.end(cmp.Or(o.failed, err))
	r.settle(o.next-1, err)
	r.Raw = o.raw.latency()
	r.Loader.Lag, r.Loader.Wanted, r.Loader.Begun = o.lag.latency(), pace.Rate, pace.Rate // all that was due began, if late
	r.Loader.judge(cl.cfg.LagMax)
	return r, err
}

// openDue sends the requests that are due, some of them at a time, so that answers are read between.
func (o *openings) openDue() {
	const most = 64
	cl := o.cl
	cl.now = time.Since(cl.start)
	if o.count == o.next-1 { // the first was open before
		cl.heard = cl.now
	}
	for n := 0; o.next < o.goal && o.pace.next <= cl.now && o.failed == nil; n++ {
		if n == most {
			cl.alarm = cl.now
			return
		}
		o.lag.add(cl.now - o.pace.next)
		o.failed = o.open(o.pace.next)
		o.pace.step()
	}
	cl.alarm = 0
	if o.next < o.goal {
		cl.alarm = o.pace.next
	}
}

// open sends the next request, which was due.
func (o *openings) open(due time.Duration) error {
	c := o.cl.conns[o.next%o.cl.cfg.Conns]
	if c.active >= c.maxStreams {
		return fmt.Errorf("the server allows %d streams a connection (MAX_CONCURRENT_STREAMS)", c.maxStreams)
	}
	c.setPath(o.cl.path(o.next))
	i := c.open()
	if o.cl.number(c, i) != o.next {
		panic("BUG: bench: sockets opened out of order")
	}
	c.streams[i].stamp = stamp(due, o.cl.now-due)
	o.next++
	return nil
}

func (o *openings) opened(c *conn, i int) error {
	age, lag := parseStamp(c.streams[i].stamp, o.cl.now)
	o.count++
	o.samples.add(age)
	if o.pace != nil {
		o.raw.add(age - lag)
		return nil
	}
	if o.next < o.goal {
		return o.open(o.cl.now)
	}
	return nil
}

// closings is a storm of closing handshakes, InFlight at a time.
type closings struct {
	unexpected
	cl      *Client
	next    int
	count   int
	samples samples
}

// CloseSockets closes every WebSocket with code 1000 and returns when the server has answered each with
// Close and END_STREAM. It is the last scenario of a Client. Latency is from Close to END_STREAM.
func (cl *Client) CloseSockets(ctx context.Context) (Result, error) {
	o := closings{cl: cl}
	if err := cl.begin("close", "closes", &o.count, &o.samples); err != nil {
		return Result{}, err
	}
	for range min(cl.cfg.InFlight, cl.cfg.Sockets) {
		o.close()
	}
	err := cl.run(ctx, &o, func() bool { return o.count == cl.cfg.Sockets })
	return cl.end(err)
}

func (o *closings) close() {
	const normalClosure = 1000
	c, i := o.cl.socket(o.next)
	c.streams[i].stamp = stamp(o.cl.now, 0)
	c.close(i, normalClosure)
	o.next++
}

func (o *closings) closed(c *conn, i int, err error) error {
	if err != nil {
		return err
	}
	age, _ := parseStamp(c.streams[i].stamp, o.cl.now)
	o.count++
	o.samples.add(age)
	if o.next < o.cl.cfg.Sockets {
		o.close()
	}
	return nil
}
