package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"h2ws/ws"
)

// What one thing costs must not grow with how many others there are. Who looks at the others panics.

func TestCostOfASocketInManyTopics(t *testing.T) {
	const topics = 1000
	r := newRig(t, ws.Funcs{}, 1)
	c := r.sockets[0]
	var all []*Topic
	for i := range topics {
		all = append(all, NewTopic(fmt.Sprint(i), TopicOptions{}))
		join(t, all[i], c)
	}
	r.turn()
	s := c.Lower().(*stream)
	more := s.others()
	saved := append([]membership(nil), more...)
	for i := range more {
		more[i].feed = nil
	}
	for range 3 {
		c.Send(ws.Text, []byte("direct"))
		all[0].Publish(prepared(t, "published"))
		r.turn()
	}
	copy(more, saved)
	if s := all[0].Stats(); s.Delivered != 3 || r.core.stats.MessagesSent != 6 {
		t.Errorf("%+v, %d messages sent", s, r.core.stats.MessagesSent)
	}
}

// A socket is crowded with its tenth topic and no more when it has left enough: its window is charged once for each
// message all the while, and no membership is taken for another.
func TestCrowdedSocket(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 2)
	p.send("SETTINGS INITIAL_WINDOW_SIZE=1000000", "WINDOW_UPDATE 0 increment=1000000")
	p.hears("windows of a million octets")
	c, sent := p.all[0], 0
	hears := func(n int) {
		t.Helper()
		sent += 102 * n
		if got := len(p.heard()); got != n {
			t.Fatalf("%d messages, want %d", got, n)
		}
		if n := window(c.Lower().(*stream)); n != 1000000-int64(sent) {
			t.Fatalf("the window is %d after %d octets", n, sent)
		}
	}
	var topics []*Topic
	publish := func() {
		t.Helper()
		for i, topic := range topics {
			topic.Publish(prepared(t, long(fmt.Sprint(i), 98)+"\n\n"))
		}
		p.settle()
		hears(len(topics))
	}
	for range 20 {
		topic := NewTopic("", TopicOptions{})
		join(t, topic, c)
		join(t, topic, c)
		topics = append(topics, topic)
		publish()
	}
	for i := 0; len(topics) > 0; i = (i + 7) % max(1, len(topics)) {
		topics[i].Leave(c)
		topics[i].Leave(c)
		topics[i].Publish(prepared(t, "to nobody"))
		topics = append(topics[:i], topics[i+1:]...)
		publish()
	}
	if n := p.topic.Len(); n != 2 {
		t.Errorf("%d members of the first topic", n)
	}
}

// A pull comes to an end, and others have their turn, however many members of a topic there are to whom nothing can be
// sent: be the batch queued for them, or they begin to lag, or are visited as they do.
func TestPullOfMembersWithoutWindows(t *testing.T) {
	const n, most = 5 * visitsTurn, visitsTurn + sliceMembers
	r, topic := newTopicRig(t, TopicOptions{Queue: &ws.QueueLimits{Policy: ws.DropOldest}}, n)
	for _, c := range r.sockets {
		s := c.Lower().(*stream)
		s.sendWindow.Take(int32(s.available()))
		s.waits()
	}
	f := r.conn.feedBy.all()[0]
	pull := func(why string, done func() int) {
		t.Helper()
		topic.Publish(prepared(t, "x"))
		r.core.deliver()
		r.gather.reset(gatherSize)
		if more := r.conn.pull(r.gather); !more || done() > most {
			t.Errorf("%s: %d of %d in one pull; more: %v", why, done(), n, more)
		}
		r.turn()
	}
	pull("queued", func() int { return r.conn.ready.Len() + r.conn.blocked.Len() })
	pull("lag", func() int { return f.lag.len() })
	for f.lag.due > f.share.log.clock+1 {
		topic.Publish(prepared(t, "x"))
		r.turn()
	}
	pull("visited", func() (visited int) {
		for i := range f.lag.list {
			if f.lag.list[i].seen == f.pos {
				visited++
			}
		}
		return visited
	})
}

// Sockets that answer have their turns though a topic of their connection always has more to be swept.
func TestDirectSendsBesideABusyTopic(t *testing.T) {
	const direct = 4 * streamsPerSlice
	r, topic := newTopicRig(t, TopicOptions{LogMessages: 1 << 16}, 10_000)
	for range 100 {
		topic.Publish(prepared(t, long("", 1000)))
	}
	for _, c := range r.sockets[:direct] {
		c.Send(ws.Text, []byte("direct"))
	}
	k := r.core
	k.deliver()
	gathers := 0
	for ; r.conn.ready.Len() > 0; gathers++ {
		r.gather.reset(gatherSize)
		r.conn.sendWindow.Grant(65535, 65535)
		r.conn.pull(r.gather)
		if r.conn.sendWindow.Available(65535) < 1<<20 {
			r.conn.sendWindow.Grant(65535, 1<<20)
		}
	}
	if want := direct/streamsPerSlice + 1; gathers > want {
		t.Errorf("%d gathers until %d have had their turn, want %d", gathers, direct, want)
	}
	if topic.Stats().Delivered == 0 {
		t.Error("the topic has had none")
	}
}

// Nor does a topic starve where each socket fills a frame.
func TestTopicBesideBusySockets(t *testing.T) {
	const direct = 4 * streamsPerSlice
	r, topic := newTopicRig(t, TopicOptions{}, direct)
	for _, c := range r.sockets {
		for range 4 {
			c.Send(ws.Binary, make([]byte, 15_000))
		}
	}
	r.core.deliver()
	topic.PublishExcept(prepared(t, "x"), r.sockets[0])
	r.core.deliver()
	f := r.conn.feedBy.all()[0]
	gathers := 0
	for ; f.slot.Linked() && f.next == 0 && f.pos == 0; gathers++ {
		r.gather.reset(gatherSize)
		r.conn.sendWindow.Grant(65535, 300_000)
		r.conn.pull(r.gather)
	}
	if gathers > 2 {
		t.Errorf("%d gathers until a topic has its turn, want 2 at most", gathers)
	}
}

// What has been delivered is not kept, be there a million topics: neither a message nor a batch of several.
func TestDeliveredMessagesAreNotKept(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 3)
	for _, texts := range [][]string{{long("a", 1000)}, {long("b", 1000), long("c", 1000)}} {
		p.publish(texts...)
		p.heard()
		if b := &p.topic.shares[0].batch; b.frame != nil {
			t.Errorf("%d octets of %d messages are kept for nobody", len(b.frame), len(texts))
		}
	}
	p.topic.PublishExcept(prepared(t, "d"), p.all[0])
	p.settle()
	b := &p.topic.shares[0].batch
	for _, s := range b.excepts[:cap(b.excepts)] {
		if s != nil {
			t.Error("a socket is kept that a message was not for")
		}
	}
}

// A turn in which very many sockets lost something does not make all later ones dear.
func TestDropsOfManyAreForgotten(t *testing.T) {
	p := openSlow(t, Limits{MaxConcurrentStreams: 2 * dropsKept, Queue: ws.QueueLimits{MaxMessages: 1, Policy: ws.DropOldest}}, TopicOptions{}, 0)
	for i := range uint32(dropsKept + 1) {
		p.headers(2*i+1, 0, p.connectFields())
	}
	p.publish("a", "b")
	if len(p.drops) != dropsKept+1 {
		t.Fatalf("%d sockets are told", len(p.drops))
	}
	if p.core.drops != nil {
		t.Error("the list of them is kept")
	}
}

// A publish does not look at the connections that still have something to be swept, be all but one of 10,000 stalled.
func TestPublishLooksAtNoStalledConnection(t *testing.T) {
	topic := NewTopic("", TopicOptions{LogMessages: 10})
	r := newRig(t, ws.Funcs{Handshake: func(q *ws.Request) { q.Accept(ws.AcceptOptions{Topics: []ws.Topic{topic}}) }}, 1)
	for range 9 {
		r.connect()
	}
	sh := topic.shares[0]
	stalled := append([]*feed(nil), sh.feeds[:9]...)
	for _, f := range stalled {
		f.conn.sendWindow.Take(int32(f.conn.sendWindow.Available(65535)))
	}
	topic.Publish(prepared(t, "wakes all"))
	r.turn()
	saved := make([]*conn, len(stalled))
	for i, f := range stalled {
		saved[i], f.conn = f.conn, nil
	}
	for range 20 {
		topic.Publish(prepared(t, "wakes one"))
		r.turn()
	}
	if s := topic.Stats(); s.Delivered != 21 || s.DroppedLog != 9*11 || s.Pending != 9*10 {
		t.Errorf("%+v", s)
	}
	for i, f := range stalled {
		f.conn = saved[i]
		f.conn.sendWindow.Grant(65535, 65535)
		f.conn.touch()
	}
	r.turn()
	if s := topic.Stats(); s.Delivered != 21+9*10 || s.Pending != 0 {
		t.Errorf("%+v", s)
	}
}

// A message that all members have got leaves the log without a look at those whose messages are counted.
func TestCostOfCountedMembers(t *testing.T) {
	topic := NewTopic("", TopicOptions{})
	r := newRig(t, ws.Funcs{Handshake: func(q *ws.Request) {
		q.Accept(ws.AcceptOptions{Topics: []ws.Topic{topic}, Stats: new(ws.ConnStats)})
	}}, 3)
	sh := topic.shares[0]
	counted := sh.feeds[0].counted
	sh.feeds[0].counted = map[*stream]struct{}{nil: {}}
	topic.Publish(prepared(t, "x"))
	r.turn()
	sh.feeds[0].counted = counted
	if s := topic.Stats(); s.Delivered != 3 || s.Pending != 0 {
		t.Errorf("%+v", s)
	}
}

// newLateRig opens n sockets on a connection that is stalled and has something to be swept.
func newLateRig(tb testing.TB, n int, stats func() *ws.ConnStats) (*rig, *Topic) {
	topic := NewTopic("", TopicOptions{})
	r := newRig(tb, ws.Funcs{Handshake: func(q *ws.Request) { q.Accept(ws.AcceptOptions{Stats: stats()}) }}, n+1)
	topic.Join(r.sockets[n])
	r.core.deliver()
	r.conn.sendWindow.Take(int32(r.conn.sendWindow.Available(65535)))
	topic.Publish(prepared(tb, "x"))
	r.core.deliver()
	return r, topic
}

// Late members that leave, in whatever order, leave the others late, and in order.
func TestLateMembersLeave(t *testing.T) {
	const n = 300
	r, topic := newLateRig(t, n, func() *ws.ConnStats { return nil })
	for i, c := range r.sockets[:n] {
		topic.Join(c)
		if i%10 == 0 {
			topic.Publish(prepared(t, fmt.Sprint(i)))
		}
	}
	r.core.deliver()
	f := r.conn.feedBy.all()[0]
	if f.late.len() != n {
		t.Fatalf("%d members are late, want %d", f.late.len(), n)
	}
	order := rand.New(rand.NewPCG(1, 2)).Perm(n)
	for i, j := range order[:n-20] {
		topic.Leave(r.sockets[j])
		r.core.deliver()
		if got := f.late.len(); got != n-i-1 || len(f.late.list) > 2*got+1 {
			t.Fatalf("%d left: %d are late, of %d places", i+1, got, len(f.late.list))
		}
	}
	owed, s := 31, topic.Stats() // for the one that was there before
	for _, j := range order[n-20:] {
		owed += 30 - (j+9)/10
	}
	if int(s.Pending) != owed || s.Members != 21 {
		t.Errorf("%d members are owed %d, want 21 and %d", s.Members, s.Pending, owed)
	}
	r.conn.sendWindow.Grant(65535, 1<<20)
	r.conn.touch()
	r.turn()
	if s := topic.Stats(); int(s.Delivered) != owed || s.Pending != 0 || f.late != nil {
		t.Errorf("want %d delivered: %+v", owed, s)
	}
}

// BenchmarkLeave has members leave in no order that joined while their connection was stalled, or whose messages are
// counted. One operation is one of them. The figures of few and of many are to be alike.
func BenchmarkLeave(b *testing.B) {
	for name, stats := range map[string]func() *ws.ConnStats{
		"late":    func() *ws.ConnStats { return nil },
		"counted": func() *ws.ConnStats { return new(ws.ConnStats) },
	} {
		for _, n := range []int{1000, 30_000} {
			r, topic := newLateRig(b, n, stats)
			order := rand.New(rand.NewPCG(1, 2)).Perm(n)
			b.Run(fmt.Sprintf("%s/members=%d", name, n), func(b *testing.B) {
				i := 0
				for b.Loop() {
					if i%n == 0 {
						b.StopTimer()
						for _, c := range r.sockets[:n] {
							topic.Join(c)
						}
						for r.core.deliver() {
						}
						b.StartTimer()
					}
					topic.Leave(r.sockets[order[i%n]])
					if i++; i%benchTurn == 0 || i%n == 0 {
						r.core.deliver()
					}
				}
			})
		}
	}
}

// BenchmarkRelieve cuts the largest of many logs in half, one in each turn. The figures of few and of many are to be alike.
func BenchmarkRelieve(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		r := newRig(b, ws.Funcs{}, n)
		r.conn.sendWindow.Take(int32(r.conn.sendWindow.Available(65535)))
		m := prepared(b, "x")
		var largest *Topic
		for _, c := range r.sockets {
			largest = NewTopic("", TopicOptions{})
			largest.Join(c)
			largest.Publish(m)
		}
		for r.core.deliver() {
		}
		b.Run(fmt.Sprintf("logs=%d", n), func(b *testing.B) {
			for b.Loop() {
				for range 3 {
					largest.Publish(m)
				}
				r.core.deliver()
				r.core.limits.MemorySize = memoryHeld() - 1
				r.core.relieve()
			}
			if s := largest.Stats(); s.DroppedLog == 0 || s.Pending > 4 {
				b.Errorf("%+v", s)
			}
		})
	}
}
