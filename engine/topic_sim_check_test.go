package engine

import (
	"math"
	"math/bits"

	"h2ws/flow"
	"h2ws/ws"
)

// check compares what the engine keeps with the model, and with itself as it can be counted.
func (f *fan) check(when string) {
	truth := f.base
	counted := make(map[*ws.Prepared]bool)
	hold := func(p *ws.Prepared) {
		if !counted[p] {
			counted[p] = true
			truth += int64(len(p.Frame()))
		}
	}
	for _, t := range f.topics {
		t.check(when, hold)
		for _, sh := range t.t.shares {
			truth += int64(len(sh.log.entries) * entrySize)
		}
	}
	for _, k := range f.sockets {
		truth += k.check(when, hold)
	}
	for _, c := range f.clients {
		truth += int64(len(c.conn.wire.rest))
		if c.conn.state < connLeaving {
			c.checkWindows(when)
		}
	}
	for _, k := range f.cores {
		k.check(when)
		truth += int64(k.core.segments.held * segmentSize)
	}
	if got := held.Load(); got != truth {
		f.failf("%s: %d octets are held, counted %d", when, got-f.base, truth-f.base)
	}
}

// check: every message owed is delivered, dropped, conflated or somewhere.
func (t *fanTopic) check(when string, hold func(*ws.Prepared)) {
	f, s := t.f, t.t.Stats()
	members, lag, pending := 0, 0, uint64(0)
	receipts := make(map[*receipt]bool)
	for _, sh := range t.t.shares {
		pending += f.checkShare(when, sh, hold)
		members += sh.members
		lag = max(lag, int(sh.log.end()-sh.log.passed))
		for _, e := range sh.log.entries {
			if e.receipt != nil {
				receipts[e.receipt] = true
			}
		}
	}
	for _, k := range f.sockets {
		k.eachSegment(func(g *segment) {
			if g.topic == t.t {
				pending++
			}
		})
	}
	for _, k := range f.cores {
		for _, p := range append(append([]post(nil), k.core.box.posts...), k.core.batch.posts[k.core.next:]...) {
			if p.kind == postPublish && p.topic.share.topic == t.t && p.topic.receipt != nil {
				receipts[p.topic.receipt] = true
			}
		}
	}
	if lag != s.Lag || members != s.Members || t.published != s.Published {
		f.failf("%s: topic %d: %d members, %d published and a lag of %d, %+v", when, t.n, members, t.published, lag, s)
	}
	if t.owed != s.Owed || t.delivered != s.Delivered || t.octets != s.Octets || pending != s.Pending {
		f.failf("%s: topic %d: owed %d, delivered %d (%d octets), pending %d: %+v", when, t.n, t.owed, t.delivered, t.octets, pending, s)
	}
	open := 0
	for i, r := range t.receipts {
		if r.done > 1 {
			f.failf("%s: topic %d: the %d. receipt is done %d times", when, t.n, i, r.done)
		}
		if r.called && r.done == 0 {
			open++
		}
	}
	if open != len(receipts) {
		f.failf("%s: topic %d: %d receipts are not done, %d are held", when, t.n, open, len(receipts))
	}
}

// checkShare returns how many messages its log owes to members.
func (f *fan) checkShare(when string, sh *share, hold func(*ws.Prepared)) (pending uint64) {
	l := &sh.log
	octets, members, atEnd := 0, 0, keepers{}
	kept, owed := make([]keepers, len(l.entries)), make([]int, len(l.entries))
	for i, fd := range sh.feeds {
		if fd.index != i || fd.share != sh || fd.conn.feedBy.find(sh) != fd {
			f.failf("%s: a feed is not where it says", when)
		}
		if awake := i < sh.awake; awake != fd.slot.Linked() || !awake && fd.pos < sh.openTo {
			f.failf("%s: the %d. of %d feeds, %d awake, is on its ring: %t, at %d of %d", when, i, len(sh.feeds), sh.awake, fd.slot.Linked(), fd.pos, sh.openTo)
		}
		members += fd.len()
		if fd.pos < l.first {
			f.seen.offLog++
		}
		at := func(pos uint64) *keepers {
			if pos = max(pos, l.first); pos == l.end() {
				return &atEnd
			}
			return &kept[pos-l.first]
		}
		at(fd.pos).feeds++
		if fd.lag.len() > 0 {
			for _, g := range fd.lag.list {
				at(g.from).lags++
			}
		}
		f.checkFeed(when, fd, owed)
	}
	for i, e := range l.entries {
		octets += len(e.p.Frame())
		hold(e.p)
		if e.keepers != kept[i] || e.owed != owed[i] {
			f.failf("%s: log entry %d is owed to %d, counted %d; kept for %v, counted %v", when, i, e.owed, owed[i], e.keepers, kept[i])
		}
		pending += uint64(e.owed)
	}
	if octets != l.octets || atEnd != l.atEnd || members != sh.members {
		f.failf("%s: log of %d octets, counted %d; at its end %v, counted %v; %d members, counted %d",
			when, l.octets, octets, l.atEnd, atEnd, sh.members, members)
	}
	if o := &sh.topic.options; octets > o.LogSize && len(l.entries) > 1 || len(l.entries) > o.LogMessages {
		f.failf("%s: log of %d octets, %d messages", when, octets, len(l.entries))
	}
	if listed := sh.slot.Linked(); listed != (len(l.entries) > 0) || int(sh.rank) != bits.Len(uint(octets+len(l.entries)*entrySize)) {
		f.failf("%s: a log of %d messages is listed: %t", when, len(l.entries), listed)
	}
	if len(l.entries) > 0 && kept[0] == (keepers{}) {
		f.failf("%s: %d messages are kept for nobody", when, len(l.entries))
	}
	return pending
}

// checkFeed adds to owed, by log entry, what the members have still to get.
func (f *fan) checkFeed(when string, fd *feed, owed []int) {
	l := &fd.share.log
	if fd.next > len(fd.members) || fd.end < fd.pos || fd.end > l.end() || len(fd.ids) != len(fd.members) || len(fd.windows.bits)*64 < len(fd.members) {
		f.failf("%s: feed at %d..%d of %d..%d, %d of %d members", when, fd.pos, fd.end, l.first, l.end(), fd.next, len(fd.members))
	}
	owe := func(s *stream, from uint64) {
		for pos := max(from, l.first); pos < l.end(); pos++ {
			if l.at(pos).except != s {
				owed[pos-l.first]++
			}
		}
	}
	for i, s := range fd.members {
		m := s.membership(fd.share)
		if m == nil || m.feed != fd || int(m.index) != i || fd.ids[i] != s.id {
			f.failf("%s: stream %d is not the %d. member", when, s.id, i)
		}
		from := fd.pos
		if i < fd.next {
			from = fd.end
		}
		owe(s, from)
		if !fd.windows.waits(i) && (s.turn != turnNone || ahead(s) < fd.leastNow()) {
			f.failf("%s: stream %d is not said to wait: turn %d, window %d, %d ahead; least %d",
				when, s.id, s.turn, window(s), ahead(s), fd.leastNow())
		}
	}
	from := fd.pos
	fd.late.each(func(late lateMember) bool {
		m := late.s.membership(fd.share)
		if m == nil || m.feed != fd || m.index != memberLate || fd.lateFrom(m) != late.from || late.from <= fd.pos || late.from < from {
			f.failf("%s: stream %d is late, from %d on", when, late.s.id, late.from)
		}
		from = late.from
		owe(late.s, late.from)
		f.seen.late++
		return true
	})
	f.checkLags(when, fd, owe)
}

// checkLags: of those that lag the log keeps what their streams say that is queued.
func (f *fan) checkLags(when string, fd *feed, owe func(s *stream, from uint64)) {
	if fd.lag.len() == 0 {
		return
	}
	l, due := &fd.share.log, uint64(math.MaxUint64)
	for i, g := range fd.lag.list {
		m := &g.s.member
		if m.feed != fd || m.index != memberLags || int(m.base) != i || g.s.queue.empty() {
			f.failf("%s: stream %d is not the %d. that lags", when, g.s.id, i)
		}
		if g.from > g.seen || g.seen > fd.pos {
			f.failf("%s: stream %d lags at %d, seen up to %d, the feed is at %d", when, g.s.id, g.from, g.seen, fd.pos)
		}
		queued := uint64(0)
		for pos := max(g.from, l.first); pos < g.seen; pos++ {
			if e := l.at(pos); e.except != g.s {
				queued += queuedOf(e.p)
			}
		}
		if g.from >= l.first && queued != g.queued {
			f.failf("%s: stream %d has %x queued in the log, counted %x", when, g.s.id, g.queued, queued)
		}
		due = min(due, g.due)
		owe(g.s, g.from)
		f.seen.lagged++
	}
	if due < fd.lag.due && fd.lag.next == 0 {
		f.failf("%s: a member that lags is due at %d, said to be at %d", when, due, fd.lag.due)
	}
}

// eachMembership calls g for the places of s in topics.
func (s *stream) eachMembership(g func(*membership)) {
	if s.member.feed != nil {
		g(&s.member)
	}
	if s.rare != nil {
		for i := range s.rare.more {
			g(&s.rare.more[i])
		}
	}
}

// window is available without settling anything.
func window(s *stream) int64 {
	n := s.sendWindow.Available(s.conn.peerInitial)
	s.eachMembership(func(m *membership) { n -= int64(m.charged()) })
	return n
}

// ahead is the window as it will be behind the batches that are being swept.
func ahead(s *stream) int64 {
	n := window(s)
	s.eachMembership(func(m *membership) {
		if m.full() && int(m.index) >= m.feed.next {
			n -= int64(m.feed.windows.size)
		}
	})
	return n
}

// checkWindows: the server knows of each window what the client does.
func (c *fanClient) checkWindows(when string) {
	if got := c.conn.sendWindow.Available(flow.InitialSize); got != c.window {
		c.failf("%s: the connection's window is %d, the client has %d", when, got, c.window)
	}
	for _, s := range c.conn.streams.streams {
		if s == nil {
			continue
		}
		st := c.find(s.id)
		want := c.initial + st.granted - st.sent
		if got := window(s); got != want {
			c.failf("%s: stream %d: its window is %d, the client has %d", when, s.id, got, want)
		}
		if c.f.r.IntN(8) == 0 {
			if got := s.available(); got != want {
				c.failf("%s: stream %d: settled, its window is %d, the client has %d", when, s.id, got, want)
			}
		}
	}
	sweeping := int64(0)
	for _, fd := range c.conn.feedBy.all() {
		sweeping += int64(fd.windows.size)
	}
	if sweeping != c.conn.sweeping {
		c.failf("%s: %d octets are being swept, counted %d", when, c.conn.sweeping, sweeping)
	}
}

func (k *fanSocket) eachSegment(f func(*segment)) {
	if k.stream == nil || k.stream.queue.empty() {
		return
	}
	for g := k.stream.queue.first(); ; g = g.next {
		f(g)
		if g == k.stream.queue.last {
			return
		}
	}
}

// check compares memberships and the queue, and returns how many octets of its own it holds.
func (k *fanSocket) check(when string, hold func(*ws.Prepared)) (own int64) {
	if k.stream == nil {
		return 0
	}
	f, s := k.f, k.stream
	for _, t := range f.topics {
		member := false
		for _, sh := range t.t.shares {
			member = member || sh.core == s.core() && s.membership(sh) != nil
		}
		if member != k.isMember(t) {
			f.failf("%s: %s is member of topic %d: %t", when, k, t.n, member)
		}
	}
	if output := !s.queue.empty() || s.end; output != (s.turn != turnNone) || output != s.slot.Linked() {
		f.failf("%s: %s has output: %t, turn %d", when, k, output, s.turn)
	}
	if first := s.queue.first(); s.turn == turnBlocked && s.conn.unblocked == 0 && (first == nil || window(s) >= int64(first.least(s.conn.peerInitial))) {
		f.failf("%s: %s is blocked with a window of %d", when, k, window(s))
	}
	k.eachSegment(func(g *segment) {
		if g.prepared != nil {
			hold(g.prepared)
		} else if g.kind == segmentMessage && g.owner == bytesOwned {
			own += int64(g.size)
		}
	})
	if s.conn.state < connLeaving && s.state != stateClosed {
		k.checkQueued(when)
	}
	if k.stats != nil {
		k.checkStats(when)
	}
	return own
}

// checkQueued: what limits count is in the queue, on its way there or, for a member that lags, in a log.
func (k *fanSocket) checkQueued(when string) {
	s, queued := k.stream, uint64(0)
	k.eachSegment(func(g *segment) {
		if g.kind == segmentMessage && !g.retained {
			queued += uint64(g.size) + queuedMessage
		}
	})
	core := s.core()
	for _, p := range append(append([]post(nil), core.box.posts...), core.batch.posts[core.next:]...) {
		switch {
		case p.s != s:
		case p.kind == postMessage:
			queued += uint64(p.n) + queuedMessage
		case p.kind == postPrepared:
			queued += queuedOf(p.prepared)
		}
	}
	if s.lagging() {
		queued += s.lag().queued
	}
	if got := s.queued.Load() &^ queuedSlow; got != queued {
		k.f.failf("%s: %s has %x queued, counted %x", when, k, got, queued)
	}
}

// checkStats: every message for a counted socket has ended in one way, or waits.
func (k *fanSocket) checkStats(when string) {
	owed, waiting := len(k.direct)+k.missed, 0
	for _, messages := range k.expect {
		owed += len(messages)
	}
	core := k.stream.core()
	for _, p := range append(append([]post(nil), core.box.posts...), core.batch.posts[core.next:]...) {
		if p.s == k.stream && (p.kind == postMessage || p.kind == postPrepared) {
			waiting++
		}
	}
	k.eachSegment(func(g *segment) {
		if g.kind == segmentMessage {
			waiting++
		}
	})
	if k.client.conn.state < connLeaving {
		k.stream.eachMembership(func(m *membership) {
			l := &m.feed.share.log
			for pos := max(m.feed.pos, l.first); pos < l.end(); pos++ {
				if l.at(pos).except != k.stream && m.feed.owes(k.stream, pos) {
					waiting++
				}
			}
		})
	}
	s := k.stats
	delivered, dropped, conflated, unsent := int(s.Delivered.Load()), int(s.Dropped.Load()), int(s.Conflated.Load()), int(s.Unsent.Load())
	if delivered != k.recv || delivered+dropped+conflated+unsent+waiting != owed {
		k.f.failf("%s: %s: %d delivered and %d received, %d dropped, %d conflated, %d unsent, %d waiting of %d",
			when, k, delivered, k.recv, dropped, conflated, unsent, waiting, owed)
	}
	k.f.seen.counted += uint64(delivered + dropped + conflated + unsent)
}

// check: shares exist for as long as there are members or posts about them.
func (k *fanCore) check(when string) {
	wanted := make(map[*share]int)
	for _, p := range append(append([]post(nil), k.core.box.posts...), k.core.batch.posts[k.core.next:]...) {
		if p.kind == postJoin || p.kind == postLeave {
			wanted[p.topic.share]++
		}
	}
	for _, t := range k.f.topics {
		for _, sh := range t.t.shares {
			if sh.core == k.core && sh.wanted != sh.members+wanted[sh] {
				k.f.failf("%s: a share is wanted %d times, has %d members and %d posts", when, sh.wanted, sh.members, wanted[sh])
			}
		}
	}
	if truth := k.holding(); k.core.holding != truth {
		k.f.failf("%s: core %d says that it holds %d octets, counted %d", when, k.n, k.core.holding, truth)
	}
}

// holding counts what the core itself holds.
func (k *fanCore) holding() int {
	n := k.core.segments.held * segmentSize
	for _, t := range k.f.topics {
		for _, sh := range t.t.shares {
			if sh.core == k.core {
				n += sh.log.size()
			}
		}
	}
	for _, c := range k.f.clients {
		if c.core == k {
			n += len(c.conn.wire.rest)
		}
	}
	for _, s := range k.f.sockets {
		if s.client.core == k {
			s.eachSegment(func(g *segment) {
				if g.kind == segmentMessage && (g.owner == bytesOwned || g.prepared != nil) {
					n += int(g.size)
				}
			})
		}
	}
	return n
}

// checkIdle: no output is left where nothing stands in its way.
func (c *fanClient) checkIdle() {
	conn := c.conn
	if conn.dirty || conn.state != connOpen || len(conn.wire.rest) > 0 || c.room == 0 {
		return
	}
	if slot := conn.ready.Front(); slot != nil {
		if first := streamOf(slot).queue.first(); first == nil || c.window >= int64(first.least(conn.peerInitial)) {
			c.failf("stream %d waits for nothing: the connection's window is %d", streamOf(slot).id, c.window)
		}
		return // behind it others wait
	}
	for _, fd := range conn.feedBy.all() {
		sh := fd.share
		if max(fd.pos, sh.log.first) == sh.log.end() {
			continue
		}
		if fd.slot.Linked() && c.window < dribbleMin {
			continue
		}
		if !fd.slot.Linked() && sh.waiting > 0 && sh.openAt > c.core.core.now {
			c.f.seen.held++
			continue
		}
		c.failf("a feed at %d of %d waits for nothing: linked %t, share waits %t, %d members, the connection's window is %d",
			fd.pos, sh.log.end(), fd.slot.Linked(), sh.waiting > 0, len(fd.members), c.window)
	}
}

// checkDelivered: with every window open nothing is pending, and where nothing was lost nothing is missing.
func (f *fan) checkDelivered() {
	for _, t := range f.topics {
		s := t.t.Stats()
		f.seen.delivered += s.Delivered
		f.seen.dropped += s.Dropped
		f.seen.conflated += s.Conflated
		if s.Pending != 0 || f.gentle && s.Dropped != 0 || f.gentle && !t.o.Conflate && s.Conflated != 0 {
			f.failf("topic %d: %+v", t.n, s)
		}
		for _, k := range f.sockets {
			if f.gentle && k.isMember(t) {
				k.checkNewest(t, s.Conflated > 0)
			}
		}
	}
	for _, k := range f.sockets {
		st := k.client.find(k.id)
		if st.maySend() && !st.gotClose && k.closed == 0 && k.client.conn.state == connOpen && st.ping != st.pong {
			f.failf("%s: ping %q, pong %q", k, st.ping, st.pong)
		}
		if f.gentle && k.directGot != len(k.direct) {
			f.failf("%s: %d of %d direct messages", k, k.directGot, len(k.direct))
		}
	}
}

// checkNewest: nothing of a topic was dropped, so a member has got the newest message of every key, and all
// without one.
func (k *fanSocket) checkNewest(t *fanTopic, conflated bool) {
	expect, got := k.expect[t.n], k.got[t.n]
	if !conflated && (got != len(expect) || k.lost[t.n] > 0) {
		k.f.failf("%s: topic %d: %d of %d messages, %d lost", k, t.n, got, len(expect), k.lost[t.n])
	}
	newer := make(map[string]bool)
	for _, m := range expect[got:] {
		newer[m.p.Key()] = true
		if m.p.Key() == "" {
			k.f.failf("%s: topic %d: message %d, without a key, is missing", k, t.n, m.n)
		}
	}
	if len(newer) > 0 {
		k.f.failf("%s: topic %d: the newest messages of %d keys are missing: %v (got %d of %d)", k, t.n, len(newer), newer, got, len(expect))
	}
}

// checkGone: nothing is left of anything.
func (f *fan) checkGone() {
	for _, t := range f.topics {
		s := t.t.Stats()
		if s.Members != 0 || s.Pending != 0 || t.t.shares != nil {
			f.failf("topic %d: %d shares, %+v", t.n, len(t.t.shares), s)
		}
		for i, r := range t.receipts {
			if r.done != 1 {
				f.failf("topic %d: the %d. receipt is done %d times", t.n, i, r.done)
			}
		}
	}
	for _, k := range f.cores {
		c := k.core
		if c.logs.n+len(c.waiting)+len(c.drops)+len(c.conns)+c.borrowed > 0 {
			f.failf("core %d: left are %d logs, %d waiting, %d drops, %d connections, %d borrowed",
				k.n, c.logs.n, len(c.waiting), len(c.drops), len(c.conns), c.borrowed)
		}
	}
	if n := held.Load(); n != f.base {
		f.failf("%d octets are held for nobody", n-f.base)
	}
}
