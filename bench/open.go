package bench

import (
	"context"
	"fmt"
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

// openings is a storm of opening handshakes, InFlight at a time.
type openings struct {
	unexpected
	cl      *Client
	next    int // the socket to open next
	goal    int // one behind the last
	count   int // opened
	samples samples
}

// openFirst opens socket 0, and if its memory is to be measured, collects the server's garbage and reads it.
func (cl *Client) openFirst(ctx context.Context) error {
	o := openings{cl: cl, goal: 1}
	if err := o.open(); err != nil {
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
// does not count. Latency is from the request to its answer.
func (cl *Client) Open(ctx context.Context) (Result, error) {
	for _, c := range cl.conns {
		c.reserve(cl.perConn() - len(c.streams))
	}
	o := openings{cl: cl, next: 1, goal: cl.cfg.Sockets}
	if err := cl.begin("open", "opens", &o.count, &o.samples); err != nil {
		return Result{}, err
	}
	for range min(cl.cfg.InFlight, cl.cfg.Sockets-1) {
		if err := o.open(); err != nil {
			return Result{}, err
		}
	}
	err := cl.run(ctx, &o, func() bool { return o.count == cl.cfg.Sockets-1 })
	return cl.end(err)
}

// open sends the next request.
func (o *openings) open() error {
	c := o.cl.conns[o.next%o.cl.cfg.Conns]
	if c.active >= c.maxStreams {
		return fmt.Errorf("the server allows %d streams a connection (MAX_CONCURRENT_STREAMS)", c.maxStreams)
	}
	c.setPath(o.cl.path(o.next))
	i := c.open()
	if o.cl.number(c, i) != o.next {
		panic("BUG: bench: sockets opened out of order")
	}
	c.streams[i].stamp = o.cl.now
	o.next++
	return nil
}

func (o *openings) opened(c *conn, i int) error {
	o.count++
	o.samples.add(o.cl.now - c.streams[i].stamp)
	if o.next < o.goal {
		return o.open()
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
	c.streams[i].stamp = o.cl.now
	c.close(i, normalClosure)
	o.next++
}

func (o *closings) closed(c *conn, i int, err error) error {
	if err != nil {
		return err
	}
	o.count++
	o.samples.add(o.cl.now - c.streams[i].stamp)
	if o.next < o.cl.cfg.Sockets {
		o.close()
	}
	return nil
}
