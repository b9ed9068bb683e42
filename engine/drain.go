package engine

import (
	"errors"
	"math"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// drainState follows the graceful end of a connection (RFC 9113 §6.8): a GOAWAY that takes no stream back,
// a round trip so that streams opened before the peer saw it are counted, the final GOAWAY.
type drainState uint8

const (
	drainNone drainState = iota
	drainNotified
	drainFinal
)

const drainReason = "going away"

// drainPace spreads the closing of a loop's sockets, so that those who come back do not all come at once. Its zero
// value is no hindrance.
//
// closed <= drainBurst + rate * (now - start), if rate > 0.
type drainPace struct {
	start  time.Duration
	rate   float64 // sockets a second
	closed int
}

const (
	// drainBurst is how many sockets a loop closes at once, and drainRateMin how many a second at
	// least: so few hurt nobody, and a small server is not kept waiting for its end.
	drainBurst   = 100
	drainRateMin = 1000
	// drainTick is how long a loop rests when it has closed as many as it may.
	drainTick = 10 * time.Millisecond
)

// paceDrain spreads the closing of the sockets there are now over a time.
func (k *core) paceDrain(d time.Duration) {
	if d > 0 && k.pace.rate == 0 {
		k.pace = drainPace{start: k.now, rate: max(drainRateMin, float64(k.stats.Sockets)/d.Seconds())}
	}
}

// left is how many more sockets may be closed now, up to max.
func (p *drainPace) left(now time.Duration, most int) int {
	if p.rate == 0 {
		return most
	}
	allowed := drainBurst + p.rate*(now-p.start).Seconds()
	return int(min(allowed-float64(p.closed), float64(most)))
}

// nextDrain is when the next sockets of draining connections are to be closed.
func (k *core) nextDrain() time.Duration {
	switch {
	case len(k.draining) == 0:
		return never
	case k.pace.left(k.now, 1) > 0:
		return k.now
	}
	return k.now + drainTick
}

var errDrained = errors.New("shutting down")

// startDrain tells the peer to open no more streams, unless the peer has said that itself, and closes
// every socket with 1001, a few a turn.
func (c *conn) startDrain() {
	if c.closes || c.state >= connLeaving {
		return
	}
	c.closes = true
	switch {
	case c.drain == drainNone && c.proto == protoHTTP2:
		c.notifyDrain()
	case c.drain == drainNone:
		c.finishDrain()
	}
	c.cursor = c.streams.size()
	if !c.drains {
		c.drains = true
		c.core.draining = append(c.core.draining, c)
	}
}

func (c *conn) notifyDrain() {
	c.drain = drainNotified
	c.sayGoAway(math.MaxInt32, frame.NoError, "")
	c.control = frame.AppendPing(c.controls(), false, drainPing)
	c.pingBy = min(c.pingBy, after(c.core.now, c.core.limits.PingTimeout))
	c.lingerBy = c.pingBy // for a peer that says other things instead
	if c.state == connOpening {
		c.finishDrain() // nothing can be on its way
	}
}

// closeSockets closes the next few sockets of a draining connection, as far as the pace allows. They need not wait for
// the round trip: GOAWAY is before them in any case. It reports whether it is to be called again: one that moved in the table is found by the pass that closes none.
func (c *conn) closeSockets() (more bool) {
	if c.state >= connLeaving {
		c.drains = false
		return false
	}
	pace := &c.core.pace
	budget := pace.left(c.core.now, streamsTurn)
	if budget <= 0 {
		return true
	}
	c.cursor = c.streams.visit(c.cursor, budget, func(s *stream) {
		if s.kind == streamPending {
			c.core.stats.HandshakesShed++
			c.abandon(s, errDrained)
		}
		// Through the mailbox: behind what Send has accepted and the loop not yet seen.
		if s.kind == streamSocket && s.ws.Close(ws.CloseGoingAway, drainReason) == nil {
			c.closedSome = true
			pace.closed++
		}
	})
	if c.cursor == 0 && c.closedSome {
		c.cursor, c.closedSome = c.streams.size(), false
	}
	c.drains = c.cursor > 0
	return c.drains
}

// finishDrain sends the final GOAWAY, with the highest stream that was served.
func (c *conn) finishDrain() {
	c.drain = drainFinal
	c.lingerBy = never
	if c.streams.len() == 0 {
		c.leave(frame.NoError, "", errDrained)
		return
	}
	c.sayGoAway(c.lastPeerID, frame.NoError, "")
}

// drained is called when the last stream is gone. A raw connection has no other.
func (c *conn) drained() {
	if c.drain == drainFinal || c.proto == protoRaw {
		c.leave(frame.NoError, "", errDrained)
	}
}

// peerLeaves is the peer's GOAWAY: when its last stream is gone, so is the connection. Ours in return says
// that a stream it opens all the same is not served.
func (c *conn) peerLeaves() {
	if c.drain != drainFinal {
		c.finishDrain()
	}
}
