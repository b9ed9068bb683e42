package ws

import "time"

// QueueLimits bounds what waits for a peer that does not keep up, and says what happens at the bound.
// Zero fields have defaults. They apply to data messages that no octet of has been sent: one that has
// begun is finished, and control and Close frames are never dropped.
type QueueLimits struct {
	// MaxBytes and MaxMessages bound the queue of one WebSocket, in octets with frame headers, and
	// in messages. One message may overshoot MaxBytes. Defaults 64 KiB and 256.
	MaxBytes    int
	MaxMessages int
	// MaxAge is how long a message may wait; 0: as long as it takes. While others wait before it that may do so longer,
	// that it is too old is found when it would be sent.
	MaxAge time.Duration
	// Policy says what happens at a limit. Default CloseSlow.
	Policy Policy
	// Code is the close code of CloseSlow. Default 1008, as for a code that can't be sent.
	Code CloseCode
}

// Policy says what happens when a message finds the queue of a WebSocket full, or its oldest message
// too old.
type Policy uint8

const (
	// CloseSlow gives up the WebSocket: the queue is discarded and only a Close frame is sent.
	CloseSlow Policy = iota
	// DropNewest drops the message. Send and SendPrepared return ErrSlow.
	DropNewest
	// DropOldest drops the oldest messages until there is room.
	DropOldest
	// Conflate replaces the waiting message of the same key (Prepared.Key), whether or not the queue
	// is full. Those of each topic are by themselves, as are those sent directly. Without one it is DropOldest.
	Conflate
)

// String returns the name of the policy.
func (p Policy) String() string {
	switch p {
	case CloseSlow:
		return "CloseSlow"
	case DropNewest:
		return "DropNewest"
	case DropOldest:
		return "DropOldest"
	case Conflate:
		return "Conflate"
	}
	return "invalid"
}

// WithDefaults returns l with its zero fields replaced.
func (l QueueLimits) WithDefaults() QueueLimits {
	if l.MaxBytes <= 0 {
		l.MaxBytes = 64 << 10
	}
	if l.MaxMessages <= 0 {
		l.MaxMessages = 256
	}
	if !l.Code.Valid() {
		l.Code = ClosePolicyViolation
	}
	return l
}

// Topic is what a WebSocket can be made a member of when it is accepted; engine.Topic is one.
type Topic interface {
	Join(c *Conn) error
	Leave(c *Conn)
}

// Dropper is a Handler that wants to know what its WebSockets lost to their queue limits, or to the
// bounds of a topic.
type Dropper interface {
	// OnDrop is called on the event loop, at most once per turn of it for each Conn. It must not block.
	OnDrop(c *Conn, d Drop)
}

// Drainer is a Handler that wants to know when the queue of a WebSocket is empty, to go on sending: see
// Conn.AwaitDrain.
type Drainer interface {
	// OnDrain is called on the event loop. It must not block.
	OnDrain(c *Conn)
}

// Drop is what a WebSocket lost since the last OnDrop. What fell off the log of a topic is told when the
// connection can send again, without its octets, and counts here even if it was not for this member
// (engine.Topic.PublishExcept).
type Drop struct {
	Messages  int
	Octets    int // of those dropped from its own queue, frame headers included
	Conflated int // replaced by newer ones of the same key, not counted above
}
