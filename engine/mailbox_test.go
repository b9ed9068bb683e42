package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"h2ws/ws"
)

// read returns the posts of a batch in words.
func (b *batch) read() (posts []string) {
	for _, p := range b.posts {
		posts = append(posts, fmt.Sprintf("%d:%d:%x", p.s.id, p.kind, b.arena[p.off:p.off+p.n]))
	}
	return posts
}

func newMailbox(size int) *mailbox { return &mailbox{size: size, wake: func() {}} }

// All that is posted is taken, once and in order, whatever memory is used again.
func TestMailboxAgainstModel(t *testing.T) {
	const seed = 17
	random := rand.New(rand.NewPCG(seed, 0))
	b := newMailbox(1 << 20)
	streams := []*stream{{id: 1}, {id: 3}, {id: 5}}
	var taken batch
	var model []string
	for range 20000 {
		s := streams[random.IntN(len(streams))]
		p := make([]byte, random.IntN(200))
		for i := range p {
			p[i] = byte(random.IntN(256))
		}
		switch random.IntN(8) {
		case 0:
			taken = b.take(taken)
			if got := taken.read(); fmt.Sprint(got) != fmt.Sprint(model) {
				t.Fatalf("seed %d:\n got %q\nwant %q", seed, got, model)
			}
			model = nil
		case 1:
			b.wish(s, postSlow)
			model = append(model, fmt.Sprintf("%d:%d:", s.id, postSlow))
		case 2:
			b.end(s, postAnswer, p)
			s.asked = false
			model = append(model, fmt.Sprintf("%d:%d:%x", s.id, postAnswer, p))
		case 3:
			b.close(s, 1000, string(p))
			s.asked = false
			model = append(model, fmt.Sprintf("%d:%d:03e8%x", s.id, postClose, p))
		default:
			if err := b.message(s, ws.Binary, p); err != nil {
				t.Fatal(err)
			}
			model = append(model, fmt.Sprintf("%d:%d:%x%x", s.id, postMessage, ws.AppendHeader(nil, true, ws.OpBinary, len(p)), p))
		}
	}
}

func TestMailboxMemoryIsUsedAgain(t *testing.T) {
	b := newMailbox(1 << 30)
	s := &stream{id: 1}
	b.message(s, ws.Text, make([]byte, 1000))
	first := b.take(batch{})
	arena, posts := &first.arena[0], &first.posts[0]
	b.message(s, ws.Text, []byte("x"))
	second := b.take(first)
	b.message(s, ws.Text, []byte("y"))
	third := b.take(second)
	if &third.arena[0] != arena || &third.posts[0] != posts {
		t.Error("the third batch is in other memory than the first")
	}

	b.message(s, ws.Text, make([]byte, arenaKeep))
	large := b.take(batch{})
	b.take(large)
	if cap(b.arena) > arenaKeep {
		t.Errorf("%d octets of arena are kept after a burst", cap(b.arena))
	}
	burst := batch{posts: make([]post, 0, postsKeep+1)}
	b.take(burst)
	if cap(b.posts) > postsKeep {
		t.Errorf("room for %d posts is kept after a burst", cap(b.posts))
	}
}

func TestMailboxTakenMemoryHoldsNothing(t *testing.T) {
	b := newMailbox(1 << 20)
	prepared, err := ws.Prepare(ws.Text, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	b.prepared(&stream{id: 1}, prepared)
	b.call(func() {})
	taken := b.take(batch{})
	b.take(taken)
	if p := taken.posts[0]; p.s != nil || p.prepared != nil || taken.calls[0] != nil {
		t.Error("memory to be used again still refers to a stream, a message or a call")
	}
}

func TestMailboxIsFull(t *testing.T) {
	b := newMailbox(100 + postSize)
	s := &stream{id: 1}
	if err := b.message(s, ws.Text, make([]byte, 200)); err != nil {
		t.Errorf("into an empty mailbox fits any message: %v", err)
	}
	if err := b.message(s, ws.Text, nil); !errors.Is(err, ErrMailboxFull) {
		t.Errorf("a full one: %v, want ErrMailboxFull", err)
	}
	b.close(s, 1000, "")
	b.take(batch{})
	s.asked = false
	for range 2 {
		if err := b.message(s, ws.Text, make([]byte, 48)); err != nil {
			t.Errorf("2 x 50 octets into 100: %v", err)
		}
	}
	if err := b.message(s, ws.Text, nil); !errors.Is(err, ErrMailboxFull) {
		t.Errorf("and 2 more: %v, want ErrMailboxFull", err)
	}
}

func TestMailboxAfterClose(t *testing.T) {
	b := newMailbox(100)
	s := &stream{id: 1}
	b.close(s, 1000, "")
	if err := b.message(s, ws.Text, nil); !errors.Is(err, ws.ErrClosed) {
		t.Errorf("a message behind a Close: %v, want ErrClosed", err)
	}
	prepared, err := ws.Prepare(ws.Text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.prepared(s, prepared); !errors.Is(err, ws.ErrClosed) {
		t.Errorf("a prepared one: %v, want ErrClosed", err)
	}
	if err := b.message(&stream{id: 3}, ws.Text, nil); err != nil {
		t.Errorf("another stream is not closed: %v", err)
	}
}

// A loop that sleeps is woken once, by the first who posts.
func TestMailboxWakes(t *testing.T) {
	woken := 0
	b := newMailbox(100)
	b.wake = func() { woken++ }
	s := &stream{id: 1}
	b.wish(s, postSlow)
	if woken != 0 {
		t.Error("woken, and never slept")
	}
	if b.sleep() {
		t.Error("it may not sleep: something is posted")
	}
	b.take(batch{})
	if !b.sleep() {
		t.Error("it may sleep: nothing is posted")
	}
	b.wish(s, postSlow)
	b.wish(s, postSlow)
	b.call(func() {})
	if woken != 1 {
		t.Errorf("woken %d times by three posts", woken)
	}
	b.take(batch{})
	b.sleep()
	b.awake()
	b.wish(s, postSlow)
	if woken != 1 {
		t.Error("woken while it was awake")
	}
}

func TestMailboxEnds(t *testing.T) {
	b := newMailbox(100)
	s := &stream{id: 1}
	late := 0
	b.call(func() { late++ })
	b.wish(s, postSlow)
	b.shut()
	last := b.take(batch{})
	for _, f := range last.calls {
		f()
	}
	if late != 1 || len(last.posts) != 1 {
		t.Errorf("%d of 1 calls and %d of 1 posts that came too late can be taken", late, len(last.posts))
	}
	if b.call(func() { t.Error("called after the end") }) {
		t.Error("a call is accepted after the end")
	}
	if err := b.message(s, ws.Text, []byte("x")); err != ws.ErrClosed {
		t.Errorf("a message after the end: %v", err)
	}
	b.close(s, 1000, "x")
	b.wish(s, postSlow)
	if b.join(s, nil, nil, false) == nil || b.leave(s, nil) {
		t.Error("a topic is told that posts are on their way")
	}
	if len(b.posts) != 0 || len(b.arena) != 0 {
		t.Error("posts pile up after the end")
	}
}

// What a blocked stream's messages borrow from the arena becomes their own before the arena is used again.
func TestMessagesSurviveTheirArena(t *testing.T) {
	p := openPublisher(t, Limits{}, "INITIAL_WINDOW_SIZE=0", 2)
	p.data(1, 0, message(ws.OpText, "2"))
	first := p.conn.streams.find(1).queue.first()
	if first.owner != bytesOwned || p.core.borrowed != 0 {
		t.Fatalf("after the turn the segment is owner %d, and %d are borrowed", first.owner, p.core.borrowed)
	}
	for range 100 {
		p.ask(3, "50")
		p.conn.streams.find(3).discard(false)
	}
	p.send("WINDOW_UPDATE 1 increment=4")
	p.want("the message is what was sent", `DATA 1 0x8202 "xx"`)
}
