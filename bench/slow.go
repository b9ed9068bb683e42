package bench

import (
	"context"
	"time"
)

// slowReaders are sockets whose stream windows are used up and, for each of which the server gets little
// credit, if any; and connections that are read little, if at all.
type slowReaders struct {
	cl      *Client
	sockets []int // numbers
	conns   []*conn
	rate    int // octets a second, for each of them
	fed     time.Duration
}

// slowDown makes the slow readers of a plan slow. The sockets have no window left then.
func (cl *Client) slowDown(ctx context.Context, p *plan) (*slowReaders, error) {
	r := &slowReaders{cl: cl, sockets: p.slowSockets(), rate: p.SlowRate}
	for _, n := range r.sockets {
		c, i := cl.socket(n)
		c.streams[i].slow, c.streams[i].uncredited = true, true
	}
	if err := cl.drain(ctx, r.sockets); err != nil {
		return nil, err
	}
	for _, c := range cl.conns {
		if !p.slowConn(c.number) {
			continue
		}
		for i := range c.streams {
			c.streams[i].slow = true
		}
		if err := cl.pause(c); err != nil {
			return nil, err
		}
		r.conns = append(r.conns, c)
	}
	r.fed = cl.now
	return r, nil
}

// slowOf returns which sockets are slow.
func (cl *Client) slowOf(n int) bool {
	c, i := cl.socket(n)
	return c.streams[i].slow
}

// feed grants and reads what is due since it did so last: a tick's worth at least, because every grant is a frame.
func (r *slowReaders) feed() error {
	if r.cl.now-r.fed < tick {
		return nil
	}
	due := int(float64(r.rate) * (r.cl.now - r.fed).Seconds())
	if due == 0 {
		return nil
	}
	r.fed = r.cl.now
	for _, n := range r.sockets {
		c, i := r.cl.socket(n)
		c.grant(i, int32(min(due, int(c.window))))
	}
	for _, c := range r.conns {
		if err := r.cl.readSome(c, due); err != nil {
			return err
		}
	}
	return nil
}

// drains uses up the windows of sockets, a few at a time, by echoes for which the server gets no credit.
type drains struct {
	unexpected
	cl      *Client
	sockets []int // not begun
	away    int   // echoes
	payload []byte
}

// drainedAtOnce is how many sockets are drained at a time.
const drainedAtOnce = 64

func (cl *Client) drain(ctx context.Context, sockets []int) error {
	d := &drains{cl: cl, sockets: sockets, payload: make([]byte, SizeMax)}
	for range drainedAtOnce {
		d.next()
	}
	return cl.run(ctx, d, func() bool { return d.away == 0 })
}

// next begins with the next socket that has anything to drain.
func (d *drains) next() {
	for len(d.sockets) > 0 {
		c, i := d.cl.socket(d.sockets[0])
		d.sockets = d.sockets[1:]
		if d.step(c, i) {
			return
		}
	}
}

// step sends one message on a socket, and says so, unless its window is empty.
func (d *drains) step(c *conn, i int) bool {
	size, ok := drainSize(int(c.streams[i].recv))
	if ok {
		c.send(i, opBinary, d.payload[:size], false)
		d.away++
	}
	return ok
}

func (d *drains) message(c *conn, i int, m message) error {
	d.away--
	if !d.step(c, i) {
		d.next()
	}
	return nil
}

// drainSize returns the size of the next message to be echoed into a window, so that its frame, with 2 octets
// of header up to a size of 125, and 4 above, leaves a rest that can be filled exactly. A
// window of 1 holds no frame.
func drainSize(window int) (size int, ok bool) {
	const short, long = 2 + 125, 4 + 65_000
	switch {
	case window < 2:
		return 0, false
	case window <= short:
		return window - 2, true
	case window < 3*short:
		return short - 2 - 64, true
	default:
		return min(window-short, long) - 4, true
	}
}
