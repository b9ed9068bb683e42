package engine

import "h2ws/ws"

// What stream.queued counts.
const (
	queuedMessage = 1 << 40
	queuedOctets  = queuedMessage - 1
	queuedSlow    = 1 << 63
)

// admit counts n more octets as queued, unless the queue was at its limit before. Under a policy that
// makes room on the loop, twice the limit may be on the way there.
func (s *stream) admit(n int) bool {
	limits := s.ws.QueueLimits()
	delta := uint64(n) + queuedMessage
	before := s.queued.Add(delta) - delta
	factor := uint64(1)
	if limits.Policy >= ws.DropOldest {
		factor = 2
	}
	if before&queuedOctets < factor*uint64(limits.MaxBytes) &&
		before&^queuedSlow/queuedMessage < factor*uint64(limits.MaxMessages) {
		return true
	}
	s.unqueue(n)
	return false
}

// brims reports whether what has been sent since the last turn takes half of the queue's limits. Then nothing more is to
// be received until that has been offered to the socket: however many messages come in one read, a handler that answers
// each has room for the answers as long as the peer takes them. What waits in the queue itself was offered
// before, and its peer is one that the limits are for.
func (s *stream) brims() bool {
	queued := s.queued.Load()
	if queued == 0 || s.queue.oldest() != nil || s.lagging() {
		return false
	}
	octets, messages := s.core().queueLimits(s.ws.QueueLimits())
	return 2*int(queued&queuedOctets) >= octets || 2*int(queued&^queuedSlow/queuedMessage) >= messages
}

func (s *stream) unqueue(n int) { s.queued.Add(-(uint64(n) + queuedMessage)) }

// uncount is unqueue for a message that was in the queue.
func (s *stream) uncount(g *segment) {
	if g.counts() {
		s.unqueue(int(g.size))
	}
}

// refuse is the answer to a Send on a full queue; under CloseSlow the first has the loop close the socket.
func (s *stream) refuse() error {
	if s.ws.QueueLimits().Policy != ws.CloseSlow {
		return ws.ErrSlow
	}
	if s.queued.Or(queuedSlow)&queuedSlow == 0 {
		s.core().box.wish(s, postSlow)
	}
	return ws.ErrSlow
}
