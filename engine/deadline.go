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

// closingQueue holds the streams whose peer has CloseTimeout to end its side, first due first: the
// time is the same for all, so the order of entering is the order of expiry. Streams that ended
// meanwhile are skipped, and cleared out when they are the most.
//
// 0 <= live <= len(due).
type closingQueue struct {
	due  []closingStream
	live int
}

type closingStream struct {
	by time.Duration
	id uint32
}

// startClosing gives the peer CloseTimeout from now to end its side of s.
func (c *conn) startClosing(s *stream) {
	if s.closing || c.core.limits.CloseTimeout == never || s.state == stateClosed || c.state >= connLeaving {
		return
	}
	s.closing = true
	q := &c.closing
	if len(q.due) > 2*q.live+64 {
		q.due = c.stillClosing(q.due)
	}
	q.due = append(q.due, closingStream{after(c.core.now, c.core.limits.CloseTimeout), s.id})
	q.live++
}

func (c *conn) stillClosing(due []closingStream) []closingStream {
	kept := due[:0]
	for _, e := range due {
		if c.streams.find(e.id) != nil {
			kept = append(kept, e)
		}
	}
	return kept
}

// expireClosing resets the streams whose time is over. The error code says whether we were through.
func (c *conn) expireClosing(now time.Duration) {
	q := &c.closing
	for len(q.due) > 0 && q.due[0].by <= now {
		s := c.streams.find(q.due[0].id)
		q.due = q.due[1:]
		if s == nil {
			continue
		}
		code := frame.Cancel
		if s.state == stateHalfClosedLocal {
			code = frame.NoError
		}
		c.resetStream(s.id, code, ws.ErrCloseTimeout) // the last one may end the connection, and empty q
	}
	if len(q.due) == 0 {
		q.due = nil
	}
}

func (q *closingQueue) next() time.Duration {
	if len(q.due) == 0 {
		return never
	}
	return q.due[0].by
}

// deadline is when expire must be called next, at the latest.
func (c *conn) deadline() time.Duration {
	if c.state >= connLeaving {
		return c.lingerBy
	}
	d := min(c.prefaceBy, c.settingsBy, c.block.deadline(), c.closing.next(), c.stall.by, c.pingBy, c.ageBy, c.lingerBy, c.plain.deadline())
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
	c.expireClosing(now)
	if c.ageBy <= now {
		c.expireAges()
	}
	c.plain.expire(c)
	switch {
	case c.state >= connLeaving: // the last stream's time was over
	case c.prefaceBy <= now:
		c.leave(frame.ProtocolError, "no preface and SETTINGS in time", errPreface)
	case c.settingsBy <= now:
		c.fail(connError(frame.SettingsTimeout, "SETTINGS not acknowledged in time (RFC 9113 §6.5.3)"))
	case c.block.deadline() <= now:
		c.fail(connError(frame.EnhanceYourCalm, "field block not completed in time"))
	case c.stall.by <= now:
		c.core.stats.ConnectionsStalled++
		c.lose(errWriteStall)
	case c.pingBy <= now:
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
