package engine

import (
	"math"
	"sync"
	"unsafe"

	"h2ws/ws"
)

// mailbox is how any goroutine reaches a loop: posts are appended under a lock held for
// a few instructions, and the loop takes all of them at once.
//
// 0 <= len(arena) <= size < 2^32, so offsets fit 32 bits.
type mailbox struct {
	mu     sync.Mutex
	posts  []post
	arena  []byte // framed messages and close payloads, back to back
	calls  []func()
	asleep bool // the loop waits, or is about to, and must be woken
	ended  bool // there is no loop any more

	published int            // octets of the published messages in posts, as if none were shared
	missed    map[*share]int // publishes for which there was no room

	size int // most octets in arena
	wake func()
}

const mailboxSizeMax = math.MaxUint32 / 2

// postSize is what a post counts for in the mailbox's size.
const postSize = int(unsafe.Sizeof(post{}))

// post is one thing a stream's loop has been asked to do.
type post struct {
	s        *stream
	prepared *ws.Prepared // postPrepared only
	off, n   uint32       // the octets in the arena, else
	kind     postKind
	seg      *segment // set by the loop, see core.own
	topic    *topicPost
}

// topicPost is what a post about a topic says more.
type topicPost struct {
	share    *share
	retained []*ws.Prepared // postJoin
	receipt  *receipt       // postPublish; s is the socket left out
}

type postKind uint8

const (
	postMessage  postKind = iota // framed octets
	postPrepared                 // a shared message
	postClose                    // the payload of a Close frame
	postSlow                     // the queue was found full
	postAnswer                   // the payload of a Close frame that ends the stream
	postEnd                      // END_STREAM
	postDecided                  // a handshake that was deferred
	postResume                   // the end of a pause
	postDrain                    // OnDrain is wanted
	postJoin                     // of a topic
	postLeave                    // of a topic
	postPublish                  // to a topic
	postAttend                   // a handler of Server.HTTP has something: see exchange
)

// arenaKeep is the largest arena, and postsKeep the longest list of posts, that is used again: what a
// burst made larger is given back.
const (
	arenaKeep = 1 << 20
	postsKeep = 1 << 17
)

// message frames and copies p. It fails when the mailbox is full, or a Close was posted before:
// only under this lock can that be told exactly, so that what Send accepts is sent.
func (b *mailbox) message(s *stream, t ws.MessageType, p []byte) error {
	b.mu.Lock()
	if s.asked || b.ended {
		b.mu.Unlock()
		return ws.ErrClosed
	}
	if b.full(ws.HeaderLen(len(p)) + len(p)) {
		b.mu.Unlock()
		return ErrMailboxFull
	}
	off := len(b.arena)
	b.arena = append(ws.AppendHeader(b.arena, true, ws.Opcode(t), len(p)), p...)
	b.append(post{s: s, kind: postMessage, off: uint32(off), n: uint32(len(b.arena) - off)})
	return nil
}

// full reports whether n octets more are too many for those that wait. One message always has room.
func (b *mailbox) full(n int) bool {
	return len(b.posts) > 0 && len(b.arena)+b.published+postSize*len(b.posts)+n > b.size
}

// prepared posts a shared message. It fails as message does.
func (b *mailbox) prepared(s *stream, p *ws.Prepared) error {
	b.mu.Lock()
	if s.asked || b.ended {
		b.mu.Unlock()
		return ws.ErrClosed
	}
	if b.full(0) {
		b.mu.Unlock()
		return ErrMailboxFull
	}
	b.append(post{s: s, kind: postPrepared, prepared: p})
	return nil
}

func (b *mailbox) close(s *stream, code ws.CloseCode, reason string) {
	b.mu.Lock()
	s.asked = true
	off := len(b.arena)
	b.arena = append(b.arena, byte(code>>8), byte(code))
	b.arena = append(b.arena, reason...)
	b.append(post{s: s, kind: postClose, off: uint32(off), n: uint32(len(b.arena) - off)})
}

// end posts how the loop itself ends a stream, postAnswer with a payload or postEnd: behind what Send has accepted,
// be it in the callback before.
func (b *mailbox) end(s *stream, kind postKind, payload []byte) {
	b.mu.Lock()
	s.asked = true
	off := len(b.arena)
	b.arena = append(b.arena, payload...)
	b.append(post{s: s, kind: kind, off: uint32(off), n: uint32(len(payload))})
}

// wish posts what needs no more than its kind to say.
func (b *mailbox) wish(s *stream, kind postKind) {
	b.mu.Lock()
	b.append(post{s: s, kind: kind})
}

// join fails when the loop has ended and, unless it comes with a handshake, when the mailbox is full.
func (b *mailbox) join(s *stream, sh *share, retained []*ws.Prepared, accepted bool) error {
	b.mu.Lock()
	if !accepted && !b.ended && b.full(0) {
		b.mu.Unlock()
		return ErrMailboxFull
	}
	if !b.append(post{s: s, kind: postJoin, topic: &topicPost{share: sh, retained: retained}}) {
		return ws.ErrClosed
	}
	return nil
}

// leave reports false when the loop has ended.
func (b *mailbox) leave(s *stream, sh *share) bool {
	b.mu.Lock()
	return b.append(post{s: s, kind: postLeave, topic: &topicPost{share: sh}})
}

// publish posts a message to a share. It reports false when too many octets wait to be taken; the members'
// loss is counted when the loop comes by.
func (b *mailbox) publish(sh *share, p *ws.Prepared, except *stream, r *receipt) bool {
	b.mu.Lock()
	if b.ended || b.full(len(p.Frame())) {
		if b.missed == nil {
			b.missed = make(map[*share]int)
		}
		b.missed[sh]++
		b.mu.Unlock()
		return false
	}
	b.published += len(p.Frame())
	b.append(post{s: except, kind: postPublish, prepared: p, topic: &topicPost{share: sh, receipt: r}})
	return true
}

// append finishes a post begun under the lock. It reports false when the loop has ended: all
// sockets are closed then.
func (b *mailbox) append(p post) bool {
	ended := b.ended
	if ended {
		b.arena = nil
	} else {
		b.posts = append(b.posts, p)
	}
	b.unlockAndWake()
	return !ended
}

// call asks the loop to run f before its next posts. It reports false when the loop has ended.
func (b *mailbox) call(f func()) bool {
	b.mu.Lock()
	if b.ended {
		b.mu.Unlock()
		return false
	}
	b.calls = append(b.calls, f)
	b.unlockAndWake()
	return true
}

// shut ends the mailbox with its loop: nothing is posted from now on.
func (b *mailbox) shut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}

func (b *mailbox) unlockAndWake() {
	wake := b.asleep
	b.asleep = false
	b.mu.Unlock()
	if wake {
		b.wake()
	}
}

// sleep reports whether the loop may wait: nothing is posted, and who posts from now on wakes it.
func (b *mailbox) sleep() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asleep = len(b.posts) == 0 && len(b.calls) == 0
	return b.asleep
}

// awake says that the loop runs and looks here before it sleeps again.
func (b *mailbox) awake() {
	b.mu.Lock()
	b.asleep = false
	b.mu.Unlock()
}

// batch is what the loop took from its mailbox in one go.
type batch struct {
	posts []post
	arena []byte
	calls []func()

	missed map[*share]int
}

// take exchanges the mailbox's content for the memory of an earlier batch.
func (b *mailbox) take(old batch) batch {
	clear(old.posts)
	clear(old.calls)
	if cap(old.arena) > arenaKeep {
		old.arena = nil
	}
	if cap(old.posts) > postsKeep {
		old.posts = nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := batch{b.posts, b.arena, b.calls, b.missed}
	b.published, b.missed = 0, nil
	b.posts, b.arena, b.calls = old.posts[:0], old.arena[:0], old.calls[:0]
	return taken
}
