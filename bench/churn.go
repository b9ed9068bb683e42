package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Churn is how often a second sockets and connections end while others work. What ends begins anew at
// once.
type Churn struct {
	Closes float64 `json:"closes_per_second"` // closing handshakes
	Resets float64 `json:"resets_per_second"` // RST_STREAM, or over HTTP/1.1 a TCP reset
	Kills  float64 `json:"kills_per_second"`  // connections that a TCP reset ends
}

// Churned is what became of that.
type Churned struct {
	Closes   int `json:"closes"`
	Resets   int `json:"resets"`
	Kills    int `json:"kills"`
	Reopened int `json:"reopened"` // sockets
}

// churn ends and reopens sockets. Those on which something ends are told to abandon.
type churn struct {
	cl      *Client
	abandon func(c *conn, i int)
	random  *rand.Rand
	closes  *pacer // nil: none
	resets  *pacer
	kills   *pacer
	over    bool // nothing more is to end
	done    Churned
	pending int // sockets that ended and are not open again
	redials chan redial
	dialing map[int]bool // connections
	empty   []*conn      // redialled, and not yet settled
}

// redial is a connection made anew.
type redial struct {
	number int
	link   link
	err    error
}

func newChurn(cl *Client, abandon func(c *conn, i int)) *churn {
	h := &churn{cl: cl, abandon: abandon, random: rand.New(rand.NewPCG(5, 6)), dialing: map[int]bool{}, redials: make(chan redial, cl.cfg.Conns)}
	cl.now = time.Since(cl.start)
	pacerOf := func(rate float64) *pacer {
		if rate <= 0 {
			return nil
		}
		return newPacer(rate, cl.cfg.Pace.Poisson, 0, cl.now)
	}
	h.closes, h.resets, h.kills = pacerOf(cl.cfg.Churn.Closes), pacerOf(cl.cfg.Churn.Resets), pacerOf(cl.cfg.Churn.Kills)
	return h
}

// turn does what is due. Sockets on connections that are back are opened with ev listening.
func (h *churn) turn(ev events) error {
	for _, due := range []struct {
		pace *pacer
		act  func(n int)
	}{{h.closes, h.close}, {h.resets, h.reset}, {h.kills, h.kill}} {
		for due.pace != nil && due.pace.next <= h.cl.now && !h.over {
			due.pace.step()
			if n := h.random.IntN(h.cl.cfg.Sockets); h.cl.ready(n) {
				due.act(n)
			}
		}
	}
	if err := h.adopt(ev); err != nil {
		return err
	}
	return h.refill()
}

func (h *churn) close(n int) {
	const goingAway = 1001
	c, i := h.cl.socket(n)
	h.abandon(c, i)
	c.close(i, goingAway)
	h.done.Closes++
	h.pending++
}

func (h *churn) reset(n int) {
	h.done.Resets++
	c, i := h.cl.socket(n)
	if c.upgrade != nil {
		h.hangUp(c)
		return
	}
	h.abandon(c, i)
	c.reset(i)
	h.pending++
	h.reopen(c, i)
}

func (h *churn) kill(n int) {
	h.done.Kills++
	c, _ := h.cl.socket(n)
	h.hangUp(c)
}

// hangUp ends a connection with all its sockets, and makes it anew.
func (h *churn) hangUp(c *conn) {
	for i := range c.streams {
		s := &c.streams[i]
		if s.state == done || s.state == dropped {
			continue
		}
		if s.state == open {
			h.pending++ // the others are pending already
		}
		h.abandon(c, i)
		c.finish(i)
	}
	h.redial(c)
}

// closed is told of a closing handshake that is done.
func (h *churn) closed(c *conn, i int) error {
	if c.upgrade != nil {
		h.redial(c)
		return nil
	}
	h.reopen(c, i)
	return nil
}

func (h *churn) opened() {
	h.done.Reopened++
	h.pending--
}

// settled says whether all that ended is open again.
func (h *churn) settled() bool { return h == nil || h.pending == 0 }

// reopen opens the socket that stream i was.
func (h *churn) reopen(c *conn, i int) {
	slot := int(c.streams[i].slot)
	c.setPath(h.cl.path(slot*h.cl.cfg.Conns + c.number))
	c.reopen(slot)
}

// redial makes a connection anew, in a goroutine of its own: the others go on.
func (h *churn) redial(c *conn) {
	number := c.number
	l := &h.cl.links[number]
	h.cl.poll.hangUp(l.fd)
	*l = noLink
	h.dialing[number] = true
	cfg := h.cl.cfg
	go func() {
		l, err := dial(context.Background(), &cfg, number)
		h.redials <- redial{number, l, err}
	}()
}

// adopt takes the connections that are back.
func (h *churn) adopt(ev events) error {
	for len(h.dialing) > 0 {
		select {
		case r := <-h.redials:
			delete(h.dialing, r.number)
			if r.err != nil {
				return fmt.Errorf("after a killed connection: %w", r.err)
			}
			c := h.cl.newConn(r.number)
			c.events = ev
			for range h.cl.conns[r.number].slots {
				c.slots = append(c.slots, 0)
			}
			h.cl.conns[r.number], h.cl.links[r.number] = c, r.link
			if err := h.cl.poll.add(r.link.fd, r.number); err != nil {
				return err
			}
			if err := h.cl.open(c); err != nil {
				return err
			}
			h.empty = append(h.empty, c)
		default:
			return nil
		}
	}
	return nil
}

// refill opens the sockets of connections that are back.
func (h *churn) refill() error {
	kept := h.empty[:0]
	for _, c := range h.empty {
		if !c.settled {
			kept = append(kept, c)
			continue
		}
		if len(c.slots) > c.maxStreams {
			return fmt.Errorf("the server allows %d streams a connection (MAX_CONCURRENT_STREAMS)", c.maxStreams)
		}
		for slot := range c.slots {
			c.setPath(h.cl.path(slot*h.cl.cfg.Conns + c.number))
			c.reopen(slot)
		}
	}
	h.empty = kept
	return nil
}

// wait ends the goroutines of redials.
func (h *churn) wait() {
	for range h.dialing {
		if r := <-h.redials; r.err == nil {
			h.cl.poll.hangUp(r.link.fd)
		}
	}
	clear(h.dialing)
}
