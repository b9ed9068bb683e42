package engine

import (
	"net"
	"strings"
	"testing"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// Found in review.

func prepared(t testing.TB, text string) *ws.Prepared {
	t.Helper()
	p, err := ws.Prepare(ws.Text, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// join makes members of sockets.
func join(t *testing.T, topic *Topic, sockets ...*ws.Conn) {
	t.Helper()
	for _, c := range sockets {
		if err := topic.Join(c); err != nil {
			t.Fatal(err)
		}
	}
}

// "Zero fields have defaults" also where a topic names the limits; a zero code can't be sent.
func TestFoundTopicQueueHasDefaults(t *testing.T) {
	p, all := openQuiet(t, Limits{}, 1)
	topic := NewTopic("", TopicOptions{Queue: &ws.QueueLimits{MaxMessages: 2}})
	join(t, topic, all...)
	p.settle()
	for range 2 {
		topic.Publish(prepared(t, strings.Repeat("x", 1000)))
		p.settle()
	}
	if s := topic.Stats(); s.Pending != 2 {
		t.Fatalf("two messages have room: %+v", s)
	}
	topic.Publish(prepared(t, "one too many"))
	p.settle()
	p.send("WINDOW_UPDATE 1 increment=100000")
	p.want("the socket is given up", `DATA 1 END_STREAM 0x880f03f0 "slow consumer"`)
}

// A loop must not look at another loop's socket, not even to see that it is no member.
func TestFoundExceptOfAnotherLoop(t *testing.T) {
	a, ofA := openQuiet(t, Limits{}, 1)
	b, ofB := openQuiet(t, Limits{}, 1)
	topic := NewTopic("", TopicOptions{})
	join(t, topic, ofA[0], ofB[0])
	a.settle()
	b.settle()
	topic.PublishExcept(prepared(t, "x"), ofA[0])
	if s := a.core.box.posts[0].s; s != ofA[0].Lower() {
		t.Errorf("its own loop is told to leave out %p", s)
	}
	if s := b.core.box.posts[0].s; s != nil {
		t.Errorf("the other loop is given %p", s)
	}
	a.settle()
	b.settle()
	if s := topic.Stats(); s.Owed != 1 || s.Pending != 1 {
		t.Errorf("%+v", s)
	}
}

// A publisher that waits for PublishThen must not wait for a loop that has ended, nor a topic keep its part of one.
func TestFoundTopicOutlivesItsLoop(t *testing.T) {
	p, all := openQuiet(t, Limits{}, 2)
	topic := NewTopic("", TopicOptions{})
	join(t, topic, all...)
	p.settle()
	done, closed := 0, p.conn.streams.find(1)
	topic.PublishThen(prepared(t, "x"), func() { done++ })
	p.conn.lose(net.ErrClosed)
	p.core.sweep()
	topic.Leave(all[0])
	topic.PublishThen(prepared(t, "y"), func() { done++ })
	sh := topic.shareOf(p.core) // a Join that finds the socket open just before it closes
	sh.wanted++
	p.core.box.join(closed, sh, nil, false)
	p.core.end()
	if done != 2 {
		t.Errorf("%d of 2 publishers are told that they may go on", done)
	}
	if err := topic.Join(all[0]); err != ws.ErrClosed {
		t.Errorf("a join after the end: %v", err)
	}
	if s := topic.Stats(); len(topic.shares) != 0 || s.Pending != 0 {
		t.Errorf("%d shares are left, %+v", len(topic.shares), s)
	}
}

type panickingDropper struct{ ws.Funcs }

func (panickingDropper) OnDrop(*ws.Conn, ws.Drop) { panic("no more") }

func TestFoundPanicInOnDrop(t *testing.T) {
	var all []*ws.Conn
	p := openTestPeer(t, Limits{Queue: ws.QueueLimits{MaxMessages: 1, Policy: ws.DropOldest}}, panickingDropper{quiet(&all)})
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	p.want("no window", "SETTINGS ACK")
	p.open(1)
	p.data(1, 0, message(ws.OpText, "cut")[:8])
	if p.conn.assembly == 0 {
		t.Fatal("nothing is held of the message that is cut")
	}
	for range 2 {
		all[0].Send(ws.Text, nil)
	}
	p.settle()
	if p.core.stats.Panics != 1 || p.conn.assembly != 0 {
		t.Errorf("%d panics; %d octets count as held", p.core.stats.Panics, p.conn.assembly)
	}
}

// A connection that stalls loses the oldest messages, as many as the log has no room for, also when another
// connection of the loop has got them all.
func TestFoundLogIsKeptForWhoFellOff(t *testing.T) {
	var all []*ws.Conn
	p := openTestPeer(t, Limits{}, quiet(&all))
	p.open(1)
	stalled := p.conn
	stalled.sendWindow.Take(65535)
	p.connect()
	p.write(frame.Preface)
	p.send("SETTINGS", "SETTINGS ACK")
	p.frames()
	p.open(1)
	topic := NewTopic("", TopicOptions{LogMessages: 3})
	join(t, topic, all...)
	p.settle()
	for _, text := range []string{"a", "b", "c", "d", "e"} {
		topic.Publish(prepared(t, text))
		p.settle()
	}
	p.want("the other connection gets everything", `DATA 1 0x8101 "a"`, `DATA 1 0x8101 "b"`, `DATA 1 0x8101 "c"`, `DATA 1 0x8101 "d"`, `DATA 1 0x8101 "e"`)
	p.conn = stalled
	p.send("WINDOW_UPDATE 0 increment=65535")
	p.want("two of five have no room", `DATA 1 0x8101 "c" 0x8101 "d" 0x8101 "e"`)
	if s := topic.Stats(); s.DroppedLog != 2 || s.Pending != 0 {
		t.Errorf("%+v", s)
	}
}

// A reference to a shared message of one octet takes as much memory as one of a mebibyte.
func TestFoundPlacesInQueuesAreMemory(t *testing.T) {
	const sockets, places = 100, 2000
	before := held.Load()
	l := Limits{MemorySize: before + int64(places*segmentSize), Queue: ws.QueueLimits{Policy: ws.Conflate}}
	p, all := openQuiet(t, l, sockets)
	topic := NewTopic("", TopicOptions{})
	join(t, topic, all...)
	for range 100 {
		topic.Publish(prepared(t, "x"))
		p.settle()
		if n := p.core.segments.used; n > places {
			t.Fatalf("%d places in queues, the limit is %d", n, places)
		}
	}
	if n := p.core.segments.used; n < places-sockets {
		t.Errorf("%d places in queues: more was dropped than the limit of %d asks for", n, places)
	}
	p.conn.lose(net.ErrClosed)
	p.settle()
	p.core.holdSegments() // as at the end of a turn
	if n := held.Load() - before; n != 0 {
		t.Errorf("%d octets are held for nobody", n)
	}
}

// A handler that publishes what Prepare refused panics, and the loop goes on.
func TestFoundPublishOfNil(t *testing.T) {
	topic := NewTopic("", TopicOptions{Retain: RetainNewest})
	h := ws.Funcs{Message: func(c *ws.Conn, m ws.Message) {
		p, _ := ws.Prepare(ws.Text, m.Data)
		topic.Publish(p)
	}}
	h.Open = func(c *ws.Conn) { topic.Join(c) }
	p := openTestPeer(t, Limits{}, h)
	p.open(1)
	p.open(3)
	p.data(1, 0, message(ws.OpBinary, "\xff"))
	p.want("it has closed its own socket", `DATA 1 END_STREAM 0x881003f3 "internal error"`)
	p.data(3, 0, message(ws.OpBinary, "x"))
	p.want("another publishes", `DATA 3 0x8101 "x"`)
	wantPanic(t, func() { topic.PublishThen(prepared(t, "x"), nil) })
}

func wantPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	f()
}

// Close comes "behind the messages sent before", those published included.
func TestFoundGoodbyeBeforeClose(t *testing.T) {
	var all []*ws.Conn
	p := openTestPeer(t, Limits{Queue: ws.QueueLimits{MaxMessages: 3}}, quiet(&all))
	p.open(1)
	p.open(3)
	topic := NewTopic("", TopicOptions{})
	join(t, topic, all...)
	p.settle()
	all[0].Send(ws.Text, []byte("1"))
	for _, text := range []string{"2", "3", "4"} {
		topic.PublishExcept(prepared(t, text), all[1])
	}
	for _, c := range all {
		c.Close(ws.CloseNormal, "")
	}
	p.settle()
	p.want("the queue has room for three", `DATA 1 0x8101 "1" 0x8101 "2" 0x8101 "3" 0x880203e8`, `DATA 3 0x880203e8`)
	if s := topic.Stats(); s.Delivered != 2 || s.DroppedEnded != 1 || s.Pending != 0 {
		t.Errorf("%+v", s)
	}
}

func TestFoundCodeThatCannotBeSent(t *testing.T) {
	p, all := openQuiet(t, Limits{Queue: ws.QueueLimits{MaxMessages: 1, Code: ws.CloseAbnormal}}, 1)
	for range 2 {
		all[0].Send(ws.Text, nil)
	}
	p.settle()
	p.send("WINDOW_UPDATE 1 increment=100000")
	p.want("the default code is", `DATA 1 END_STREAM 0x880f03f0 "slow consumer"`)
}
