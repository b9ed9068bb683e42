package engine

import (
	"h2ws/engine/frame"
	"h2ws/flow"
)

// dribbleMin is the least that is taken out of a window, unless it finishes a message: a peer
// that opens its window octet by octet would have us send ten octets for each (CVE-2019-9511).
const dribbleMin = 1 << 10

// dribbleSmall is the same for a peer with small windows: see segment.least.
const dribbleSmall = 32

// visitsTurn bounds the streams that one pull looks at and finds without a window, which
// happens when a peer moves INITIAL_WINDOW_SIZE up and down again, or is a member of topics with all of them.
const visitsTurn = 4096

// pull frames what the connection may send now into g, until g is full: control frames first,
// then the ready streams in turn. It reports whether another pull could add something. The socket, which
// has taken all that was pulled before, and the connection's window are all that output waits for.
func (c *conn) pull(g *gather) (more bool) {
	if !c.pullControl(g) {
		return true
	}
	if c.state >= connLeaving {
		return false
	}
	c.openWindows()
	before := c.sendWindow.Available(flow.InitialSize)
	frames := c.core.stats.FramesSent
	more, shut := c.pullData(g)
	c.sent(c.core.stats.FramesSent - frames)
	if shut {
		c.wait()
		c.progress(int(before - c.sendWindow.Available(flow.InitialSize)))
	} else {
		c.stall.end()
	}
	return more
}

// pullData is pull without control frames. It also reports whether the window is what stands in the way.
func (c *conn) pullData(g *gather) (more, shut bool) {
	more = c.unblock()
	open := true // the window, for feeds
	for visits := 0; !g.full(); visits++ {
		if visits >= visitsTurn {
			return true, false
		}
		slot, sweep := c.ready.Front(), open && c.feeds.Len() > 0
		switch {
		case sweep && (slot == nil || c.turns == streamsPerSlice):
			c.turns = 0
			size, members := g.size, feedOf(c.feeds.Front()).len()
			if open = c.pullFeed(g); g.size == size {
				visits += min(members, sliceMembers) // who is not sent anything is looked at all the same
			}
		case slot != nil:
			if !c.pullStream(g, streamOf(slot)) {
				return more || len(c.control) > 0, true
			}
			c.turns = min(c.turns+1, streamsPerSlice)
		default:
			return more, !open && c.feeds.Len() > 0
		}
	}
	return true, false
}

// streamsPerSlice is how many streams have their turn for each slice of a sweep, so that neither direct
// sends nor topics starve: 16 frames of 16 KiB to a slice that fills the gather. They are counted across gathers.
const streamsPerSlice = 16

// pullFeed sweeps a slice of the next feed. It reports false when the connection's window is what
// stands in the way.
func (c *conn) pullFeed(g *gather) bool {
	slot := c.feeds.Front()
	open := feedOf(slot).sweep(g)
	if slot.Linked() && c.feeds.Len() > 1 {
		c.feeds.Remove(slot)
		c.feeds.Push(slot)
	}
	return open
}

// unblock gives a turn to the next few of the streams that may have a window since setPeerInitial and reports
// whether there are more. Of those that left the ring meanwhile others take the place, which does no harm.
func (c *conn) unblock() (more bool) {
	c.unblocked = min(c.unblocked, int32(c.blocked.Len()))
	for range min(c.unblocked, visitsTurn) {
		s := streamOf(c.blocked.Pop())
		c.ready.Push(&s.slot)
		s.turn = turnReady
		c.unblocked--
	}
	return c.unblocked > 0
}

// pullControl moves the control frames to g and reports whether all of them fitted.
func (c *conn) pullControl(g *gather) bool {
	n := min(len(c.control), max(0, g.limit-g.size))
	g.copy(c.control[:n])
	c.control = c.control[:copy(c.control, c.control[n:])]
	if len(c.control) == 0 {
		c.core.keepControls(c.control)
		c.control = nil // an idle connection has no buffer
	}
	return len(c.control) == 0
}

// controls is the buffer to append control frames to.
func (c *conn) controls() []byte {
	if c.control == nil {
		return c.core.newControls()
	}
	return c.control
}

// pullStream gives one stream its turn: one DATA frame with as many of its messages as fit.
// It reports false when the connection's window is what stands in the way.
func (c *conn) pullStream(g *gather, s *stream) bool {
	if s.review(); s.turn != turnReady {
		return true
	}
	forConn := c.sendWindow.Available(flow.InitialSize)
	forStream := s.available()
	if forStream > flow.MaxSize {
		c.fail(connError(frame.FlowControlError, "INITIAL_WINDOW_SIZE overflows a window (RFC 9113 §6.9.2)"))
		return false
	}
	if first := s.queue.first(); first != nil {
		if first.kind == segmentFields {
			s.unlink()
			c.sendFields(g, s)
			return true
		}
		least := int64(first.least(c.peerInitial))
		if forConn < least {
			return false
		}
		if forStream < least {
			c.ready.Remove(&s.slot)
			c.blocked.Push(&s.slot)
			s.turn = turnBlocked
			s.startStall()
			c.noteAge(s)
			return true
		}
	}
	s.unlink()
	c.sendData(g, s, int(min(forConn, forStream, frame.MaxPayloadMin)))
	return true
}

// sendData frames up to n octets of the stream's queue.
func (c *conn) sendData(g *gather, s *stream, n int) {
	at := c.beginFrame(g)
	length := c.fill(g, s, n)
	h := frame.Header{Length: uint32(length), Type: frame.Data, StreamID: s.id}
	done := s.queue.empty()
	if done && s.end {
		h.Flags = frame.FlagEndStream
	}
	c.endFrame(g, at, h)
	c.sendWindow.Take(int32(length))
	s.sendWindow.Take(int32(length))
	c.core.stats.FramesSent++
	c.sentSome(s, done)
}

// sentSome ends a stream's turn; done says that its queue is empty.
func (c *conn) sentSome(s *stream, done bool) {
	switch {
	case !done:
		s.schedule()
	case s.end:
		c.sentEnd(s)
	case s.kind == streamServed:
		c.servedRests(s)
	default:
		s.rests()
	}
}

// takenAtOnce is how many messages a stream that lags takes from the log at a time: few of them are too many for a frame.
const takenAtOnce = 16

// fill moves up to n octets of the queue to g and returns how many there were.
func (c *conn) fill(g *gather, s *stream, n int) (length int) {
	for n > length && !s.queue.empty() {
		seg := s.queue.first()
		if seg.kind == segmentFields {
			break // trailers
		}
		m := min(n-length, len(seg.b))
		if seg.owner == bytesShared {
			g.share(seg.b[:m])
		} else {
			g.copy(seg.b[:m])
		}
		length += m
		if s.stall.by != 0 && seg.kind == segmentMessage {
			s.stall.progress(m)
		}
		seg.b, seg.begun = seg.b[m:], true
		if len(seg.b) == 0 {
			c.sentSegment(s, s.queue.pop())
			if s.queue.empty() && s.lagging() {
				s.takeFromLog(takenAtOnce)
			}
		}
	}
	return length
}

func (c *conn) sentSegment(s *stream, g *segment) {
	if g.kind == segmentMessage {
		s.uncount(g)
		c.core.stats.MessagesSent++
		c.core.stats.MessageOctetsSent += uint64(g.size)
		s.countSent(1, int(g.size))
	}
	if g.kind == segmentPing && s.ping == pingQueued {
		c.sentPing(s)
	}
	if g.topic != nil {
		g.topic.delivered.Add(1)
		g.topic.octets.Add(uint64(g.size))
	}
	n := int(g.size)
	s.freeSegment(g)
	if s.kind == streamServed {
		c.sentOutput(s, n)
	}
}

// sentEnd is END_STREAM to the peer.
func (c *conn) sentEnd(s *stream) {
	s.end = false
	if s.kind == streamServed {
		c.answered(s)
	}
	if s.state == stateOpen && s.reset {
		// RFC 9113 §8.1: a server that has answered completely may ask the client to stop
		// sending the request "by sending a RST_STREAM with an error code of NO_ERROR".
		c.resetStream(s.id, frame.NoError, errAnswered)
		return
	}
	if c.move(s, sendEndStream); s.state == stateHalfClosedLocal {
		c.startEnded(s)
	}
}

// recvConnCredit is WINDOW_UPDATE on stream 0.
func (c *conn) recvConnCredit(increment uint32) error {
	if err := c.sendWindow.Grant(flow.InitialSize, increment); err != nil {
		return connError(frame.FlowControlError, "WINDOW_UPDATE overflows the connection's window (RFC 9113 §6.9.1)")
	}
	if c.ready.Len()+c.feeds.Len() > 0 {
		c.touch()
	}
	return nil
}

// recvStreamCredit is WINDOW_UPDATE on a stream.
func (c *conn) recvStreamCredit(s *stream, increment uint32) error {
	s.settle()
	if err := s.sendWindow.Grant(c.peerInitial, increment); err != nil {
		return streamError(s.id, frame.FlowControlError, "WINDOW_UPDATE overflows the stream's window (RFC 9113 §6.9.1)")
	}
	if s.turn == turnBlocked {
		s.unlink()
		s.schedule()
	}
	return nil
}

// setPeerInitial is a new INITIAL_WINDOW_SIZE of the peer. It moves every stream's window without a visit
// to any: the windows are relative to it, and blocked streams get a turn as pull comes to them.
func (c *conn) setPeerInitial(size int32) {
	grown := size > c.peerInitial
	c.taken += int64(max(0, c.peerInitial-size))
	c.peerInitial = size
	if grown && c.blocked.Len() > 0 {
		c.unblocked = int32(c.blocked.Len())
		c.touch()
	}
}
