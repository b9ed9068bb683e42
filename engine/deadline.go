package engine

import (
	"errors"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// Why a connection was given up.
var (
	errIdle       = errors.New("idle")
	errPing       = errors.New("the peer does not answer PING")
	errWriteStall = errors.New("the peer does not read")
	errPreface    = errors.New("no HTTP/2 preface and SETTINGS in time")
)

// startClosing gives the peer CloseTimeout from now to end its side of s.
func (c *conn) startClosing(s *stream) {
	by := after(c.core.now, c.core.limits.CloseTimeout)
	if s.closing || by == never || s.state == stateClosed || c.state >= connLeaving {
		return
	}
	s.closing = true
	c.waitsFor().closing.push(by, s.id, c.known)
}

// startEnded gives the peer EndTimeout from now to end its side of s, as ours is ended and all is said.
func (c *conn) startEnded(s *stream) {
	if by := after(c.core.now, c.core.limits.EndTimeout); by != never {
		c.waitsFor().ended.push(by, s.id, c.known)
	}
}

// endWaits counts a stream that is gone, and was in a state before.
func (c *conn) endWaits(s *stream, was streamState) {
	if s.closing {
		c.waits.closing.live--
	}
	if was == stateHalfClosedLocal && c.core.limits.EndTimeout != never {
		c.waits.ended.live--
	}
	if s.ping >= pingSent {
		c.waits.pongs.live--
	}
}

// expireWaits resets the streams whose time is over. The last one may end the connection, and c.waits with it.
func (c *conn) expireWaits(now time.Duration) {
	for c.waits != nil {
		if id, ok := c.waits.ended.pop(now); ok {
			c.expireStream(id, frame.NoError)
		} else if id, ok := c.waits.closing.pop(now); ok {
			c.expireClosing(id)
		} else {
			break
		}
	}
	if c.waits != nil {
		c.pingSockets()
		c.expirePongs()
	}
}

// expireClosing ends the time for a closing handshake. A stream whose END_STREAM was sent in time has EndTimeout
// from then on.
func (c *conn) expireClosing(id uint32) {
	s := c.streams.find(id)
	switch {
	case s == nil || s.state != stateHalfClosedLocal:
		c.expireStream(id, frame.Cancel)
	case c.core.limits.EndTimeout == never:
		c.expireStream(id, frame.NoError)
	default:
		s.closing = false
		c.waits.closing.live--
	}
}

// expireStream resets a stream, if there is one. With NO_ERROR we were through: it asks the peer, who has all that is
// to come, to stop sending (RFC 9113 §8.1), and frees its slot.
func (c *conn) expireStream(id uint32, code frame.ErrCode) {
	if c.known(id) {
		c.resetStream(id, code, ws.ErrCloseTimeout)
	}
}

// deadline is when expire must be called next, at the latest.
func (c *conn) deadline() time.Duration {
	if c.state >= connLeaving {
		return c.lingerBy
	}
	d := min(c.prefaceBy, c.settingsBy, c.block.deadline(), c.waits.next(), c.stall.by, c.pingBy, c.ageBy, c.lingerBy,
		c.plain.deadline(), c.ledger.deadline())
	if c.pingBy == never {
		d = min(d, after(c.lastRecv, c.core.limits.PingInterval))
	}
	if c.streams.len() == 0 {
		d = min(d, after(c.idleSince, c.core.limits.IdleTimeout))
	}
	return d
}

func (b *fieldBlock) deadline() time.Duration {
	if b == nil {
		return never
	}
	return b.by
}

// expire acts on every deadline that has passed.
func (c *conn) expire() {
	now := c.core.now
	if c.state >= connLeaving {
		if c.lingerBy <= now {
			c.lose(c.cause)
		}
		return
	}
	if c.withheld() {
		c.lastRecv, c.pingBy = now, never // what it says is not read
	}
	c.expireWaits(now)
	if c.ageBy <= now {
		c.expireAges()
	}
	c.plain.expire(c)
	if c.ledger.deadline() <= now {
		c.endSlow()
	}
	switch {
	case c.state >= connLeaving: // the last stream's time was over
	case c.prefaceBy <= now:
		c.core.stats.Rules[RulePreface].Ended++
		c.leave(frame.ProtocolError, "no preface and SETTINGS in time", errPreface)
	case c.settingsBy <= now:
		c.fail(c.breach(RuleSettingsAck, frame.SettingsTimeout, "SETTINGS not acknowledged in time (RFC 9113 §6.5.3)"))
	case c.block.deadline() <= now:
		c.fail(c.breach(RuleFieldBlock, frame.EnhanceYourCalm, "not completed in time"))
	case c.stall.by <= now:
		c.core.stats.Rules[RuleStall].Ended++
		c.lose(errWriteStall)
	case c.pingBy <= now:
		c.core.stats.Rules[RuleSilence].Ended++
		c.lose(errPing)
	case c.lingerBy <= now:
		c.finishDrain()
	case c.streams.len() == 0 && after(c.idleSince, c.core.limits.IdleTimeout) <= now:
		c.leave(frame.NoError, "idle", errIdle)
	case c.pingBy == never && after(c.lastRecv, c.core.limits.PingInterval) <= now:
		c.sayPing()
		c.pingBy = min(after(now, c.core.limits.PingTimeout), never-1) // a PING that may wait for ever is not sent again
	}
}

// What our PINGs carry, to tell their ACKs apart.
var (
	keepalivePing = [8]byte{'a', 'l', 'i', 'v', 'e', '?'}
	drainPing     = [8]byte{'d', 'r', 'a', 'i', 'n', 'i', 'n', 'g'}
)
