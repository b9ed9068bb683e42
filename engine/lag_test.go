package engine

import (
	"fmt"
	"io"
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// openLagging opens members without stream windows whose handler does not want to know what is dropped, and has
// each of them lag: one message waits in its queue.
func openLagging(t *testing.T, l Limits, o TopicOptions, n int) *topicPeer {
	t.Helper()
	p := openTopic(t, l, o, 0)
	p.core.endpoint = ws.NewEndpoint(ws.Funcs{
		Handshake: func(r *ws.Request) { r.Accept(ws.AcceptOptions{Topics: []ws.Topic{p.topic}}) },
		Open:      func(c *ws.Conn) { p.all = append(p.all, c) },
		Close:     func(c *ws.Conn, err error) { p.logf("%d closed", p.idOf(c)) },
	}, ws.EndpointOptions{Queue: l.Queue})
	for i := range n {
		p.headers(uint32(2*i+1), 0, p.connectFields())
	}
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	p.hears("SETTINGS")
	p.publish("0", "1")
	p.lags("with the first message that must wait", 0)
	p.publish("2")
	p.lags("with the next batch", n)
	return p
}

// lags checks how many members lag.
func (p *topicPeer) lags(why string, n int) {
	p.t.Helper()
	if got := p.conn.feedBy.find(p.topic.shares[0]).lag.len(); got != n {
		p.t.Fatalf("%s: %d members lag, want %d", why, got, n)
	}
}

// publishNumbers publishes from..to-1 in batches of one.
func (p *topicPeer) publishNumbers(from, to int) {
	for i := from; i < to; i++ {
		p.publish(fmt.Sprint(i))
	}
}

// hearsNumbers expects stream 1 to get from..to-1.
func (p *topicPeer) hearsNumbers(why string, from, to int) {
	p.t.Helper()
	var want []string
	for i := from; i < to; i++ {
		want = append(want, fmt.Sprint("1 ", i))
	}
	p.hears(why, want...)
}

// However the log stands in for the queue, what is sent in the end is what the queue would have had.
func TestLaggingMemberHasItsLimits(t *testing.T) {
	const n = 1000
	for name, test := range map[string]struct {
		queue    ws.QueueLimits
		from, to int
	}{
		"DropOldest":           {ws.QueueLimits{Policy: ws.DropOldest}, n - 256, n},
		"DropOldest by octets": {ws.QueueLimits{Policy: ws.DropOldest, MaxBytes: 501}, n - 101, n}, // of 5 octets each
		"DropOldest of two":    {ws.QueueLimits{Policy: ws.DropOldest, MaxMessages: 2}, n - 2, n},
		"DropNewest":           {ws.QueueLimits{Policy: ws.DropNewest}, 0, 256},
		"CloseSlow":            {ws.QueueLimits{MaxMessages: n}, 0, n},
	} {
		p := openLagging(t, Limits{Queue: test.queue}, TopicOptions{}, 1)
		p.publishNumbers(3, n)
		p.lags(name, 1)
		if lost, s := n-(test.to-test.from), p.topic.Stats(); int(s.DroppedQueue) > lost || int(s.DroppedQueue) < lost-lagVisit || s.Lag != 0 {
			t.Errorf("%s: %+v", name, s)
		}
		p.drain()
		p.hearsNumbers(name, test.from, test.to)
		p.settled(name, test.to-test.from, n-(test.to-test.from), 0, 0)
		p.lags(name, 0)
		if b := p.all[0].Buffered(); b != 0 || len(p.topic.shares[0].log.entries) > 0 {
			t.Errorf("%s: %d octets are buffered, %d messages in the log", name, b, len(p.topic.shares[0].log.entries))
		}
		p.publish("next")
		p.hears(name, "1 next")
	}
}

// A member that lags is given up with the message that finds its queue full, and not later.
func TestLaggingMemberIsClosedInTime(t *testing.T) {
	for max, publish := range map[int][]string{3: {"3"}, 300: {"300"}} {
		p := openLagging(t, Limits{Queue: ws.QueueLimits{MaxMessages: max}}, TopicOptions{}, 2)
		p.send("WINDOW_UPDATE 3 increment=1000000")
		p.heard()
		p.publishNumbers(3, max)
		p.heard()
		p.wantLog("there is room for all of them")
		p.publish(publish...)
		p.wantLog("and for no more", "1 closed")
		p.hears("the other goes on", fmt.Sprint("3 ", max))
		p.drain()
		p.hears("nothing else is said", "1 close 1008", "1 end")
		if s := p.topic.Stats(); int(s.DroppedQueue) != max+1 || s.DroppedEnded+s.Pending != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// A batch is no look at members that lag: who looks at one panics.
func TestCostOfLaggingMembers(t *testing.T) {
	const n, stalled = 1000, 100
	r, topic := newTopicRig(t, TopicOptions{Queue: &ws.QueueLimits{Policy: ws.DropOldest}}, n)
	var streams []*stream
	for _, c := range r.sockets[n-stalled:] {
		s := c.Lower().(*stream)
		s.sendWindow.Take(int32(s.available()))
		s.waits()
		streams = append(streams, s)
	}
	publish := func(k int) {
		for range k {
			topic.Publish(prepared(t, "x"))
			r.turn()
		}
	}
	publish(1000)
	f := r.conn.feedBy.all()[0]
	if f.lag.len() != stalled || len(f.members) != n-stalled {
		t.Fatalf("%d lag of %d", f.lag.len(), stalled)
	}
	publish(int(f.lag.due - f.share.log.clock))
	batches := int(f.lag.due - f.share.log.clock - 1)
	for _, s := range streams {
		s.conn = nil
	}
	publish(batches)
	for _, s := range streams {
		s.conn = r.conn
	}
	if batches != lagVisit-1 {
		t.Errorf("%d batches until the next visit, want %d", batches, lagVisit-1)
	}
	publish(1)
	if due := f.lag.due - f.share.log.clock; due != lagVisit {
		t.Errorf("visited, the members are due after %d, want %d", due, lagVisit)
	}
	if got := r.core.segments.used; got > 2*stalled {
		t.Errorf("%d places in queues", got)
	}
}

// What is sent directly comes behind what lags, and is dropped behind it.
func TestDirectSendToALaggingMember(t *testing.T) {
	p := openLagging(t, Limits{Queue: ws.QueueLimits{MaxMessages: 5, Policy: ws.DropOldest}}, TopicOptions{}, 1)
	p.publish("3")
	p.all[0].Send(ws.Text, []byte("direct"))
	p.settle()
	p.lags("the queue has all", 0)
	p.publishNumbers(4, 7)
	p.lags("the log has what came since", 1)
	p.drain()
	p.hears("the newest five, in order", "1 3", "1 direct", "1 4", "1 5", "1 6")
	p.settled("all of them", 4, 3, 0, 0)
}

// What was sent directly gets too old before a message that lags, which may wait.
func TestAgeBeforeALag(t *testing.T) {
	p := openLagging(t, Limits{Queue: ws.QueueLimits{MaxAge: time.Second, Policy: ws.DropOldest}, PingInterval: -1},
		TopicOptions{Queue: &ws.QueueLimits{}}, 1)
	p.drain()
	p.hearsNumbers("what lagged", 0, 3)
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	p.all[0].Send(ws.Text, []byte("direct"))
	p.settle()
	p.publish("3", "4")
	p.lags("behind what was sent", 1)
	p.later(2 * time.Second)
	p.lags("the queue has nothing else", 0)
	p.drain()
	p.hearsNumbers("it is gone", 3, 5)
	if n := p.core.stats.MessagesDiscarded; n != 1 {
		t.Errorf("%d messages are discarded", n)
	}
}

// The window opens when what was sent directly is too old already, and was all that waited before what lags.
func TestAgeBeforeALagWhenSent(t *testing.T) {
	for policy, want := range map[ws.Policy][]string{
		ws.CloseSlow:  {"1 close 1008", "1 end"},
		ws.DropNewest: {"1 3", "1 4", "1 6"},
		ws.DropOldest: {"1 3", "1 4", "1 6"},
	} {
		p := openLagging(t, Limits{Queue: ws.QueueLimits{MaxAge: time.Second, Policy: policy}, PingInterval: -1},
			TopicOptions{Queue: &ws.QueueLimits{}}, 1)
		p.drain()
		p.hearsNumbers("what lagged", 0, 3)
		p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
		p.all[0].Send(ws.Text, []byte("direct"))
		p.settle()
		p.publish("3", "4")
		p.topic.PublishExcept(prepared(t, "5"), p.all[0])
		p.publish("6")
		p.lags("behind what was sent", 1)
		p.core.now += 2 * time.Second
		p.drain()
		p.hears(policy.String(), want...)
	}
}

// A socket lags behind one of its topics. What comes from another puts what it has not got into its queue.
func TestLaggingBehindOneOfSeveralTopics(t *testing.T) {
	p := openLagging(t, Limits{}, TopicOptions{}, 1)
	other := NewTopic("", TopicOptions{})
	join(t, other, p.all[0])
	p.settle()
	for i := 3; i < 30; i += 3 {
		p.publish(fmt.Sprint(i))
		other.Publish(prepared(t, fmt.Sprint(i+1)))
		p.settle()
		p.publish(fmt.Sprint(i + 2))
	}
	s := p.all[0].Lower().(*stream)
	for _, topic := range []*Topic{p.topic, other} {
		if !s.lagging() || s.member.feed.share.topic != topic {
			t.Errorf("it does not lag behind the topic that was last")
		}
		for _, text := range []string{"30", "31"} {
			other.Publish(prepared(t, text))
			p.settle()
		}
	}
	other.Leave(p.all[0])
	p.settle()
	if s := other.Stats(); s.DroppedEnded != 3 || s.Pending != 10 {
		t.Errorf("what it lagged behind is not its due any more: %+v", s)
	}
	p.drain()
	p.heard()
	p.settled("all else is", 21, 0, 0, 0)
	if s := other.Stats(); s.Delivered != 10 || s.Pending != 0 {
		t.Errorf("%+v", s)
	}
}

// Who waits for what was published does not wait for those that lag.
func TestLaggingMemberHoldsNoReceipt(t *testing.T) {
	p := openLagging(t, Limits{}, TopicOptions{}, 1)
	done := 0
	for range 10 {
		p.topic.PublishThen(prepared(t, "x"), func() { done++ })
		p.settle()
	}
	if done != 10 {
		t.Errorf("%d of 10 are done", done)
	}
}

// A window takes from the log what has room in it, and the member lags on.
func TestLaggingMemberWithASmallWindow(t *testing.T) {
	p := openLagging(t, Limits{}, TopicOptions{}, 1)
	p.publishNumbers(3, 10)
	p.send("WINDOW_UPDATE 1 increment=12")
	p.hearsNumbers("3 octets each", 0, 4)
	p.lags("and there is more", 1)
	p.publishNumbers(10, 12)
	p.send("WINDOW_UPDATE 1 increment=18")
	p.hearsNumbers("3 octets each", 4, 10)
	p.drain()
	p.hearsNumbers("the rest", 10, 12)
	p.lags("it has got all", 0)
}

// What memory takes off the log is lost to members that lag, and the socket of one that must not lose anything.
func TestLaggingMemberFallsOffTheLog(t *testing.T) {
	for policy, want := range map[ws.Policy][]string{
		ws.CloseSlow:  {"1 close 1008", "1 end"},
		ws.DropNewest: {"1 0", "1 1", "1 98", "1 99", "1 100"},
		ws.DropOldest: {"1 0", "1 1", "1 98", "1 99", "1 100"},
	} {
		p := openLagging(t, Limits{Queue: ws.QueueLimits{Policy: policy}}, TopicOptions{}, 1)
		p.publishNumbers(3, 100)
		sh := p.topic.shares[0]
		for len(sh.log.entries) > 2 {
			sh.dropFirst()
		}
		p.publish("100")
		p.drain()
		p.hears(policy.String(), want...)
		if s := p.topic.Stats(); s.Pending != 0 || s.DroppedLog != 96 {
			t.Errorf("%v: %+v", policy, s)
		}
	}
}

// A connection is lost with all that lag, and without a look at them. The log of the others keeps nothing for them.
func TestLaggingMembersOfALostConnection(t *testing.T) {
	before := held.Load()
	p := openLagging(t, Limits{}, TopicOptions{}, 10)
	p.publishNumbers(3, 100)
	p.topic.PublishExcept(prepared(t, "100"), p.all[3])
	p.settle()
	p.all[5].Close(ws.CloseNormal, "")
	p.settle()
	p.settled("the one that closes has them in its queue", 0, 0, 0, 10*100+9)
	stalled := p.conn
	p.connect()
	p.write(frame.Preface)
	p.send("SETTINGS", "SETTINGS ACK")
	p.headers(1, 0, p.connectFields())
	p.heard()
	p.publish("101")
	p.hears("the other connection", "1 101")
	stalled.lose(io.EOF)
	p.settle()
	p.settled("all is lost", 1, 10*100+9+9, 0, 0)
	p.core.holdSegments()
	if n := held.Load() - before; n != 0 || len(p.topic.shares[0].log.entries) > 0 {
		t.Errorf("%d octets are held, %d messages in the log", n, len(p.topic.shares[0].log.entries))
	}
	for i, c := range p.all {
		if n := c.Buffered(); n != 0 {
			t.Errorf("%d octets are buffered for the %d.", n, i)
		}
	}
}
