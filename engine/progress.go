package engine

import (
	"time"

	"h2ws/ws"
)

// streamStall is the deadline of a stream's messages while the stream's own window stands in their way, as stall is
// that of a connection: octets of messages that are framed move it, be they enough or all that waits. It counts
// coarsely, to be small: seconds, and octets by the sixteen.
//
// by == 0, or 0 < left <= stallOctets/stallUnit.
type streamStall struct {
	by   uint8 // in ticks, modulo 2^8; 0: nothing waits
	left uint8 // units still to be framed by then
}

const (
	stallTick = time.Second
	// stallMax is less than half of what the ticks can tell.
	stallMax  = 2 * time.Minute
	stallUnit = 16
)

func (s *streamStall) begin(now, timeout time.Duration) {
	if timeout == never {
		return
	}
	by := uint8((now + min(timeout, stallMax) + stallTick - 1) / stallTick)
	s.by, s.left = max(by, 1), stallOctets/stallUnit
}

func (s *streamStall) progress(n int) {
	if units := (n + stallUnit - 1) / stallUnit; units < int(s.left) {
		s.left -= uint8(units)
		return
	}
	s.end()
}

func (s *streamStall) end() { s.by = 0 }

// deadline is when over becomes true.
func (s *streamStall) deadline(now time.Duration) time.Duration {
	if s.by == 0 {
		return never
	}
	tick := now / stallTick
	return (tick + time.Duration(int8(s.by-uint8(tick)))) * stallTick
}

func (s *streamStall) over(now time.Duration) bool { return s.deadline(now) <= now }

// startStall gives the peer StreamTimeout from now to take some of what waits.
func (s *stream) startStall() {
	if s.stall.by == 0 && s.kind == streamSocket && !s.shut {
		s.stall.begin(s.core().now, s.core().limits.StreamTimeout)
	}
}

// expireStall gives up a socket that holds messages for a peer that takes none.
func (s *stream) expireStall() {
	s.stall.end()
	if s.shut {
		return // the closing handshake has its own deadline
	}
	s.core().stats.Rules[RuleStreamStall].Refused++
	s.closeSlow(s.ws.QueueLimits().Code)
}

// expireMessages closes the sockets whose peers do not complete what they have begun to say.
func (k *core) expireMessages() {
	if k.limits.MessageTimeout == never {
		return
	}
	k.receiver.Now = k.now
	for range streamsTurn {
		c := k.receiver.Overdue(k.limits.MessageTimeout)
		if c == nil {
			return
		}
		k.stats.Rules[RuleMessage].Refused++
		c.Lower().(*stream).fail(ws.ClosePolicyViolation, "message not completed in time", ws.ErrIncomplete)
	}
}

// nextMessage is when expireMessages has something to do.
func (k *core) nextMessage() time.Duration {
	if at, ok := k.receiver.Due(k.limits.MessageTimeout); ok && k.limits.MessageTimeout != never {
		return at
	}
	return never
}
