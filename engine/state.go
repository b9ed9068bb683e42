package engine

// streamState is the state of a stream as RFC 9113 §5.1 draws it, without the states that
// only server push has. Idle streams and closed ones have no object: an id above the
// highest seen is idle, one at or below it that is not in the table is closed.
//
//	         recv H
//	idle ----------> open
//	                /  |  \
//	       recv ES /   |   \ send ES
//	              v    |    v
//	   half closed     |     half closed
//	    (remote)       | R     (local)
//	        \          |        /
//	 send ES/R \       v       / recv ES/R
//	            `-> closed <-'
type streamState uint8

const (
	stateOpen streamState = iota
	stateHalfClosedRemote
	stateHalfClosedLocal
	stateClosed
)

// streamEvent is what moves a stream, named by direction as seen from us.
type streamEvent uint8

const (
	recvEndStream streamEvent = iota
	sendEndStream
	recvReset
	sendReset
)

// next is the only place where the state of a stream is decided. ok is false for an event
// that can't happen in that state: the peer's is a stream error STREAM_CLOSED, ours is a bug.
func (s streamState) next(e streamEvent) (to streamState, ok bool) {
	switch {
	case s == stateClosed:
		return stateClosed, false
	case e == recvReset || e == sendReset:
		return stateClosed, true
	case s == stateOpen && e == recvEndStream:
		return stateHalfClosedRemote, true
	case s == stateOpen && e == sendEndStream:
		return stateHalfClosedLocal, true
	case s == stateHalfClosedRemote && e == sendEndStream:
		return stateClosed, true
	case s == stateHalfClosedLocal && e == recvEndStream:
		return stateClosed, true
	}
	return s, false
}

func (s streamState) String() string {
	return [...]string{"open", "half-closed (remote)", "half-closed (local)", "closed"}[s]
}
