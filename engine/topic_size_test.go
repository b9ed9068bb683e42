package engine

import (
	"runtime"
	"testing"

	"h2ws/ws"
)

// newTopicRig opens n sockets that are members of a topic.
func newTopicRig(tb testing.TB, o TopicOptions, n int) (*rig, *Topic) {
	topic := NewTopic("", o)
	r := newRig(tb, ws.Funcs{Handshake: func(q *ws.Request) { q.Accept(ws.AcceptOptions{Topics: []ws.Topic{topic}}) }}, n)
	if topic.Len() != n {
		tb.Fatalf("%d of %d are members", topic.Len(), n)
	}
	return r, topic
}

// forgetPosts lets go of the memory that lists of posts keep for the next.
func (r *rig) forgetPosts() { r.core.batch, r.core.next, r.core.box.posts = batch{}, 0, nil }

// TestAllocsFanOut: a delivery allocates nothing. A publish does, whoever gets it: the post, its place in the log
// and, where a batch has several messages, the batch.
func TestAllocsFanOut(t *testing.T) {
	type publish = func(*Topic, *ws.Prepared, *rig)
	once := func(topic *Topic, m *ws.Prepared, r *rig) { topic.Publish(m) }
	for name, test := range map[string]struct {
		o       TopicOptions
		size    int
		publish publish
		most    float64 // allocations of one publish or batch
	}{
		"64 octets":    {TopicOptions{}, 64, once, 2},
		"8 KiB":        {TopicOptions{}, 8 << 10, once, 2},
		"20 KiB":       {TopicOptions{}, 20 << 10, once, 2},
		"all but one":  {TopicOptions{}, 64, func(topic *Topic, m *ws.Prepared, r *rig) { topic.PublishExcept(m, r.sockets[3]) }, 2},
		"with receipt": {TopicOptions{}, 64, func(topic *Topic, m *ws.Prepared, r *rig) { topic.PublishThen(m, func() {}) }, 3},
		"retained":     {TopicOptions{Retain: RetainPerKey}, 64, once, 3},
		"a batch of four": {TopicOptions{}, 64, func(topic *Topic, m *ws.Prepared, r *rig) {
			for range 4 {
				topic.Publish(m)
			}
		}, 12},
	} {
		var each [2]float64
		for i, members := range []int{10, 2000} {
			r, topic := newTopicRig(t, test.o, members)
			m, err := ws.Prepare(ws.Binary, make([]byte, test.size))
			if err != nil {
				t.Fatal(err)
			}
			deliver := func() {
				test.publish(topic, m, r)
				r.turn()
			}
			for range 50 {
				deliver() // pools reach their size
			}
			before := topic.Stats()
			each[i] = testing.AllocsPerRun(100, deliver)
			if s := topic.Stats(); s.Delivered == before.Delivered || s.Pending+s.Dropped > 0 {
				t.Fatalf("%s: %+v", name, s)
			}
		}
		t.Logf("%s: %v allocations", name, each[0])
		if each[0] > test.most || each[1] > test.most {
			t.Errorf("%s: %v allocations for 10 members, %v for 2,000, want at most %v for any number", name, each[0], each[1], test.most)
		}
	}
}

// TestJoinSize: what a socket's places in topics take, beyond the socket.
func TestJoinSize(t *testing.T) {
	const sockets = 50_000
	r := newRig(t, ws.Funcs{}, sockets)
	for i, budget := range []int{20, 80, 40} { // the first place is in the stream, others in a list that doubles
		topic := NewTopic("", TopicOptions{})
		before := objects()
		for j, c := range r.sockets {
			if err := topic.Join(c); err != nil {
				t.Fatal(err)
			}
			if j%1000 == 999 {
				r.turn()
			}
		}
		r.forgetPosts()
		each := int(objects().HeapAlloc-before.HeapAlloc) / sockets
		t.Logf("%d octets per member of topic %d", each, i+1)
		if topic.Len() != sockets || each > budget {
			t.Errorf("%d members of topic %d take %d octets each, want at most %d", topic.Len(), i+1, each, budget)
		}
		runtime.KeepAlive(topic)
	}
	runtime.KeepAlive(r)
}

// TestSmallTopicSize: a million topics with a few members are as much in order as one topic with a million: what there
// is of a topic without members, of its first on a loop, and of one more on the same connection. Every socket is in three.
func TestSmallTopicSize(t *testing.T) {
	const topics = 20_000
	r := newRig(t, ws.Funcs{}, topics)
	list := make([]*Topic, topics)
	turn := func() {
		r.turn()
		r.forgetPosts()
	}
	join := func(next int) func(int) {
		return func(i int) {
			if err := list[i].Join(r.sockets[(i+next)%topics]); err != nil {
				t.Fatal(err)
			}
		}
	}
	m, err := ws.Prepare(ws.Binary, make([]byte, 64))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		what   string
		each   func(int)
		budget int
	}{
		{"a topic", func(i int) { list[i] = NewTopic("", TopicOptions{}) }, 280},
		{"its first member", join(0), 600},
		{"the second", join(1), 80},
		{"the third", join(2), 80},
		{"a message, delivered", func(i int) { list[i].Publish(m) }, 80},
	} {
		before := objects()
		for i := range list {
			test.each(i)
			if i%1000 == 999 {
				turn()
			}
		}
		turn()
		each := int(int64(objects().HeapAlloc)-int64(before.HeapAlloc)) / topics
		t.Logf("%s: %d octets", test.what, each)
		if each > test.budget {
			t.Errorf("%s takes %d octets, want at most %d", test.what, each, test.budget)
		}
	}
	if s := list[topics-1].Stats(); s.Delivered != 3 || s.Pending != 0 {
		t.Errorf("%+v", s)
	}
	r.conn.lose(ws.ErrConnLost)
	turn()
	for _, topic := range list {
		if topic.shares != nil || topic.Len() != 0 {
			t.Fatalf("left: %d shares, %d members", len(topic.shares), topic.Len())
		}
	}
	if n := r.core.logs.n; n != 0 {
		t.Errorf("%d logs are left", n)
	}
}
