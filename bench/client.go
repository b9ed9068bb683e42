package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Client is a load generator: connections, the sockets on them, and the scenarios that drive them.
// Its methods are for one goroutine. Connections are made by others, which end before the method does.
type Client struct {
	cfg   Config
	conns []*conn
	links []link // of conns, same order
	wake  []*conn
	poll  poller

	start time.Time
	now   time.Duration // since start, as of the latest wait or read
	alarm time.Duration // when wait is to end, should nothing be heard until then; 0: not set
	slept time.Duration // in wait, and while others connect
	next  time.Duration // when run is to look: not of one run, which may be shorter than a tick

	heard time.Duration // when what is awaited last came, or nothing was awaited
	meter meter         // of the scenario that runs
	plan  *plan         // of what is published at a rate; nil: one message at a time
	base  int64         // the server's RSS with one connection and one socket, octets

	connected Result // of Dial
}

// silenceMax is how long nothing may come that a scenario waits for.
const silenceMax = 30 * time.Second

// The intervals of a series, where Config does not say.
const (
	intervalLeast = 100 * time.Millisecond
	intervalMost  = time.Second
)

// tick is how often the loop looks at its context and reports progress.
const tick = 100 * time.Millisecond

// socket returns the connection and the stream of socket n, 0 <= n < Sockets. Sockets that follow each
// other are on different connections, so that load in turn is load on all of them.
func (cl *Client) socket(n int) (c *conn, i int) {
	c = cl.conns[n%cl.cfg.Conns]
	return c, int(c.slots[n/cl.cfg.Conns])
}

// number is the inverse of socket.
func (cl *Client) number(c *conn, i int) int { return int(c.streams[i].slot)*cl.cfg.Conns + c.number }

// ready says whether socket n is open and keeps up.
func (cl *Client) ready(n int) bool {
	c, i := cl.socket(n)
	return i < len(c.streams) && c.streams[i].state == open && !c.streams[i].slow
}

// path is what socket n opens.
func (cl *Client) path(n int) string {
	if cl.plan != nil {
		return cl.plan.path(n)
	}
	return expand(cl.cfg.Path, n, n%cl.cfg.Conns)
}

// perConn is the most sockets a connection carries.
func (cl *Client) perConn() int { return (cl.cfg.Sockets + cl.cfg.Conns - 1) / cl.cfg.Conns }

// resetCounts makes every socket one that has sent and seen nothing.
func (cl *Client) resetCounts() {
	for _, c := range cl.conns {
		for i := range c.streams {
			c.streams[i].sent, c.streams[i].seen = 0, 0
		}
	}
}

// Dial connects, and opens the first WebSocket, by which it controls the server. With Config.Memory the
// server's memory is read before the rest is connected. Both its SETTINGS and its answer must allow what cfg demands.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if cfg.Load.Rate > 0 || cfg.Sizes.text == "" {
		cfg.Sizes = FixedSize(cfg.Size)
	}
	def(&cfg.Interval, min(intervalMost, max(intervalLeast, cfg.Duration/20)))
	def(&cfg.Sources, (cfg.Conns+portsPerSource-1)/portsPerSource)
	cl := &Client{cfg: cfg, start: time.Now()}
	if cfg.Load.Rate > 0 {
		cl.plan = newPlan(cfg)
	}
	if err := cl.dial(ctx); err != nil {
		cl.Close()
		return nil, err
	}
	return cl, nil
}

func (cl *Client) dial(ctx context.Context) error {
	if err := cl.poll.open(); err != nil {
		return err
	}
	if err := cl.connect(ctx, 1); err != nil {
		return err
	}
	if err := cl.checkRoom(); err != nil {
		return err
	}
	if err := cl.openFirst(ctx); err != nil {
		return err
	}
	return cl.connectRest(ctx)
}

// connectRest makes all connections but the first, and measures that.
func (cl *Client) connectRest(ctx context.Context) error {
	made := 0
	if err := cl.begin("connect", "connections", &made, nil); err != nil {
		return err
	}
	err := cl.connect(ctx, cl.cfg.Conns)
	made = cl.cfg.Conns - 1
	cl.connected, err = cl.end(err)
	return err
}

// Connected is what Dial's connections took, all but the first.
func (cl *Client) Connected() Result { return cl.connected }

// dialsMax is how many connections are being made at a time.
const dialsMax = 64

// connect makes connections until there are n, and waits for their SETTINGS. Servers give a connection
// seconds to say its preface: it waits for a few others at most.
func (cl *Client) connect(ctx context.Context, n int) error {
	for len(cl.conns) < n {
		first := len(cl.conns)
		links, err := cl.dialSome(ctx, first, min(dialsMax, n-first))
		for i, l := range links {
			cl.conns = append(cl.conns, cl.newConn(first+i))
			cl.links = append(cl.links, l)
			err = cmp.Or(err, cl.poll.add(l.fd, first+i), cl.open(cl.conns[first+i]))
		}
		if err = cmp.Or(err, cl.flush()); err != nil {
			return err
		}
	}
	return cl.run(ctx, unexpected{}, cl.settled)
}

// dialSome makes n connections at once, from number first on. With an error it returns those that it made
// before the one that failed.
func (cl *Client) dialSome(ctx context.Context, first, n int) ([]link, error) {
	links, errs := make([]link, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { links[i], errs[i] = dial(ctx, &cl.cfg, first+i) })
	}
	before := time.Since(cl.start)
	all.Wait()
	cl.slept += time.Since(cl.start) - before
	for i, err := range errs {
		if err == nil {
			continue
		}
		for k := i + 1; k < n; k++ {
			if errs[k] == nil {
				cl.poll.hangUp(links[k].fd)
			}
		}
		return links[:i], err
	}
	return links, nil
}

func (cl *Client) newConn(number int) *conn {
	if cl.cfg.HTTP1 {
		return newUpgradeConn(number, &cl.wake, &cl.cfg.Target)
	}
	return newConn(number, &cl.wake, newRequest(&cl.cfg.Target), int32(cl.cfg.Window))
}

// settled says whether every connection has had its SETTINGS.
func (cl *Client) settled() bool {
	for _, c := range cl.conns {
		if !c.settled {
			return false
		}
	}
	return true
}

// checkRoom refuses what MAX_CONCURRENT_STREAMS would never let happen.
func (cl *Client) checkRoom() error {
	room := cl.conns[0].maxStreams
	if per := cl.perConn(); per > room {
		return fmt.Errorf("the server allows %d streams a connection (MAX_CONCURRENT_STREAMS), %d sockets need %d connections at least",
			room, cl.cfg.Sockets, (cl.cfg.Sockets+room-1)/max(room, 1))
	}
	return nil
}

// Close gives up all connections at once, by a TCP reset. It is due after an error of a scenario too.
func (cl *Client) Close() {
	cl.meter.stop()
	for _, l := range cl.links {
		cl.poll.hangUp(l.fd)
	}
	cl.links = nil
	cl.poll.close()
}

// run lets the connections work for ev until done says so, which it is asked once a turn.
func (cl *Client) run(ctx context.Context, ev events, done func() bool) error {
	for _, c := range cl.conns {
		c.events = ev
	}
	cl.now = time.Since(cl.start)
	cl.heard = cl.now
	cl.alarm = 0
	for !done() {
		cl.meter.turn(cl.now, cl.cfg.Interval)
		if err := cl.flush(); err != nil {
			return err
		}
		if err := cl.wait(); err != nil {
			return err
		}
		if cl.now < cl.next {
			continue
		}
		cl.next = cl.now + tick
		if err := cl.look(ctx); err != nil {
			return err
		}
	}
	return cl.flush()
}

// look is what the loop does now and then.
func (cl *Client) look(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if cl.now-cl.heard > silenceMax {
		return errors.New("the server has sent nothing that was awaited for 30 s")
	}
	cl.meter.progress(cl)
	return nil
}

// flush writes what the connections have to send, as far as their sockets take it.
func (cl *Client) flush() error {
	for _, c := range cl.wake {
		c.awake = false
		if err := cl.write(c); err != nil {
			return err
		}
	}
	cl.wake = cl.wake[:0]
	return nil
}
