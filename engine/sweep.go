package engine

import (
	"encoding/binary"

	"h2ws/engine/frame"
	"h2ws/flow"
	"h2ws/ws"
)

// sliceMembers bounds one slice of a sweep, so that direct sends and other feeds of the
// connection have their turns in between.
const sliceMembers = 1024

// sweep gives the batch to as many members as g and the connection's window have room for, up to a
// slice. It reports false when the window stands in the way.
func (f *feed) sweep(g *gather) (open bool) {
	f.busy = true
	open = true
	f.catchUp()
	visited := f.visitLags()
	if f.begin() {
		open = f.sweepBatch(g, f.share.compose(f.pos, f.end))
	} else if visited {
		f.sleep()
	}
	f.busy = false
	f.retire()
	return open
}

// begin fixes a batch unless one is being swept. It reports false when there is nothing to be swept.
func (f *feed) begin() bool {
	if f.end > f.pos {
		return true
	}
	sh := f.share
	limit := sh.openTo
	if f.pos >= limit {
		return false
	}
	if f.late != nil {
		limit = min(limit, f.late.list[0].from)
	}
	b := sh.compose(f.pos, limit)
	f.end = b.to
	f.charge(b)
	return true
}

// catchUp moves a feed that fell off the log to its beginning. What it missed was counted then. A
// batch whose beginning is gone can't go on: who has it has it all, the others lost its
// beginning and lose the rest with it.
func (f *feed) catchUp() {
	first := f.share.log.first
	if f.pos >= first {
		return
	}
	f.noteLoss(max(first, f.end))
	f.forgoBatch(first, droppedLog)
	f.chargeUnserved()
	f.share.log.keepers(f.pos).feeds--
	f.pos, f.next = max(first, f.end), 0
	f.end = f.pos
	f.share.log.keepers(f.pos).feeds++
	f.admitLate()
	f.share.trim()
}

// noteLoss has the members told what they lose when the feed goes on at position to.
func (f *feed) noteLoss(to uint64) {
	if !f.share.core.endpoint.WantsDrops() {
		return // nobody's handler does
	}
	for i, s := range f.members {
		from := f.pos
		if i < f.next {
			from = f.end
		}
		if to > from {
			s.note(ws.Drop{Messages: int(to - from)})
		}
	}
	f.late.each(func(late lateMember) bool {
		if to > late.from {
			late.s.note(ws.Drop{Messages: int(to - late.from)})
		}
		return to > late.from
	})
}

func (f *feed) sweepBatch(g *gather, b *batchCache) (open bool) {
	if b.queues() {
		open = f.sweepQueues(g)
	} else {
		open = f.sweepSome(g, b)
	}
	if f.next == len(f.members) {
		f.finish()
	}
	return open
}

// finish ends the sweep of a batch.
func (f *feed) finish() {
	l := &f.share.log
	l.keepers(f.pos).feeds--
	f.pos, f.next = f.end, 0
	l.keepers(f.pos).feeds++
	f.charged()
	f.admitLate()
	f.share.trim()
}

// sweepSome gives the batch to members in runs that are known to be able to take it, and one by one to
// the others. It reports false when the connection's window stands in the way.
func (f *feed) sweepSome(g *gather, b *batchCache) bool {
	// Where other feeds, or SETTINGS, have taken from the windows since the batch began, nobody is known. To look
	// at all members once more would be work without bound for a peer that sends SETTINGS.
	known := f.leastNow() >= 0
	direct := 0
	c := f.conn
	n := len(b.frame)
	open := true
	warm := 0 // members to be looked at that are in the cache
	for slice := sliceMembers; slice > 0 && f.next < len(f.members) && !g.full(); slice-- {
		forConn := c.sendWindow.Available(flow.InitialSize)
		room := int(max(0, forConn)) / n
		if room == 0 {
			if open = f.sweepPart(g, forConn); !open {
				break
			}
			continue
		}
		run, alike := 0, f.alike(b)
		if known {
			run = f.windows.run(f.next, f.next+min(room, g.frames(n), alike))
		}
		if run > 0 {
			c.appendFrames(g, f.ids[f.next:f.next+run], b.frame)
			c.sendWindow.Take(int32(run * n))
			f.next += run
			direct += run
			continue
		}
		if warm == 0 && known && c.streams.len() > warmStreams {
			warm = f.warm()
		}
		warm = max(0, warm-1)
		if f.sweepOne(g, b, alike > 0) {
			direct++
		}
	}
	f.account(b, direct)
	return open
}

// sweepPart queues the batch for one member and sends what the connection's window has left: a peer may grow
// the window only when it has been used up. It reports false when the window is too small for anything.
func (f *feed) sweepPart(g *gather, forConn int64) bool {
	if forConn < dribbleMin {
		return false
	}
	s := f.members[f.next]
	s.settle()
	f.next++
	s.membership(f.share).base += f.windows.size
	f.queueBatch(s)
	return s.turn != turnReady || f.conn.pullStream(g, s)
}

// alike is how many members from next on get all of the batch, up to the first that is left out of some of it.
func (f *feed) alike(b *batchCache) int {
	n := len(f.members) - f.next
	for _, s := range b.excepts {
		if s.conn != f.conn {
			continue
		}
		if m := s.membership(f.share); m != nil && m.full() && int(m.index) >= f.next {
			n = min(n, int(m.index)-f.next)
		}
	}
	return n
}

// sweepOne gives the batch, all of it or what is not left out, to a member of which more must be known. It
// reports false if it went to its queue.
func (f *feed) sweepOne(g *gather, b *batchCache, all bool) bool {
	n := len(b.frame)
	s := f.members[f.next]
	if f.lagBehind(s) {
		return false
	}
	m := s.membership(f.share)
	queue := !all || s.turn != turnNone || s.available() < int64(n) // a look at all its feeds is for those who may get it now
	f.next++
	m.base += uint32(n) // charged by itself
	if queue {
		f.queueBatch(s)
		return false
	}
	f.conn.appendFrames(g, []uint32{s.id}, b.frame)
	f.conn.sendWindow.Take(int32(n))
	s.sendWindow.Take(int32(n))
	f.rest(s, m)
	s.countSent(b.messages, n)
	s.countConflated(b.skipped)
	return true
}

// frames is how many DATA frames of n octets g has room for.
func (g *gather) frames(n int) int {
	if n >= refMin && !g.whole {
		return max(1, (g.limit-g.size)/n)
	}
	return min((cap(g.buf)-len(g.buf))/(frame.HeaderLen+n), 1+(g.limit-g.size)/(frame.HeaderLen+n))
}

// appendFrames is the inner loop of fan-out: one DATA frame without flags for each stream id.
func appendFrames(g *gather, ids []uint32, payload []byte) {
	n := len(payload)
	head := uint64(n) << 40
	if n >= refMin && !g.whole {
		for _, id := range ids {
			g.buf = binary.BigEndian.AppendUint64(g.buf, head|uint64(id>>8))
			g.buf = append(g.buf, byte(id))
			g.size += frame.HeaderLen
			g.share(payload)
		}
		return
	}
	at := len(g.buf)
	size := len(ids) * (frame.HeaderLen + n)
	g.buf = g.buf[:at+size]
	g.size += size
	for _, id := range ids {
		b := g.buf[at : at+frame.HeaderLen+n]
		binary.BigEndian.PutUint64(b, head|uint64(id>>8))
		b[8] = byte(id)
		copy(b[frame.HeaderLen:], payload)
		at += frame.HeaderLen + n
	}
}

// account settles what n members got at once.
func (f *feed) account(b *batchCache, n int) {
	if n == 0 {
		return
	}
	for pos := b.from; pos < b.to; pos++ {
		f.share.log.at(pos).owed -= n
	}
	t, stats := f.share.topic, &f.share.core.stats
	t.delivered.Add(uint64(n * b.messages))
	t.conflated.Add(uint64(n * b.skipped))
	t.octets.Add(uint64(n * len(b.frame)))
	stats.FramesSent += uint64(n)
	stats.MessagesSent += uint64(n * b.messages)
	stats.MessageOctetsSent += uint64(n * len(b.frame))
}

// sweepQueues sweeps a batch that takes several DATA frames: each member's goes through its own queue, and out
// as far as there is room.
func (f *feed) sweepQueues(g *gather) bool {
	c := f.conn
	for slice := sliceMembers; slice > 0 && f.next < len(f.members) && !g.full(); slice-- {
		s := f.members[f.next]
		if f.lagBehind(s) {
			continue
		}
		f.next++
		f.queueBatch(s)
		for s.turn == turnReady && !g.full() {
			if !c.pullStream(g, s) {
				return false
			}
		}
	}
	return true
}

// queueBatch moves the batch to the queue of a member that can't take it now, as references. It settles
// what the log owes the member; what becomes of the references is the queue's to say. The member
// may leave on account of it.
func (f *feed) queueBatch(s *stream) {
	sh := f.share
	b := &sh.batch
	for pos := b.from; pos < b.to; pos++ {
		e := sh.log.at(pos)
		if e.except == s {
			continue
		}
		e.owed--
		if b.skips(pos, e) {
			sh.topic.conflated.Add(1)
			s.countConflated(1)
			continue
		}
		s.offer(e.p, sh.topic)
	}
}
