package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// openSlow opens members that have no stream window, so that everything goes to their queues.
func openSlow(t *testing.T, l Limits, o TopicOptions, n int) *topicPeer {
	t.Helper()
	p := openTopic(t, l, o, n)
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	p.hears("SETTINGS")
	return p
}

// drain opens all windows.
func (p *topicPeer) drain() {
	p.t.Helper()
	p.send("SETTINGS INITIAL_WINDOW_SIZE=1000000", "WINDOW_UPDATE 0 increment=1000000")
}

func TestPolicies(t *testing.T) {
	publish := []string{"a=1", "b=1", "a=2", "x", "a=3", "b=2"}
	for name, test := range map[string]struct {
		policy             ws.Policy
		want               []string
		dropped, conflated int
	}{
		"CloseSlow":  {ws.CloseSlow, []string{"close 1008", "end"}, 6, 0}, // three in the queue, the rest of the batch
		"DropNewest": {ws.DropNewest, []string{"a=1", "b=1", "a=2"}, 3, 0},
		"DropOldest": {ws.DropOldest, []string{"x", "a=3", "b=2"}, 3, 0},
		"Conflate":   {ws.Conflate, []string{"x", "a=3", "b=2"}, 0, 3},
	} {
		limits := ws.QueueLimits{MaxMessages: 3, Policy: test.policy}
		open := map[string]func() *topicPeer{
			"server": func() *topicPeer { return openSlow(t, Limits{Queue: limits}, TopicOptions{}, 1) },
			"topic":  func() *topicPeer { return openSlow(t, Limits{}, TopicOptions{Queue: &limits}, 1) },
			"accept": func() *topicPeer {
				p := openSlow(t, Limits{}, TopicOptions{}, 0)
				h := ws.Funcs{
					Handshake: func(r *ws.Request) { r.Accept(ws.AcceptOptions{Topics: []ws.Topic{p.topic}, Queue: &limits}) },
					Close:     func(*ws.Conn, error) { p.logf("1 closed") },
				}
				p.core.endpoint = ws.NewEndpoint(h, ws.EndpointOptions{})
				p.headers(1, 0, p.connectFields())
				return p
			},
		}
		for where, open := range open {
			t.Run(name+" of the "+where, func(t *testing.T) {
				p := open()
				p.t = t
				p.publish(publish...)
				if test.policy == ws.CloseSlow {
					p.wantLog("OnClose does not wait for the peer", "1 closed")
				}
				left := len(publish) - test.dropped - test.conflated
				p.settled("before", 0, test.dropped, test.conflated, left)
				p.drain()
				var want []string
				for _, text := range test.want {
					want = append(want, "1 "+text)
				}
				p.hears("what is left", want...)
				p.settled("after", left, test.dropped, test.conflated, 0)
			})
		}
	}
}

func TestPolicyAtMaxBytes(t *testing.T) {
	for policy, want := range map[ws.Policy][]string{
		ws.CloseSlow:  {"1 close 1008", "1 end"},
		ws.DropNewest: {"1 a", "1 b"},
		ws.DropOldest: {"1 b", "1 c"}, // with 60 of 100 there is room for one of any size
	} {
		p := openSlow(t, Limits{Queue: ws.QueueLimits{MaxBytes: 100, Policy: policy}}, TopicOptions{}, 1)
		p.publish(long("a", 58), long("b", 58), long("c", 98))
		p.drain()
		p.hears(policy.String(), want...)
	}
}

// Each member has limits of its own: the slow one alone is given up, in the middle of a sweep.
func TestCloseSlowHarmsNoOther(t *testing.T) {
	p := openTopic(t, Limits{Queue: ws.QueueLimits{MaxMessages: 1}}, TopicOptions{}, 5)
	p.send("SETTINGS INITIAL_WINDOW_SIZE=10")
	for _, id := range []int{1, 5, 7, 9} {
		p.send(fmt.Sprintf("WINDOW_UPDATE %d increment=1000", id))
	}
	p.hears("the third has a window of 10")
	p.publish(long("a", 50))
	p.hears("it must wait", "1 a", "5 a", "7 a", "9 a")
	p.publish(long("b", 50))
	p.hears("and is given up; the last takes its place", "1 b", "9 b", "5 b", "7 b")
	p.publish("c")
	p.hears("is a member no more", "1 c", "9 c", "5 c", "7 c")
	p.send("WINDOW_UPDATE 3 increment=1000")
	p.hears("and hears nothing but the Close", "3 close 1008", "3 end")
	p.settled("two for it", 12, 2, 0, 0)
	if s := p.topic.Stats(); s.DroppedQueue != 2 || p.core.stats.SocketsSlow != 1 {
		t.Errorf("%+v, %d slow", s, p.core.stats.SocketsSlow)
	}
}

// A message that has begun is finished, whatever the policy.
func TestBegunMessagesAreFinished(t *testing.T) {
	for policy, want := range map[ws.Policy][]string{
		ws.CloseSlow:  {"1 begun", "1 close 1008", "1 end"},
		ws.DropNewest: {"1 begun", "1 k=1"},
		ws.DropOldest: {"1 begun", "1 k=4"},
		ws.Conflate:   {"1 begun", "1 k=4"},
	} {
		p := openSlow(t, Limits{Queue: ws.QueueLimits{MaxMessages: 2, Policy: policy}}, TopicOptions{}, 1)
		p.publish(long("begun", 5000))
		p.send("WINDOW_UPDATE 1 increment=2000")
		p.wantData("its beginning", "1:2000")
		p.rest[1] = append([]byte{0x81, 126, 0x13, 0x88}, long("begun", 5000)[:1996]...)
		p.publish("k=1", "k=2", "k=3", "k=4")
		p.drain()
		p.hears(policy.String(), want...)
	}
}

func TestMaxAge(t *testing.T) {
	for name, test := range map[string]struct {
		policy ws.Policy
		want   []string
	}{
		"CloseSlow":  {ws.CloseSlow, []string{"1 close 1008", "1 end"}},
		"DropNewest": {ws.DropNewest, []string{"1 c"}}, // which is not the age's fault
		"DropOldest": {ws.DropOldest, []string{"1 c"}},
		"Conflate":   {ws.Conflate, []string{"1 c"}},
	} {
		p := openSlow(t, Limits{Queue: ws.QueueLimits{MaxAge: time.Second, Policy: test.policy}, PingInterval: -1}, TopicOptions{}, 1)
		p.publish("a")
		p.later(time.Second / 2)
		p.publish("b")
		if d := p.conn.deadline(); d != p.core.now+time.Second/2+1 {
			t.Errorf("%s: due at %v, it is %v", name, d, p.core.now)
		}
		p.later(time.Second / 2)
		p.settled(name+": a second is not too long", 0, 0, 0, 2)
		p.later(1)
		if test.policy == ws.CloseSlow {
			p.settled(name+": all is lost with the socket", 0, 2, 0, 0)
		} else {
			p.settled(name+": the first is too old", 0, 1, 0, 1)
			p.later(time.Hour)
			p.settled(name+": the second too", 0, 2, 0, 0)
			p.publish("c")
		}
		p.drain()
		p.hears(name, test.want...)
	}
}

// A message that is too old is not sent, though one waits before it that may wait for ever.
func TestMaxAgeBehindAMessageWithout(t *testing.T) {
	for policy, want := range map[ws.Policy][]string{
		ws.CloseSlow:  {"1 close 1008", "1 end"},
		ws.DropNewest: {"1 a", "1 d"},
		ws.DropOldest: {"1 a", "1 d"},
	} {
		p := openSlow(t, Limits{PingInterval: -1}, TopicOptions{}, 1)
		aged := NewTopic("", TopicOptions{Queue: &ws.QueueLimits{MaxAge: time.Second, Policy: policy}})
		join(t, aged, p.all[0])
		p.publish("a")
		for _, text := range []string{"b", "c"} {
			aged.Publish(prepared(t, text))
			p.settle()
		}
		p.later(2 * time.Second)
		aged.Publish(prepared(t, "d"))
		p.settle()
		p.drain()
		p.hears(policy.String(), want...)
		if s := aged.Stats(); s.Pending != 0 || s.DroppedQueue < 2 {
			t.Errorf("%v: %+v", policy, s)
		}
	}
}

// A message that waits behind one that has begun ages by itself.
func TestMaxAgeBehindABegunMessage(t *testing.T) {
	p := openSlow(t, Limits{Queue: ws.QueueLimits{MaxAge: time.Second, Policy: ws.DropOldest}}, TopicOptions{}, 1)
	p.publish(long("begun", 5000))
	p.send("WINDOW_UPDATE 1 increment=2000")
	p.later(2 * time.Second)
	p.publish("a")
	p.later(time.Second / 2)
	p.publish("b")
	p.settled("neither is too old", 0, 0, 0, 3)
	p.later(time.Second/2 + 1)
	p.settled("the first is", 0, 1, 0, 2)
	p.drain()
	p.hears("what is left", "1 begun", "1 b")
}

// However many streams wait, each comes to its age, a bounded number in a turn.
func TestMaxAgeOfManyStreams(t *testing.T) {
	const members = 2*visitsTurn + 100
	limits := ws.QueueLimits{MaxAge: time.Second, Policy: ws.DropOldest}
	p := openTopic(t, Limits{MaxConcurrentStreams: members, Queue: limits}, TopicOptions{}, 0)
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	for i := range uint32(members) {
		p.headers(2*i+1, 0, p.connectFields())
	}
	p.out = nil
	p.publish("a")
	p.settled("nobody has a window", 0, 0, 0, members)
	p.later(time.Second + 1)
	p.settled("as many as one turn visits", 0, visitsTurn, 0, members-visitsTurn)
	p.later(agesPause)
	p.later(agesPause)
	p.settled("all", 0, members, 0, 0)
	p.later(agesPause)
	if d := p.conn.deadline(); d < p.core.now+time.Second {
		t.Errorf("due at %v though nobody waits, it is %v", d, p.core.now)
	}
}

// What is first after a drop may fit a window that it did not fit before.
func TestDroppedMessageUnblocks(t *testing.T) {
	p := openSlow(t, Limits{Queue: ws.QueueLimits{MaxMessages: 2, Policy: ws.DropOldest}}, TopicOptions{}, 2)
	p.publish(long("large", 500), "a")
	p.send("WINDOW_UPDATE 1 increment=10")
	p.hears("ten octets are too few")
	p.publish("b")
	p.hears("the large one is gone", "1 a", "1 b")
	p.checkRings()
}

// A socket that drops and still has no window keeps its place: to give it a turn each time would be a walk to it and
// its neighbours on the ring, out of every cache, for each message of every socket that is stalled.
func TestDropWithoutAWindowGivesNoTurn(t *testing.T) {
	p := openSlow(t, Limits{Queue: ws.QueueLimits{MaxMessages: 2, Policy: ws.DropOldest}}, TopicOptions{}, 3)
	p.publish("a", "b")
	first := p.conn.blocked.Front()
	if err := p.all[0].Send(ws.Text, []byte("c")); err != nil {
		t.Fatal(err)
	}
	p.settle()
	if streamOf(first).id != 1 || p.conn.blocked.Front() != first {
		t.Errorf("stream %d is first, was stream %d", streamOf(p.conn.blocked.Front()).id, streamOf(first).id)
	}
	p.drain()
	p.hears("all that is left", "1 b", "1 c", "3 a", "3 b", "5 a", "5 b")
	p.checkRings()
}

func TestControlFramesAreNotDropped(t *testing.T) {
	for _, policy := range []ws.Policy{ws.DropNewest, ws.DropOldest, ws.Conflate} {
		p := openSlow(t, Limits{Queue: ws.QueueLimits{MaxMessages: 2, Policy: policy}}, TopicOptions{}, 1)
		p.publish("k=1", "k=2")
		p.data(1, 0, message(ws.OpPing, "there?"))
		p.publish("k=3", "k=4", "k=5", "x", "y", "z")
		p.all[0].Close(4000, "")
		p.publish("w")
		p.drain()
		got := p.heard()
		if got[0] != "1 pong there?" || got[len(got)-1] != "1 close 4000" || len(got) != 4 {
			t.Errorf("%v: %q", policy, got)
		}
	}
}

// The keys of topics, and of what is sent directly, have nothing to do with each other.
func TestConflateWithinATopic(t *testing.T) {
	p := openSlow(t, Limits{Queue: ws.QueueLimits{Policy: ws.Conflate}}, TopicOptions{}, 1)
	other := NewTopic("", TopicOptions{})
	join(t, other, p.all[0])
	for i := range 3 {
		p.topic.Publish(keyed(t, fmt.Sprint("k=topic", i)))
		other.Publish(keyed(t, fmt.Sprint("k=other", i)))
		p.all[0].SendPrepared(keyed(t, fmt.Sprint("k=direct", i)))
		p.settle()
	}
	p.drain()
	got := p.heard()
	slices.Sort(got)
	if want := []string{"1 k=direct2", "1 k=other2", "1 k=topic2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want the newest of each", got)
	}
	p.settled("two of three", 1, 0, 2, 0)
}

// A join waits in the mailbox as a message does, and a full one refuses it; a handshake's is not refused.
func TestFullMailboxRefusesJoins(t *testing.T) {
	p := openTopic(t, Limits{MailboxSize: 3 * postSize}, TopicOptions{}, 1)
	topic := NewTopic("", TopicOptions{})
	joined := 0
	for range 10 {
		err := topic.Join(p.all[0])
		if joined++; err != nil {
			if err != ErrMailboxFull {
				t.Errorf("the %d. join: %v", joined, err)
			}
			break
		}
	}
	if joined != 5 {
		t.Errorf("the %d. join is refused, want the fifth", joined)
	}
	p.open(3)
	p.settle()
	if topic.Len() != 1 || p.topic.Len() != 2 {
		t.Errorf("%d and %d members", topic.Len(), p.topic.Len())
	}
	topic.Leave(p.all[0])
	p.settle()
	if topic.Len() != 0 || topic.shares != nil {
		t.Errorf("%d members, %d shares", topic.Len(), len(topic.shares))
	}
}

func TestOnDropIsCoalesced(t *testing.T) {
	p := openSlow(t, Limits{Queue: ws.QueueLimits{MaxMessages: 2, Policy: ws.Conflate}}, TopicOptions{}, 2)
	p.publish("a=1", "b=1", "a=2", "a=3", "x", "y")
	slices.Sort(p.drops)
	if got := strings.Join(p.drops, "; "); got != "1 {Messages:2 Octets:10 Conflated:2}; 3 {Messages:2 Octets:10 Conflated:2}" {
		t.Errorf("once for each: %s", got)
	}
	p.drops = nil
	p.publish("z")
	slices.Sort(p.drops)
	if got := strings.Join(p.drops, "; "); got != "1 {Messages:1 Octets:3 Conflated:0}; 3 {Messages:1 Octets:3 Conflated:0}" {
		t.Errorf("only what is new: %s", got)
	}
}

func TestLogIsBounded(t *testing.T) {
	for name, o := range map[string]TopicOptions{
		"LogMessages": {LogMessages: 10},
		"LogSize":     {LogSize: 1000},
	} {
		p := openTopic(t, Limits{}, o, 3)
		p.stall()
		base := held.Load()
		for i := range 1000 {
			p.publish(long(fmt.Sprint(i), 98))
			sh := p.topic.shares[0]
			if len(sh.log.entries) > 10 || sh.log.octets > 1000 || held.Load()-base > int64(1000+10*entrySize) {
				t.Fatalf("%s: %d messages, %d octets, held %d", name, len(sh.log.entries), sh.log.octets, held.Load()-base)
			}
		}
		p.settled(name+": ten are kept, as long as nobody can go on", 0, 3*990, 0, 3*10)
		if s := p.topic.Stats(); s.DroppedLog != 3*990 {
			t.Errorf("%+v", s)
		}
		p.unstall()
		if got := p.heard(); len(got) != 30 || got[0] != "1 990" || got[29] != "5 999" {
			t.Errorf("%s: the last ten for each: %q", name, got)
		}
		p.settled(name+": and go on", 30, 3*990, 0, 0)
		slices.Sort(p.drops)
		if got := strings.Join(p.drops, "; "); got != "1 {Messages:990 Octets:0 Conflated:0}; 3 {Messages:990 Octets:0 Conflated:0}; 5 {Messages:990 Octets:0 Conflated:0}" {
			t.Errorf("%s: members are told: %s", name, got)
		}
	}
}

// One message is never too large for a log.
func TestMessageLargerThanTheLog(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{LogSize: 100}, 2)
	p.publish(long("a", 1000))
	p.hears("both get it", "1 a", "3 a")
}

// A batch whose beginning fell off the log can't go on: who has it has it, the others lose the rest of it as well.
func TestBatchFallsOffTheLog(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{LogMessages: 3}, 4)
	p.stall()
	p.publish("a", "b", "c")
	p.conn.burst = 1
	p.room = frame.HeaderLen + 8 // the PING
	p.conn.touch()
	p.settle() // the first member's frame is in the gather
	p.publish("d")
	p.unstall()
	p.hears("the batch is over", "1 a", "1 b", "1 c", "1 d", "3 d", "5 d", "7 d")
	p.settled("3 lost 3", 7, 9, 0, 0)
}

// The loss of a stalled connection is counted without a look at its members, however many.
func TestLossIsCountedAtOnce(t *testing.T) {
	const members = 100_000
	topic := NewTopic("", TopicOptions{LogMessages: 1})
	h := ws.Funcs{Handshake: func(r *ws.Request) { r.Accept(ws.AcceptOptions{Topics: []ws.Topic{topic}}) }}
	r := newRig(t, h, members)
	r.conn.sendWindow.Take(int32(r.conn.sendWindow.Available(65535))) // stalled
	m := prepared(t, "x")
	sh := topic.shares[0]
	visits := 0
	for _, s := range r.conn.streams.streams {
		if s != nil {
			s.conn = nil // who looks at a member panics
			visits++
		}
	}
	for range 1000 {
		sh.publish(m, nil, nil)
	}
	if s := topic.Stats(); s.DroppedLog != 999*members || s.Pending != members || visits != members {
		t.Errorf("%+v", s)
	}
	sh.gone()
}

func TestMemoryIsRelieved(t *testing.T) {
	base := held.Load()
	limits := Limits{MemorySize: base + 10*int64(1000+entrySize), Queue: ws.QueueLimits{MaxBytes: 1 << 20, MaxMessages: 1 << 20, Policy: ws.DropOldest}}
	p := openTopic(t, limits, TopicOptions{}, 1)
	small := NewTopic("small", TopicOptions{})
	join(t, small, p.all...)
	p.settle()
	p.stall()
	for i := range 8 {
		p.publish(long(fmt.Sprint(i), 996))
	}
	small.Publish(prepared(t, long("small", 996)))
	p.settle()
	p.settled("it fits", 0, 0, 0, 8)
	p.publish(long("8", 996))
	p.settled("it fits exactly", 0, 0, 0, 9)
	p.publish(long("9", 996))
	p.settled("the largest log is cut in half", 0, 5, 0, 5)
	if s := small.Stats(); s.Pending != 1 || p.core.stats.MemoryReliefs != 1 {
		t.Errorf("the smaller is spared: %+v, %d reliefs", s, p.core.stats.MemoryReliefs)
	}
	p.unstall()
	p.hears("the newer half", "1 5", "1 6", "1 7", "1 8", "1 9", "1 small")
	if held.Load() != base {
		t.Errorf("%d octets are held for nobody", held.Load()-base)
	}
}

// The largest backlog first: by the policy of each of its sockets, the begun message excepted.
func TestMemoryOfQueuesIsRelieved(t *testing.T) {
	for policy, want := range map[ws.Policy][]string{
		ws.CloseSlow:  {"1 begun", "1 close 1008", "1 end"},
		ws.DropNewest: {"1 begun", "1 more"},
		ws.DropOldest: {"1 begun", "1 more"},
	} {
		base := held.Load()
		limits := Limits{MemorySize: base + 10_000, Queue: ws.QueueLimits{MaxBytes: 1 << 20, Policy: policy}}
		p := openSlow(t, limits, TopicOptions{}, 1)
		p.publish(long("begun", 4000))
		p.send("WINDOW_UPDATE 1 increment=1500")
		p.publish(long("a", 3000))
		p.all[0].Send(ws.Text, []byte(long("b", 2000)))
		p.settle()
		p.settled(policy.String()+": it fits", 0, 0, 0, 2)
		p.publish(long("c", 2000))
		if held.Load()-base > 10_000 {
			t.Errorf("%v: %d octets are held", policy, held.Load()-base)
		}
		p.settled(policy.String()+": all that has not begun", 0, 2, 0, 1)
		p.publish("more")
		p.drain()
		p.hears(policy.String(), want...)
		if held.Load() != base {
			t.Errorf("%v: %d octets are held for nobody", policy, held.Load()-base)
		}
	}
}
