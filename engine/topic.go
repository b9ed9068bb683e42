package engine

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"h2ws/ws"
)

// ErrForeignConn is returned by Topic.Join for a Conn that no Server of this package serves.
var ErrForeignConn = errors.New("engine: the Conn is not this engine's")

// Topic is a set of sockets that all get what is published to it. Its methods may be called from any
// goroutine at any time, callbacks included, and never block. Topics are independent of
// servers: the members of one may be on several.
//
// Each member gets the messages of one publisher in the order of publishing, whole, at most once,
// and none that was published before its Join, but for what TopicOptions.Retain says. Between topics, and between a
// topic and ws.Conn.Send, there is no order. A member that can't keep up loses
// whole messages or its socket, by its ws.QueueLimits; every message is accounted for:
//
//	Owed == Delivered + Dropped + Conflated + Pending
//
// ws.Conn.Close and Server.Shutdown come behind what was published before, as far as the queue has room.
// A Topic without members costs its own memory and nothing on any loop.
type Topic struct {
	name    string
	options TopicOptions

	mu        sync.Mutex // orders publishes and joins; held for one post per loop
	shares    []*share   // of the loops that have members, or joins on their way
	published uint64
	retained  retained

	members   atomic.Int64
	owed      atomic.Uint64
	delivered atomic.Uint64
	dropped   [dropCauses]atomic.Uint64
	conflated atomic.Uint64
	octets    atomic.Uint64
}

// TopicOptions configures a Topic. The zero value is a plain one.
type TopicOptions struct {
	// LogSize and LogMessages bound what a loop keeps for connections that have not yet taken
	// it, in octets (each message once) and messages. What falls off the log is lost to the
	// members it was not sent to. The newest message is kept, however large. Defaults 4 MiB and 4096.
	LogSize     int
	LogMessages int

	// Retain says what a new member gets at once of what was published before. Its QueueLimits do not count it.
	Retain Retain
	// RetainKeys bounds the keys that RetainPerKey remembers; of more, the one longest
	// without news is forgotten. Default 1024.
	RetainKeys int

	// Conflate has a member that gets several messages at once get, of those with the same key
	// (ws.Prepared.Key), only the newest. Messages without a key are never conflated.
	Conflate bool
	// MaxRate, if above 0, is the most batches a second that a member gets. What is
	// published meanwhile waits for the next batch.
	MaxRate float64

	// Queue, if not nil, are the limits of the queues of members in place of their own, for
	// what is published to this topic.
	Queue *ws.QueueLimits
}

// Retain says what a Topic remembers for new members.
type Retain uint8

const (
	RetainNone   Retain = iota
	RetainNewest        // the newest message
	RetainPerKey        // the newest message of each key, oldest news first; those without a key are of one
)

// NewTopic returns a Topic. The name is for logs and statistics; it need not be unique.
func NewTopic(name string, o TopicOptions) *Topic {
	o.LogSize, o.LogMessages, o.RetainKeys = max(o.LogSize, 0), max(o.LogMessages, 0), max(o.RetainKeys, 0)
	def(&o.LogSize, 4<<20)
	def(&o.LogMessages, 4096)
	def(&o.RetainKeys, 1024)
	if o.Queue != nil {
		q := o.Queue.WithDefaults()
		o.Queue = &q
	}
	return &Topic{name: name, options: o}
}

// Name returns the topic's name.
func (t *Topic) Name() string { return t.name }

// Join makes c a member: it gets what is published from now on. Joining twice is joining once. It returns
// ws.ErrClosed when c is closed already, and ErrMailboxFull as ws.Conn.Send does. To miss nothing between the opening of
// a socket and its joining, name the topic in ws.AcceptOptions.Topics.
func (t *Topic) Join(c *ws.Conn) error {
	s, ok := c.Lower().(*stream)
	if !ok {
		return ErrForeignConn
	}
	if c.Closed() {
		return ws.ErrClosed
	}
	return t.join(s, false)
}

// join is Join. With a handshake that is accepted comes the membership, too, however full the mailbox is.
func (t *Topic) join(s *stream, accepted bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	sh := t.shareOf(s.core())
	sh.wanted++
	err := s.core().box.join(s, sh, t.retained.list(), accepted)
	if err != nil {
		t.forget(sh, 1)
	}
	return err
}

// Leave ends c's membership: it gets nothing that is published from now on, and may still get what was
// published before. It counts for Limits.MailboxSize, and is never refused.
func (t *Topic) Leave(c *ws.Conn) {
	s, ok := c.Lower().(*stream)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, sh := range t.shares {
		if sh.core == s.core() {
			sh.wanted++ // until the post is done
			if !sh.core.box.leave(s, sh) {
				t.forget(sh, 1)
			}
			return
		}
	}
}

// Publish sends p to every member. It costs the caller one post per loop that has members.
func (t *Topic) Publish(p *ws.Prepared) { t.publish(p, nil, nil) }

// PublishExcept sends p to every member but c, which must not be nil, as to all who did not send it.
func (t *Topic) PublishExcept(p *ws.Prepared, c *ws.Conn) {
	except, _ := c.Lower().(*stream)
	t.publish(p, except, nil)
}

// PublishThen sends p to every member and calls done, once, when each loop has framed it for, queued
// it at, left it in the log for, or dropped it for the last of its members. A publisher that waits for it goes at the pace of
// the slowest connection that still has it in the log. done is called from
// a loop, or from PublishThen itself, and must neither block nor panic.
func (t *Topic) PublishThen(p *ws.Prepared, done func()) {
	if done == nil {
		panic("engine: PublishThen without done")
	}
	r := &receipt{done: done}
	r.pending.Store(1)
	t.publish(p, nil, r)
	r.release()
}

func (t *Topic) publish(p *ws.Prepared, except *stream, r *receipt) {
	if p == nil {
		panic("engine: Publish of nil") // here, not in the loop or under its lock: Prepare may have failed
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.published++
	t.retained.add(&t.options, p)
	for _, sh := range t.shares {
		r.hold()
		left := except
		if except != nil && except.core() != sh.core {
			left = nil // its memberships are its own loop's to look at
		}
		if !sh.core.box.publish(sh, p, left, r) {
			r.release() // not the last: PublishThen holds it too
		}
	}
}

// shareOf is the loop's part of the topic, made if there is none. Under mu.
func (t *Topic) shareOf(k *core) *share {
	for _, sh := range t.shares {
		if sh.core == k {
			return sh
		}
	}
	sh := &share{topic: t, core: k}
	t.shares = append(t.shares, sh)
	return sh
}

// unwant gives back n of a share's reasons to exist; without any it goes.
func (t *Topic) unwant(sh *share, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(sh, n)
}

// forget is unwant under mu.
func (t *Topic) forget(sh *share, n int) {
	if sh.wanted -= n; sh.wanted > 0 {
		return
	}
	for i, other := range t.shares {
		if other == sh {
			t.shares = append(t.shares[:i], t.shares[i+1:]...)
			break
		}
	}
	if len(t.shares) == 0 {
		t.shares = nil
	}
}

// Len returns the number of members.
func (t *Topic) Len() int { return int(t.members.Load()) }

// TopicStats counts what became of what was published to a Topic.
type TopicStats struct {
	Members   int
	Published uint64 // calls of Publish and its variants
	Owed      uint64 // the sum of the members there were for each
	Delivered uint64 // framed for a member's connection, whole
	Dropped   uint64 // lost to a member, as the next four say
	Conflated uint64 // replaced by a newer one of the same key
	Octets    uint64 // delivered, RFC 6455 headers included
	Pending   uint64 // neither: in a log or a queue
	Lag       int    // messages that the slowest loop's log holds for connections that have not taken them

	DroppedQueue   uint64 // by the policy of its queue
	DroppedLog     uint64 // off the log: TopicOptions.LogSize, LogMessages, or Limits.MemorySize
	DroppedMailbox uint64 // never in a log: Limits.MailboxSize
	DroppedEnded   uint64 // with its membership or its socket
}

// dropCause says why a member did not get a message.
type dropCause uint8

const (
	droppedQueue dropCause = iota
	droppedLog
	droppedMailbox
	droppedEnded
	dropCauses
)

// drop counts a message that n members do not get.
func (t *Topic) drop(n int, why dropCause) { t.dropped[why].Add(uint64(n)) }

// Stats returns the topic's counters.
func (t *Topic) Stats() TopicStats {
	t.mu.Lock()
	published, lag := t.published, int64(0)
	for _, sh := range t.shares {
		lag = max(lag, sh.lag.Load())
	}
	t.mu.Unlock()
	s := TopicStats{
		Members:   t.Len(),
		Published: published,
		Lag:       int(lag),
		// What is settled is read before what is owed, so that Pending is never negative.
		Delivered:      t.delivered.Load(),
		DroppedQueue:   t.dropped[droppedQueue].Load(),
		DroppedLog:     t.dropped[droppedLog].Load(),
		DroppedMailbox: t.dropped[droppedMailbox].Load(),
		DroppedEnded:   t.dropped[droppedEnded].Load(),
		Conflated:      t.conflated.Load(),
		Octets:         t.octets.Load(),
	}
	s.Dropped = s.DroppedQueue + s.DroppedLog + s.DroppedMailbox + s.DroppedEnded
	s.Owed = t.owed.Load()
	s.Pending = s.Owed - s.Delivered - s.Dropped - s.Conflated
	return s
}

// intervalMax is the longest time between two batches: in a rate lower than that, time.Duration ends.
const intervalMax = never / 2

// interval is the least time between two batches.
func (t *Topic) interval() time.Duration {
	if t.options.MaxRate <= 0 {
		return 0
	}
	return time.Duration(min(float64(time.Second)/t.options.MaxRate, float64(intervalMax)))
}

// receipt calls done when the last of those who hold it lets go. A nil receipt is nobody's.
type receipt struct {
	pending atomic.Int32
	done    func()
}

func (r *receipt) hold() {
	if r != nil {
		r.pending.Add(1)
	}
}

func (r *receipt) release() {
	if r != nil && r.pending.Add(-1) == 0 {
		r.done()
	}
}

// retained is what a topic remembers for new members, oldest news first.
type retained struct {
	newest *ws.Prepared // RetainNewest
	news   []retainedNews
	byKey  map[string]uint64 // the number of the newest
	number uint64
	joined []*ws.Prepared // what list returned; nil: there is news
}

// retainedNews is a message of RetainPerKey. It was replaced unless byKey has its number.
type retainedNews struct {
	p      *ws.Prepared
	number uint64
}

func (r *retained) add(o *TopicOptions, p *ws.Prepared) {
	r.joined = nil
	switch o.Retain {
	case RetainNewest:
		r.newest = p
	case RetainPerKey:
		r.addKey(o.RetainKeys, p)
	}
}

// addKey replaces the message of p's key. Replaced ones stay in the list until they are first or as many as the others.
func (r *retained) addKey(keys int, p *ws.Prepared) {
	if r.byKey == nil {
		r.byKey = make(map[string]uint64)
	}
	r.number++
	r.byKey[p.Key()] = r.number
	r.news = append(r.news, retainedNews{p, r.number})
	for len(r.byKey) > keys {
		if first := r.news[0]; r.isNewest(first) {
			delete(r.byKey, first.p.Key())
		}
		r.news[0] = retainedNews{}
		r.news = r.news[1:]
	}
	if len(r.news) > 2*len(r.byKey) {
		r.news = slices.DeleteFunc(r.news, func(n retainedNews) bool { return !r.isNewest(n) })
	}
}

func (r *retained) isNewest(n retainedNews) bool { return r.byKey[n.p.Key()] == n.number }

// list is what a new member gets. It is never changed.
func (r *retained) list() []*ws.Prepared {
	switch {
	case r.newest != nil && r.joined == nil:
		r.joined = []*ws.Prepared{r.newest}
	case r.joined == nil && len(r.byKey) > 0:
		r.joined = make([]*ws.Prepared, 0, len(r.byKey))
		for _, n := range r.news {
			if r.isNewest(n) {
				r.joined = append(r.joined, n.p)
			}
		}
	}
	return r.joined
}
