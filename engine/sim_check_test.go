package engine

import "h2ws/flow"

// failer reports what is not as it should be.
type failer func(format string, args ...any)

// check compares what the server keeps with the truth as it can be counted.
func (s *sim) check(when string) {
	sockets := int64(0)
	borrowed := 0
	for _, c := range s.clients {
		n, b := c.conn.checkStreams(len(c.rest), func(format string, args ...any) {
			c.failf(when+": "+format, args...)
		})
		sockets += n
		borrowed += b
		if c.conn.state < connLeaving && !c.broken {
			c.checkWindows(when)
		}
	}
	s.checkAccounts(when)
	s.checkPendings(when)
	if all := s.borrowed(); borrowed > all || s.core.borrowed != all {
		s.failf("%s: borrowed %d, counted %d", when, s.core.borrowed, all)
	}
	if sockets > s.core.stats.Sockets || s.core.stats.Sockets < 0 {
		s.failf("%s: Stats.Sockets %d, there are %d", when, s.core.stats.Sockets, sockets)
	}
}

// checkPendings: the accounts of handshakes agree, and the limits hold.
func (s *sim) checkPendings(when string) {
	k, l := s.core, &s.core.limits
	n := len(k.pendings)
	if n != k.pendingRing.Len() || int64(n) != k.pendingAll.Load() || int64(n) != k.stats.HandshakesPending || n > l.PendingHandshakesAll {
		s.failf("%s: %d handshakes pending, %d on the ring, %d of all, %d in Stats", when, n, k.pendingRing.Len(), k.pendingAll.Load(), k.stats.HandshakesPending)
	}
	per := make(map[*conn]int)
	for st, e := range k.pendings {
		per[st.conn]++
		if e.s != st || st.kind != streamPending && len(e.early)+len(e.joins) > 0 {
			s.failf("%s: stream %d holds %d octets, and does not wait", when, st.id, len(e.early))
		}
	}
	for c, n := range per {
		if n != int(c.pending) || n > l.PendingHandshakes {
			s.failf("%s: %d handshakes of a connection pending, it says %d", when, n, c.pending)
		}
	}
}

// checkStreams walks the table. unsent is how many octets of the connection's output the peer has left to it.
func (c *conn) checkStreams(unsent int, failf failer) (sockets int64, borrowed int) {
	var n, ready, blocked, closing, ended, pinged, held int
	for i, st := range c.streams.streams {
		if st == nil {
			if c.streams.ids[i] != 0 {
				failf("id %d without a stream", c.streams.ids[i])
			}
			continue
		}
		n++
		if c.streams.find(st.id) != st || c.streams.ids[i] != st.id || st.state == stateClosed {
			failf("stream %d is not to be found, or is %v", st.id, st.state)
		}
		switch st.turn {
		case turnReady:
			ready++
		case turnBlocked:
			blocked++
		}
		if st.closing {
			closing++
		}
		if st.state == stateHalfClosedLocal && c.core.limits.EndTimeout != never {
			ended++
		}
		if st.ping >= pingSent {
			pinged++
		}
		if st.kind == streamSocket {
			held += st.ws.Held()
			sockets++
		}
		if st.kind == streamPending {
			held += cap(c.core.pendings[st].early)
		}
		borrowed += c.checkStream(st, failf)
	}
	if n != c.streams.len() || n > int(c.core.limits.MaxConcurrentStreams) {
		failf("%d streams in the table, it says %d, limit %d", n, c.streams.len(), c.core.limits.MaxConcurrentStreams)
	}
	if ready != c.ready.Len() || blocked != c.blocked.Len() {
		failf("%d ready and %d blocked on rings, %d and %d say so", c.ready.Len(), c.blocked.Len(), ready, blocked)
	}
	if w := c.waitsFor(); c.state < connLeaving && (closing != w.closing.live || ended != w.ended.live || pinged != w.pongs.live || !w.closing.holds() || !w.ended.holds() || !w.pongs.holds()) {
		failf("%d closing, %d ended, %d pinged, %+v", closing, ended, pinged, *w)
	}
	if waits := unsent + c.ready.Len() + c.feeds.Len(); c.stall.by != never && waits == 0 && !c.dirty && c.state < connLeaving {
		failf("a deadline for output, and none waits")
	}
	if held != c.assembly {
		failf("assembly %d, held %d", c.assembly, held)
	}
	return sockets, borrowed
}

// checkStream: on a ring iff it has output, on the ring of the blocked only without a window.
func (c *conn) checkStream(st *stream, failf failer) (borrowed int) {
	output := !st.queue.empty() || st.end
	if output != (st.turn != turnNone) || output != st.slot.Linked() {
		failf("stream %d has output: %t, turn %d, linked %t", st.id, output, st.turn, st.slot.Linked())
	}
	if st.turn == turnBlocked && c.unblocked == 0 {
		first := st.queue.first()
		if window := st.available(); first == nil || window >= int64(first.least(c.peerInitial)) {
			failf("stream %d is blocked with a window of %d", st.id, window)
		}
	}
	if st.queue.empty() {
		return 0
	}
	for g := st.queue.first(); ; g = g.next {
		if len(g.b) == 0 || g.begun && g != st.queue.first() || g.kind != segmentMessage && g.size != 0 {
			failf("stream %d: segment of kind %d with %d octets, begun %t", st.id, g.kind, len(g.b), g.begun)
		}
		if g.owner == bytesBorrowed {
			borrowed++
		}
		if g == st.queue.last {
			return borrowed
		}
	}
}

// borrowed counts on the streams of all connections, those that are being lost included.
func (s *sim) borrowed() (n int) {
	for _, k := range s.sockets {
		if k.stream == nil || k.stream.queue.empty() {
			continue
		}
		for g := k.stream.queue.first(); ; g = g.next {
			if g.owner == bytesBorrowed {
				n++
			}
			if g == k.stream.queue.last {
				break
			}
		}
	}
	return n
}

// checkAccounts: what Send accepted is sent, discarded or queued, and what is queued is in a queue or posted.
func (s *sim) checkAccounts(when string) {
	k := s.core
	posted := make(map[*stream]uint64)
	count := func(posts []post) {
		for _, p := range posts {
			switch p.kind {
			case postMessage:
				posted[p.s] += queuedMessage + uint64(p.n)
			case postPrepared:
				posted[p.s] += queuedMessage + uint64(len(p.prepared.Frame()))
			}
		}
	}
	count(k.batch.posts[k.next:])
	count(k.box.posts)
	queued := uint64(0)
	for _, sock := range s.sockets {
		if sock.stream == nil {
			continue
		}
		says := sock.stream.queued.Load() &^ queuedSlow
		queued += says / queuedMessage
		truth := posted[sock.stream] + sock.stream.queueTruth()
		if says != truth {
			s.failf("%s: %s: queued says %#x, truth %#x", when, sock, says, truth)
		}
		if says&queuedOctets > uint64(k.limits.Queue.MaxBytes+s.largest) || says/queuedMessage > uint64(k.limits.Queue.MaxMessages) {
			s.failf("%s: %s: queue of %d octets, %d messages", when, sock, says&queuedOctets, says/queuedMessage)
		}
		if sock.opened < sock.closed || sock.closed > 1 {
			s.failf("%s: %s: OnOpen %d times, OnClose %d", when, sock, sock.opened, sock.closed)
		}
	}
	if s.accepted != k.stats.MessagesSent+k.stats.MessagesDiscarded+queued {
		s.failf("%s: %d accepted, %d sent, %d discarded, %d queued", when, s.accepted, k.stats.MessagesSent, k.stats.MessagesDiscarded, queued)
	}
}

// queueTruth is what stream.queued should say of the queue.
func (st *stream) queueTruth() (n uint64) {
	if st.queue.empty() {
		return 0
	}
	for g := st.queue.first(); ; g = g.next {
		if g.kind == segmentMessage {
			n += queuedMessage + uint64(g.size)
		}
		if g == st.queue.last {
			return n
		}
	}
}

// checkIdle: no output is left where nothing stands in its way.
func (s *sim) checkIdle() {
	for _, c := range s.clients {
		conn := c.conn
		if conn.dirty || conn.state >= connLeaving || len(c.rest) > 0 || c.room == 0 {
			continue
		}
		if len(conn.control) > 0 || conn.unblocked > 0 {
			c.failf("%d octets of control frames wait for nothing, %d streams too", len(conn.control), conn.unblocked)
		}
		if slot := conn.ready.Front(); slot != nil {
			first, window := streamOf(slot).queue.first(), conn.sendWindow.Available(flow.InitialSize)
			if first == nil || window >= int64(first.least(c.conn.peerInitial)) {
				c.failf("stream %d waits for nothing: the connection's window is %d", streamOf(slot).id, window)
			}
		}
	}
}
