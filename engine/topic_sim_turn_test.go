package engine

import (
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// turns gives every loop a turn or none.
func (f *fan) turns() {
	for _, k := range f.cores {
		if f.healing || f.r.IntN(4) > 0 {
			k.turns()
		}
	}
}

// turns is a turn of the loop with its I/O replaced. Goroutines of the application get in
// between its phases.
func (k *fanCore) turns() {
	f := k.f
	k.turn++
	k.core.now = f.now
	k.core.openWaiting()
	for _, c := range k.clients() {
		c.serverReads()
	}
	f.check("after reading")
	k.deliver()
	f.check("after delivering")
	k.core.settle()
	k.relieve()
	k.core.tellDrops()
	f.interleave()
	k.core.sweep()
	f.check("after sweeping")
	k.expire()
	k.flush()
	f.check("after the turn")
	for _, c := range k.clients() {
		c.checkIdle()
		c.reap()
	}
}

func (k *fanCore) clients() (list []*fanClient) {
	for _, c := range k.f.clients {
		if c.core == k {
			list = append(list, c)
		}
	}
	return list
}

// deliver is core.deliver one post at a time: what a post does is foreseen when it is its turn, and
// connections are flushed between any two.
func (k *fanCore) deliver() {
	c, f := k.core, k.f
	c.batch, c.next = c.box.take(c.batch), 0
	for sh, n := range c.batch.missed {
		model := f.topicOf(sh.topic)
		for _, s := range f.sockets {
			if s.client.core == k && s.isMember(model) {
				model.owed += uint64(n)
				f.seen.missed += uint64(n)
				s.missed += n
			}
		}
		sh.miss(n)
	}
	for c.next < len(c.batch.posts) {
		p := &c.batch.posts[c.next]
		c.next++
		k.foresee(p)
		c.deliverPost(p)
		if f.r.IntN(10) == 0 {
			f.check("after a post")
			k.flush()
			f.interleave()
		}
	}
	k.flush()
}

func (k *fanCore) relieve() {
	c := k.core
	before := c.stats.MemoryReliefs
	c.relieve()
	n := c.stats.MemoryReliefs - before
	k.f.seen.reliefs += n
	for _, lost := range c.leaving {
		if lost.backlog > 0 {
			return // what it holds goes with its streams
		}
	}
	if left := c.logs.n > 0 || len(c.largestBacklogs()) > 0; held.Load() > c.limits.MemorySize && left && n < reliefsTurn {
		k.f.failf("core %d: %d octets are held after %d reliefs, limit %d", k.n, held.Load(), n, c.limits.MemorySize)
	}
}

func (k *fanCore) expire() {
	for _, c := range k.clients() {
		if c.conn.state == connLost || c.conn.deadline() > k.core.now {
			continue
		}
		c.conn.expire()
		if c.conn.state != connLost && c.conn.deadline() <= k.core.now {
			c.failf("still due after expire")
		}
	}
}

// flush is loop.flushAll.
func (k *fanCore) flush() {
	dirty := k.core.dirty
	k.core.dirty = nil
	for _, conn := range dirty {
		conn.dirty = false
		for _, c := range k.f.clients {
			if c.conn == conn && c.flush() {
				conn.touch()
			}
		}
	}
}

// flush is loop.flush.
func (c *fanClient) flush() (more bool) {
	f := c.f
	for range 1 + f.r.IntN(4) {
		if c.conn.state == connLost || !c.writeRest() {
			return false
		}
		f.gather.reset(pick(f.r, 1+f.r.IntN(300), 1+f.r.IntN(10_000), gatherSizeMin, gatherSize))
		c.tapping, c.tapped = true, 0
		more = c.conn.pull(f.gather)
		c.tap()
		c.tapping = false
		if len(c.in) > 0 && len(c.conn.control) == 0 {
			c.failf("half a frame was framed: %x", c.in)
		}
		if f.gather.size == 0 {
			break
		}
		rest := make([]byte, c.tapped)
		c.conn.wire.rest = rest
		c.core.core.keep(len(rest))
		c.writeRest()
	}
	return more && len(c.conn.wire.rest) == 0
}

// writeRest is loop.writeRest. What the octets were has been seen in tap.
func (c *fanClient) writeRest() bool {
	w := &c.conn.wire
	n := len(w.rest)
	if c.room >= 0 {
		n = min(n, c.room)
		c.room -= n
	}
	w.rest = w.rest[n:]
	c.core.core.keep(-n)
	return len(w.rest) == 0
}

// serverReads gives the server some of the frames that the client has written.
func (c *fanClient) serverReads() {
	n := len(c.up)
	if !c.f.healing && c.f.r.IntN(2) == 0 {
		n = c.f.r.IntN(n + 1)
	}
	for ; n > 0 && c.conn.state < connLeaving; n-- {
		up := &c.up[0]
		rest := c.conn.recv(append([]byte(nil), up.octets...))
		if up.octets = up.octets[len(up.octets)-len(rest):]; len(rest) > 0 {
			return // it goes on when the turn has flushed
		}
		c.up = c.up[1:]
		if up.done != nil {
			up.done()
		}
	}
}

// reap is loop.remove.
func (c *fanClient) reap() {
	if c.conn.state == connLost && !c.removed {
		c.removed = true
		c.core.core.keep(-len(c.conn.wire.rest))
		c.conn.wire.rest, c.conn.control, c.up = nil, nil, nil
	}
}

// heal lets everything through until nothing moves; then everybody must have got what was not dropped. Then it ends
// everything, and nothing must be left.
func (f *fan) heal() {
	f.healing = true
	f.settle("windows and sockets opened", (*fanClient).open)
	f.checkDelivered()
	f.settle("all sockets closed", (*fanClient).close)
	for _, c := range f.clients {
		if c.conn.state == connOpen && c.conn.streams.len() > 0 {
			c.failf("%d streams are left", c.conn.streams.len())
		}
		c.conn.lose(errDrained)
	}
	f.settle("connections lost", func(*fanClient) {})
	f.checkGone()
}

// settle turns until nothing moves.
func (f *fan) settle(why string, each func(*fanClient)) {
	f.note("settle: %s", why)
	for quiet := 0; quiet < 3; {
		if f.step++; f.step > 10_000 {
			f.failf("does not settle: %s", why)
		}
		f.now += 10 * time.Millisecond
		for _, c := range f.clients {
			each(c)
		}
		before := f.progress()
		f.turns()
		quiet++
		if !f.still() || f.progress() != before {
			quiet = 0
		}
	}
}

func (f *fan) progress() (n uint64) {
	for _, k := range f.cores {
		n += k.core.stats.FramesSent + k.core.stats.ResetsSent
	}
	return n
}

func (f *fan) still() bool {
	moving := 0
	for _, k := range f.cores {
		c := k.core
		moving += len(c.box.posts) + len(c.box.missed) + len(c.dirty) + len(c.leaving) + len(c.waiting)
	}
	for _, c := range f.clients {
		if !c.removed {
			moving += len(c.up) + len(c.conn.wire.rest)
		}
	}
	return moving == 0
}

// open is the client's part of heal: it takes everything.
func (c *fanClient) open() {
	c.room = -1
	c.conn.touch()
	if c.conn.state >= connLeaving || len(c.up) > 0 {
		return
	}
	if c.initial != 1<<20 {
		c.setInitial(1 << 20)
	}
	if c.window < 1<<20 {
		c.grant(0, 1<<22)
	}
	for _, st := range c.streams {
		if st.granted-st.sent < 0 && !st.reset {
			c.grant(st.id, int(1<<20+st.sent-st.granted))
		}
	}
}

// close ends every stream, properly.
func (c *fanClient) close() {
	c.open()
	if c.conn.state >= connLeaving || len(c.up) > 0 {
		return
	}
	for _, st := range c.streams {
		switch {
		case st.sentEnd || st.reset || st.gotReset || !st.open:
		case st.sentClose:
			st.sentEnd = true
			c.say(frame.AppendData(nil, st.id, frame.FlagEndStream, nil), nil)
		default:
			st.sentClose, st.sentEnd = true, true
			c.say(frame.AppendData(nil, st.id, frame.FlagEndStream, ws.AppendMasked(nil, ws.OpClose, 1, ws.AppendClose(nil, simCodeClient, "bye"))), nil)
		}
	}
}
