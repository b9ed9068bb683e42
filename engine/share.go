package engine

import (
	"sync/atomic"
	"time"
	"unsafe"

	"h2ws/engine/frame"
	"h2ws/flow"
	"h2ws/ws"
)

// share is one loop's part of a topic: a log of what was published and, per connection with members,
// a feed with a position in it. Nothing is copied or visited per member until their connection
// can send. All of it belongs to the loop, except wanted, which is under topic.mu.
type share struct {
	slot   flow.Slot // in core.logs while the log is not empty; first, so that a slot is its share
	topic  *Topic
	core   *core
	wanted int     // members, and posts on their way
	feeds  []*feed // first those that have something to be swept
	awake  int     // how many these are
	log    topicLog
	batch  batchCache

	lag     atomic.Int64 // entries in log, for Stats
	members int
	openTo  uint64        // what is before this position may be swept
	openAt  time.Duration // MaxRate: when openTo may move again
	waiting int32         // MaxRate: its place on core.waiting, from 1 on; 0: none
	rank    uint8         // in core.logs
	counted int32         // members with stats of their own
}

// topicLog holds the entries that some feed, or a member that lags, has not passed. Positions count publishes of the
// share, and first is that of entries[0].
//
// first <= passed <= end. Every feed's position is in passed..end, every lagging member's in first..end. Who fell
// off is below, and counts as being at first, so that what is left is kept for it.
type topicLog struct {
	entries []logEntry
	first   uint64
	passed  uint64 // by all feeds
	octets  int
	clock   uint64  // see clockOf
	atEnd   keepers // positioned at the end
}

// keepers counts those at a position of the log.
type keepers struct{ feeds, lags int32 }

type logEntry struct {
	p       *ws.Prepared
	except  *stream
	receipt *receipt
	owed    int    // members that neither got nor lost it
	clock   uint64 // the log's before it
	keepers        // positioned here, or before the log if this is its first entry
}

const entrySize = int(unsafe.Sizeof(logEntry{}))

func (l *topicLog) end() uint64 { return l.first + uint64(len(l.entries)) }

// size is the octets of memory that the log takes.
func (l *topicLog) size() int { return l.octets + len(l.entries)*entrySize }

func (l *topicLog) at(pos uint64) *logEntry { return &l.entries[pos-l.first] }

// keepers are those at a position.
func (l *topicLog) keepers(pos uint64) *keepers {
	if pos = max(pos, l.first); pos < l.end() {
		return &l.at(pos).keepers
	}
	return &l.atEnd
}

func (l *topicLog) clockAt(pos uint64) uint64 {
	if pos = max(pos, l.first); pos < l.end() {
		return l.at(pos).clock
	}
	return l.clock
}

// publish is a message arriving at the loop.
func (sh *share) publish(p *ws.Prepared, except *stream, r *receipt) {
	if sh.members == 0 {
		r.release()
		return
	}
	owed := sh.members
	if except != nil && except.membership(sh) != nil {
		owed--
	} else {
		except = nil
	}
	sh.topic.owed.Add(uint64(owed))
	l := &sh.log
	l.entries = append(l.entries, logEntry{p: p, except: except, receipt: r, owed: owed, clock: l.clock, keepers: l.atEnd})
	l.octets += len(p.Frame())
	l.clock += clockOf(p)
	l.atEnd = keepers{}
	sh.lag.Add(1)
	sh.core.hold(p)
	sh.core.keep(entrySize)
	sh.core.logs.file(sh)
	for len(l.entries) > 1 && (l.octets > sh.topic.options.LogSize || len(l.entries) > sh.topic.options.LogMessages) {
		sh.dropFirst()
	}
	sh.open()
}

// miss accounts for publishes that never reached the loop, because its mailbox was full.
func (sh *share) miss(n int) {
	sh.topic.owed.Add(uint64(n * sh.members))
	sh.topic.drop(n*sh.members, droppedMailbox)
	sh.eachCounted(func(_ *feed, s *stream) { s.countLost(n, droppedMailbox) })
}

// open lets the feeds go on to the end of the log, now or when MaxRate allows. What it takes them several
// batches to send counts as one: its members get it together.
func (sh *share) open() {
	if sh.waiting > 0 || len(sh.log.entries) == 0 {
		return
	}
	if interval := sh.topic.interval(); interval > 0 {
		if sh.openAt > sh.core.now {
			sh.wait()
			return
		}
		sh.openAt = sh.core.now + interval
	}
	sh.openTo = sh.log.end()
	for _, f := range sh.feeds[sh.awake:] {
		f.wake()
	}
}

// dropFirst takes the oldest entry off the log. Who has not got it does not get it.
func (sh *share) dropFirst() {
	if n := sh.log.entries[0].owed; n > 0 {
		sh.topic.drop(n, droppedLog)
		sh.countFirstLost()
	}
	sh.removeFirst()
}

func (sh *share) removeFirst() {
	l := &sh.log
	e := l.entries[0]
	if l.passed == l.first {
		sh.pass()
	}
	l.octets -= len(e.p.Frame())
	l.entries[0] = logEntry{}
	l.entries = l.entries[1:]
	l.first++
	at := l.keepers(l.first)
	at.feeds += e.feeds // they fell off
	at.lags += e.lags
	if len(l.entries) == 0 {
		l.entries = l.entries[:0]
		sh.batch.reset(l.first)
	}
	sh.core.unhold(e.p)
	sh.core.keep(-entrySize)
	sh.core.logs.file(sh)
}

// pass notes that all feeds have passed one entry more, or lost it.
func (sh *share) pass() {
	e := sh.log.at(sh.log.passed)
	sh.log.passed++
	sh.lag.Add(-1)
	e.receipt.release()
	e.receipt = nil
}

// trim takes off the log what all have passed.
func (sh *share) trim() {
	l := &sh.log
	for l.passed < l.end() && l.at(l.passed).feeds == 0 {
		sh.pass()
	}
	for l.first < l.passed && l.entries[0].lags == 0 {
		sh.dropFirst()
	}
}

// gone ends a share whose last member left.
func (sh *share) gone() {
	sh.unwait()
	for len(sh.log.entries) > 0 {
		sh.dropFirst()
	}
}

// batchCache is the batch that feeds are sweeping: most of them the same one, so it is composed once.
type batchCache struct {
	from, to uint64
	full     bool      // it ends before the log for want of room
	frame    []byte    // all of it, back to back; gathers refer to it, so it is never changed
	messages int       // in frame
	skipped  int       // conflated
	excepts  []*stream // each is left out of some entry

	newest map[string]uint64 // of a topic that conflates: where the newest of each key is
}

// reset empties b, which begins at pos. Only the memory of the list is kept.
func (b *batchCache) reset(pos uint64) {
	clear(b.excepts)
	*b = batchCache{from: pos, to: pos, excepts: b.excepts[:0]}
}

// skips reports whether the entry at pos is replaced by a later one of the batch.
func (b *batchCache) skips(pos uint64, e *logEntry) bool {
	at, ok := b.newest[e.p.Key()]
	return ok && at != pos && e.except == nil
}

// queues reports whether each member's batch goes through its own queue, as it takes several DATA frames.
func (b *batchCache) queues() bool { return len(b.frame) > frame.MaxPayloadMin }

// excludes notes whom an entry is not for.
func (b *batchCache) excludes(e *logEntry) {
	if e.except != nil {
		b.excepts = append(b.excepts, e.except)
	}
}

// batchSize is the most octets in a batch of more than one message: what fits one DATA frame.
const batchSize = frame.MaxPayloadMin

// compose puts together the batch that begins at pos and ends where it is full, at the end of the
// log or at limit, whichever comes first. The same arguments later, or the batch's own end
// as the limit, give the same batch.
func (sh *share) compose(pos, limit uint64) *batchCache {
	b := &sh.batch
	limit = min(limit, sh.log.end())
	if b.messages > 0 && b.from == pos && (b.to == limit || b.full && b.to < limit) {
		return b
	}
	b.reset(pos)
	b.newest = sh.choose(b, limit)
	if b.to == pos+1 {
		e := sh.log.at(pos)
		b.frame, b.messages = e.p.Frame(), 1
		b.excludes(e)
		return b
	}
	for i := pos; i < b.to; i++ {
		e := sh.log.at(i)
		b.excludes(e)
		if b.skips(i, e) {
			b.skipped++
			continue
		}
		b.frame = append(b.frame, e.p.Frame()...)
		b.messages++
	}
	return b
}

// choose decides where the batch ends and, of a topic that conflates, where the newest message of each
// key is. An entry that is not for everyone neither replaces nor is replaced.
func (sh *share) choose(b *batchCache, limit uint64) (newest map[string]uint64) {
	size := 0
	if sh.topic.options.Conflate {
		newest = make(map[string]uint64)
	}
	for ; b.to < limit; b.to++ {
		e := sh.log.at(b.to)
		grow := len(e.p.Frame())
		at, replaces := newest[e.p.Key()]
		replaces = replaces && e.except == nil
		if replaces {
			grow -= len(sh.log.at(at).p.Frame())
		}
		if size+grow > batchSize && b.to > b.from {
			b.full = true
			return newest
		}
		size += grow
		if newest != nil && e.p.Key() != "" && e.except == nil {
			newest[e.p.Key()] = b.to
		}
	}
	return newest
}
