package engine

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// topicPeer is a peer whose sockets name a topic in their handshakes. It hears messages, not frames.
type topicPeer struct {
	*testPeer
	topic *Topic
	all   []*ws.Conn
	rest  map[uint32][]byte // of a WebSocket frame that is not whole, by stream
	drops []string
}

// dropper tells of what was dropped.
type dropper struct {
	ws.Funcs
	p *topicPeer
}

func (d dropper) OnDrop(c *ws.Conn, drop ws.Drop) {
	d.p.drops = append(d.p.drops, fmt.Sprintf("%d %+v", d.p.idOf(c), drop))
}

// openTopic opens n sockets that are members from the beginning.
func openTopic(t *testing.T, l Limits, o TopicOptions, n int) *topicPeer {
	t.Helper()
	p := &topicPeer{topic: NewTopic("news", o), rest: make(map[uint32][]byte)}
	h := ws.Funcs{
		Handshake: func(r *ws.Request) { r.Accept(ws.AcceptOptions{Topics: []ws.Topic{p.topic}}) },
		Open:      func(c *ws.Conn) { p.all = append(p.all, c) },
		Message:   func(c *ws.Conn, m ws.Message) { p.recvWish(c, string(m.Data)) },
		Close:     func(c *ws.Conn, err error) { p.logf("%d closed", p.idOf(c)) },
	}
	p.testPeer = openTestPeer(t, l, dropper{h, p})
	for i := range n {
		p.open(uint32(2*i + 1))
	}
	return p
}

func (p *topicPeer) idOf(c *ws.Conn) uint32 { return c.Lower().(*stream).id }

// recvWish does on the loop what a message asks for.
func (p *topicPeer) recvWish(c *ws.Conn, wish string) {
	switch what, text, _ := strings.Cut(wish, " "); what {
	case "join":
		p.topic.Join(c)
	case "leave":
		p.topic.Leave(c)
	case "publish":
		p.topic.Publish(prepared(p.t, text))
	case "shout":
		p.topic.PublishExcept(prepared(p.t, text), c)
	case "close":
		c.Close(ws.CloseNormal, "")
	}
}

func (p *topicPeer) wish(id uint32, text string) {
	p.t.Helper()
	p.data(id, 0, message(ws.OpText, text))
}

// publish publishes texts in one turn. "key=..." has a key.
func (p *topicPeer) publish(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.topic.Publish(keyed(p.t, text))
	}
	p.settle()
}

func keyed(t *testing.T, text string) *ws.Prepared {
	t.Helper()
	key, _, is := strings.Cut(text, "=")
	if !is {
		key = ""
	}
	m, err := ws.PrepareKeyed(ws.Text, key, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// long is a text of n octets that begins with name.
func long(name string, n int) string { return name + strings.Repeat(".", n-len(name)) }

// unstall lets the socket take everything.
func (p *topicPeer) unstall() {
	p.room = -1
	p.conn.touch()
	p.settle()
}

// heard takes what the server has said on streams, in order: "3 text", "3 pong text", "3 close 1008", "3 end",
// "3 reset". Long texts are cut where they are filled up.
func (p *topicPeer) heard() (list []string) {
	p.t.Helper()
	for len(p.out) > 0 {
		h, n := frame.ConsumeHeader(p.out)
		if n == 0 || len(p.out) < n+int(h.Length) {
			break // the rest is still to come
		}
		payload := p.out[n : n+int(h.Length)]
		p.out = p.out[n+int(h.Length):]
		switch h.Type {
		case frame.RSTStream:
			list = append(list, fmt.Sprint(h.StreamID, " reset"))
		case frame.Data:
			list = append(list, p.messages(h.StreamID, payload)...)
			if h.Flags.Has(frame.FlagEndStream) {
				list = append(list, fmt.Sprint(h.StreamID, " end"))
			}
		}
	}
	return list
}

func (p *topicPeer) messages(id uint32, payload []byte) (list []string) {
	p.t.Helper()
	b := append(p.rest[id], payload...)
	for {
		h, n := ws.ConsumeHeader(b)
		if n == 0 || uint64(len(b)-n) < h.Length {
			break
		}
		text := string(b[n : n+int(h.Length)])
		b = b[n+int(h.Length):]
		switch h.Opcode() {
		case ws.OpPong:
			text = "pong " + text
		case ws.OpClose:
			text = fmt.Sprint("close ", uint16(text[0])<<8|uint16(text[1]))
		}
		list = append(list, fmt.Sprint(id, " ", strings.TrimRight(text, ".")))
	}
	p.rest[id] = append([]byte(nil), b...)
	return list
}

// hears compares what the server has said, in order.
func (p *topicPeer) hears(why string, lines ...string) {
	p.t.Helper()
	if got := p.heard(); !slices.Equal(got, lines) {
		p.t.Fatalf("%s:\n got %q\nwant %q", why, got, lines)
	}
}

// settled checks the topic's counters, and that they add up.
func (p *topicPeer) settled(why string, delivered, dropped, conflated, pending int) {
	p.t.Helper()
	s := p.topic.Stats()
	if int(s.Delivered) != delivered || int(s.Dropped) != dropped || int(s.Conflated) != conflated || int(s.Pending) != pending ||
		s.Owed != s.Delivered+s.Dropped+s.Conflated+s.Pending {
		p.t.Fatalf("%s: want %d delivered, %d dropped, %d conflated, %d pending: %+v", why, delivered, dropped, conflated, pending, s)
	}
}

func TestTopicJoinedInHandshake(t *testing.T) {
	topic := NewTopic("news", TopicOptions{})
	p := &topicPeer{topic: topic, rest: make(map[uint32][]byte)}
	p.testPeer = openTestPeer(t, Limits{}, ws.Funcs{
		Handshake: func(r *ws.Request) {
			r.Accept(ws.AcceptOptions{Topics: []ws.Topic{topic}})
			topic.Publish(prepared(t, "too early"))
		},
		Open: func(c *ws.Conn) { topic.Publish(prepared(t, "open")) },
	})
	topic.Publish(prepared(t, "much too early"))
	p.headers(1, 0, p.connectFields())
	topic.Publish(prepared(t, "later"))
	p.settle()
	p.hears("what was published before is not seen, and nothing is missed from OnOpen on", "1 open", "1 later")
	if topic.Len() != 1 || topic.Name() != "news" {
		t.Errorf("%d members of %q", topic.Len(), topic.Name())
	}
}

func TestTopicJoinTwiceLeaveTwice(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 2)
	join(t, p.topic, p.all[0], p.all[1], p.all[1])
	p.publish("a")
	p.hears("who joins twice is one member", "1 a", "3 a")
	p.topic.Leave(p.all[0])
	p.topic.Leave(p.all[0])
	p.publish("b")
	p.hears("who left hears nothing", "3 b")
	p.topic.Leave(p.all[1])
	p.publish("c")
	p.hears("nobody is left")
	if p.topic.Len() != 0 || p.topic.shares != nil || p.conn.feeds.Len()+len(p.conn.feedBy.all())+p.core.logs.n > 0 {
		t.Errorf("%d members, %d shares, %d feeds, %d logs", p.topic.Len(), len(p.topic.shares), len(p.conn.feedBy.all()), p.core.logs.n)
	}
	join(t, p.topic, p.all[1])
	p.publish("d")
	p.hears("one has come back", "3 d")
	p.settled("four were owed", 4, 0, 0, 0)
}

func TestTopicFromCallbacks(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 3)
	p.wish(1, "publish hello")
	p.hears("a member publishes to all", "1 hello", "3 hello", "5 hello")
	p.wish(1, "shout hey")
	p.hears("or to all others", "3 hey", "5 hey")
	p.wish(3, "leave")
	p.wish(1, "publish gone?")
	p.hears("one left", "1 gone?", "5 gone?")
	p.wish(3, "join")
	p.wish(3, "publish back")
	p.hears("and is back, at the end of the line", "1 back", "5 back", "3 back")
	p.wish(5, "close")
	p.hears("a Close is a Leave", "5 close 1000")
	p.wish(1, "publish last")
	p.hears("nothing follows a Close", "1 last", "3 last")
	p.settled("nobody lost anything", 3+2+2+3+2, 0, 0, 0)
}

func TestTopicForeignAndClosed(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 1)
	var foreign ws.Conn
	if err := p.topic.Join(&foreign); err != ErrForeignConn {
		t.Errorf("a Conn of nobody: %v", err)
	}
	p.topic.Leave(&foreign)
	p.topic.PublishExcept(prepared(t, "a"), &foreign)
	p.settle()
	p.hears("a stranger is no exception", "1 a")
	p.send("RST_STREAM 1 CANCEL")
	if err := p.topic.Join(p.all[0]); err != ws.ErrClosed {
		t.Errorf("a closed Conn: %v", err)
	}
	p.topic.Leave(p.all[0])
	p.settle()
	if p.topic.Len() != 0 || p.topic.shares != nil {
		t.Errorf("%d members, %d shares", p.topic.Len(), len(p.topic.shares))
	}
}

// stopSweep stops the sweep of a 100-octet message when n of its members' frames are in the gather or beyond.
func (p *topicPeer) stopSweep(n int, name string) {
	p.t.Helper()
	p.conn.burst = 1 // a gather for each
	p.room = (n - 1) * (frame.HeaderLen + 102)
	p.publish(long(name, 100))
	if f := feedOf(p.conn.feeds.Front()); f.next != n {
		p.t.Fatalf("%d members have it, want %d", f.next, n)
	}
}

func TestTopicMembersGoInTheMiddleOfASweep(t *testing.T) {
	ends := map[string]func(p *topicPeer, id uint32){
		"leave": func(p *topicPeer, id uint32) { p.topic.Leave(p.all[id/2]); p.settle() },
		"reset": func(p *topicPeer, id uint32) { p.send(fmt.Sprintf("RST_STREAM %d CANCEL", id)) },
		"close": func(p *topicPeer, id uint32) { p.data(id, frame.FlagEndStream, message(ws.OpClose, "\x03\xe8")) },
		"local": func(p *topicPeer, id uint32) { p.all[id/2].Close(ws.CloseNormal, ""); p.settle() },
	}
	for how, end := range ends {
		for _, goes := range [][]uint32{{1}, {7}, {9}, {11}, {19}, {1, 19}, {19, 1}, {7, 9, 11}, {1, 3, 5, 7}, {9, 11, 13, 15, 17, 19},
			{19, 17, 15, 13, 11, 9, 7, 5, 3, 1}} {
			p := openTopic(t, Limits{}, TopicOptions{}, 10)
			p.stopSweep(4, "a")
			for _, id := range goes {
				end(p, id)
			}
			p.publish("b")
			p.unstall()
			count := make(map[string]int)
			for _, line := range p.heard() {
				count[line]++
			}
			for id := uint32(1); id < 20; id += 2 {
				a, b := count[fmt.Sprint(id, " a")], count[fmt.Sprint(id, " b")]
				gone := slices.Contains(goes, id)
				if a > 1 || (a == 1) == (gone && id > 7 && how != "local") || b == 1 == gone || b > 1 {
					t.Errorf("%s of %v: stream %d gets %d times a, %d times b", how, goes, id, a, b)
				}
			}
			unserved := 0
			for _, id := range goes {
				if id > 7 && how != "local" { // our Close comes behind what was published
					unserved++
				}
			}
			p.settled(how, 10-unserved+10-len(goes), unserved, 0, 0)
			if p.topic.Len() != 10-len(goes) {
				t.Errorf("%s of %v: %d members", how, goes, p.topic.Len())
			}
		}
	}
}

func TestTopicLateMembers(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 2)
	p.room = 0
	p.publish("framed")
	p.publish("a")
	p.headers(5, 0, p.connectFields())
	p.publish("b")
	p.headers(7, 0, p.connectFields())
	p.publish("c")
	p.unstall()
	p.hears("each from its join on, though the feed is behind", "1 framed", "3 framed",
		"1 a", "3 a", "1 b", "3 b", "5 b", "1 c", "3 c", "5 c", "7 c")
	p.settled("all of it", 11, 0, 0, 0)
}

func TestTopicLateMembersLeave(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 1)
	p.room = 0
	p.publish("framed")
	p.publish("a")
	for id := uint32(3); id <= 7; id += 2 {
		p.headers(id, 0, p.connectFields())
		p.publish(fmt.Sprint("since ", id))
	}
	p.topic.Leave(p.all[2])
	p.settle()
	p.settled("two messages are lost with the second of the late", 1, 2, 0, 1+3+3+1)
	p.topic.Leave(p.all[0])
	p.publish("b")
	p.unstall()
	p.hears("only late ones are left", "1 framed", "3 since 3", "3 since 5", "3 since 7", "3 b", "7 since 7", "7 b")
}

func TestTopicPublishExcept(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 3)
	p.topic.PublishExcept(prepared(t, "a"), p.all[1])
	p.topic.Publish(prepared(t, "b"))
	p.topic.PublishExcept(prepared(t, "c"), p.all[2])
	p.settle()
	p.hears("each all but its own", "1 a", "1 b", "1 c", "3 b", "3 c", "5 a", "5 b")
	p.settled("7 were owed", 7, 0, 0, 0)
	p.topic.Leave(p.all[1])
	p.topic.PublishExcept(prepared(t, "d"), p.all[1])
	p.settle()
	p.hears("who is no member is no exception", "1 d", "5 d")
}

func TestTopicPublishThen(t *testing.T) {
	done := 0
	count := func() { done++ }
	is := func(want int, why string) {
		t.Helper()
		if done != want {
			t.Fatalf("%s: done %d times, want %d", why, done, want)
		}
	}
	p := openTopic(t, Limits{MailboxSize: 500}, TopicOptions{}, 2)
	NewTopic("", TopicOptions{}).PublishThen(prepared(t, "x"), count)
	is(1, "nobody is a member")
	p.topic.PublishThen(prepared(t, "a"), count)
	is(1, "the loop has not come by")
	p.settle()
	is(2, "framed for all")
	p.stopSweep(1, "a")
	p.topic.PublishThen(prepared(t, "b"), count)
	p.settle()
	is(2, "it waits for the connection")
	p.unstall()
	is(3, "which took it")
	p.topic.Publish(prepared(t, "fills the mailbox"))
	p.topic.PublishThen(prepared(t, strings.Repeat("x", 500)), count)
	is(4, "the mailbox has no room")
	p.settle()
	if s := p.topic.Stats(); s.DroppedMailbox != 2 || s.Owed != s.Delivered+s.Dropped {
		t.Errorf("two did not get it: %+v", s)
	}
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	p.topic.PublishThen(prepared(t, "c"), count)
	p.settle()
	is(5, "it waits in queues, the loop is through with it")
	p.stall()
	p.topic.PublishThen(prepared(t, "d"), count)
	p.settle()
	is(5, "in the log again")
	p.conn.lose(io.EOF)
	is(6, "nobody is there any more")
	p.settle()
	is(6, "once means once")
}

// stall has the socket take nothing, not even what makes it full.
func (p *topicPeer) stall() {
	p.send("SETTINGS INITIAL_WINDOW_SIZE=65535")
	p.room, p.conn.burst = 0, gatherSizeMin
	p.send("PING 0x0000000000000001")
	if len(p.testPeer.rest) == 0 {
		p.t.Fatal("the socket took it")
	}
}

func TestTopicRetain(t *testing.T) {
	for name, test := range map[string]struct {
		o    TopicOptions
		want []string
	}{
		"none":    {TopicOptions{}, nil},
		"newest":  {TopicOptions{Retain: RetainNewest}, []string{"c=3"}},
		"per key": {TopicOptions{Retain: RetainPerKey}, []string{"b=2", "none", "a=2", "c=3"}},
		"bounded": {TopicOptions{Retain: RetainPerKey, RetainKeys: 2}, []string{"a=2", "c=3"}},
	} {
		p := openTopic(t, Limits{}, test.o, 0)
		p.publish("a=1", "b=1", "c=1", "b=2", "none", "a=2", "c=2", "c=3")
		for range 40 {
			p.publish("c=3") // the list is cleared of what was replaced
		}
		p.headers(1, 0, p.connectFields())
		p.publish("d=1")
		var want []string
		for _, text := range append(test.want, "d=1") {
			want = append(want, "1 "+text)
		}
		p.hears(name+": what is retained comes first", want...)
		p.settled(name, len(want), 0, 0, 0)
	}
}

// More may be retained than a queue holds: a new member is not slow before its first message.
func TestTopicRetainsMoreThanAQueueHolds(t *testing.T) {
	p := openTopic(t, Limits{Queue: ws.QueueLimits{MaxMessages: 3}}, TopicOptions{Retain: RetainPerKey}, 0)
	for i := range 100 {
		p.publish(fmt.Sprintf("%d=", i))
	}
	p.headers(1, 0, p.connectFields())
	if got := p.heard(); len(got) != 100 || got[99] != "1 99=" {
		t.Fatalf("%d messages: %q", len(got), got)
	}
}

func TestTopicConflate(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{Conflate: true}, 2)
	p.publish("a=1", "a=2")
	p.hears("of what comes at once the newest of each key", "1 a=2", "3 a=2")
	p.stall()
	p.publish("a=1", "b=1", "x", "a=2")
	p.topic.PublishExcept(keyed(t, "a=3"), p.all[1])
	p.publish("x", "b=2", "a=4")
	p.unstall()
	p.hears("messages without a key, and those that are not for all, are neither replaced nor replace",
		"1 x", "1 a=3", "1 x", "1 b=2", "1 a=4", "3 x", "3 x", "3 b=2", "3 a=4")
	p.settled("6 conflated", 2+9, 0, 2+6, 0)
}

func TestTopicMaxRate(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{MaxRate: 10}, 2)
	p.publish("a")
	p.hears("the first goes at once", "1 a", "3 a")
	p.publish("b")
	p.publish(long("c", 10_000), long("d", 10_000))
	p.hears("the next have to wait")
	if next := p.core.nextWaiting(); next != p.core.now+100*time.Millisecond {
		t.Errorf("the loop sleeps until %v, it is %v", next, p.core.now)
	}
	p.later(99 * time.Millisecond)
	p.hears("99 ms are not enough")
	p.later(time.Millisecond)
	p.hears("together, however many frames it takes", "1 b", "1 c", "3 b", "3 c", "1 d", "3 d")
	p.publish("e")
	p.hears("100 ms more")
	p.later(100 * time.Millisecond)
	p.hears("are over", "1 e", "3 e")
	p.later(time.Hour)
	if next := p.core.nextWaiting(); next != never {
		t.Errorf("the loop sleeps until %v for nothing", next)
	}
	p.publish("f")
	p.hears("after a silence nobody waits", "1 f", "3 f")
}
