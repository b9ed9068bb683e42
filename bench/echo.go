package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"
)

// echo keeps InFlight messages under way: each reply sends the next message, on the next socket in turn
// or on one that is drawn. A message is
//
//	number of the message on its socket (32) | socket (32) | send time (64) | filler
//
// and its reply must be the same. Send time is the client's clock at the start of the turn that framed
// the message, so that latency includes all waiting, in the client too.
type echo struct {
	unexpected
	cl      *Client
	payload []byte // of the latest message; only its first EchoSizeMin octets change
	next    int
	random  *rand.PCG
	stopped bool
	away    int // sent and not yet back
	count   int
	samples samples
}

// Echo sends messages over all sockets for Duration, after a warm-up of a tenth of that. The messages
// still under way at the end are awaited and not counted.
func (cl *Client) Echo(ctx context.Context) (Result, error) {
	if cl.cfg.Size < EchoSizeMin {
		return Result{}, fmt.Errorf("size must be at least %d to check echoes, not %d", EchoSizeMin, cl.cfg.Size)
	}
	e := newEcho(cl)
	if err := cl.begin("echo warm-up", "echoes", &e.count); err != nil {
		return Result{}, err
	}
	e.begin()
	if err := e.runFor(ctx, cl.cfg.Duration/10); err != nil {
		return Result{}, err
	}
	if err := cl.begin("echo", "echoes", &e.count); err != nil {
		return Result{}, err
	}
	e.samples = samples{}
	r, err := cl.end(e.runFor(ctx, cl.cfg.Duration), &e.samples)
	if err != nil {
		return r, err
	}
	e.stopped = true
	return r, cl.run(ctx, e, func() bool { return e.away == 0 })
}

func newEcho(cl *Client) *echo {
	cl.resetCounts()
	return &echo{cl: cl, payload: filler(cl.cfg.Size), random: rand.NewPCG(1, 2)}
}

// begin sends the first messages.
func (e *echo) begin() {
	for range e.cl.cfg.InFlight {
		e.send()
	}
}

func (e *echo) runFor(ctx context.Context, d time.Duration) error {
	until := time.Since(e.cl.start) + d
	return e.cl.run(ctx, e, func() bool { return e.cl.now >= until })
}

func filler(size int) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(i * 7)
	}
	return p
}

func (e *echo) send() {
	n := e.pick()
	c, i := e.cl.socket(n)
	s := &c.streams[i]
	s.sent++
	binary.BigEndian.PutUint32(e.payload, s.sent)
	binary.BigEndian.PutUint32(e.payload[4:], uint32(n))
	binary.BigEndian.PutUint64(e.payload[8:], uint64(e.cl.now))
	c.send(i, opBinary, e.payload, false)
	e.away++
}

// pick returns the socket for the next message.
func (e *echo) pick() int {
	if e.cl.cfg.Random {
		return int(e.random.Uint64() % uint64(e.cl.cfg.Sockets))
	}
	n := e.next
	if e.next++; e.next == e.cl.cfg.Sockets {
		e.next = 0
	}
	return n
}

func (e *echo) message(c *conn, i int, m message) error {
	c.streams[i].seen++
	if err := e.check(c, i, m); err != nil {
		return err
	}
	e.away--
	e.count++
	e.samples.add(e.cl.now - time.Duration(binary.BigEndian.Uint64(m.data[8:])))
	if !e.stopped {
		e.send()
	}
	return nil
}

// check compares a reply with what was sent.
func (e *echo) check(c *conn, i int, m message) error {
	n := e.cl.number(c, i)
	switch {
	case m.op != opBinary:
		return faultf("socket %d: echo has opcode %#x, sent was %#x", n, byte(m.op), byte(opBinary))
	case len(m.data) != len(e.payload):
		return faultf("socket %d: echo of %d octets, sent were %d", n, len(m.data), len(e.payload))
	case binary.BigEndian.Uint32(m.data[4:]) != uint32(n):
		return faultf("socket %d: echo of what was sent on socket %d", n, binary.BigEndian.Uint32(m.data[4:]))
	case binary.BigEndian.Uint32(m.data) != c.streams[i].seen:
		return faultf("socket %d: echo of message %d, expected was %d", n, binary.BigEndian.Uint32(m.data), c.streams[i].seen)
	case !bytes.Equal(m.data[EchoSizeMin:], e.payload[EchoSizeMin:]):
		return faultf("socket %d: echo of message %d differs from what was sent", n, c.streams[i].seen)
	}
	return nil
}
