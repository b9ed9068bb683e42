package engine

import (
	"bytes"
	"testing"

	"h2ws/ws"
)

// fuzzApp counts callbacks by socket and does as it is told. Its sockets are members of its topics, and queue in all
// ways there are.
type fuzzApp struct {
	t        *testing.T
	open     map[*ws.Conn]bool
	topics   []*Topic
	asked    int // opening handshakes
	pendings []*ws.Pending
	paused   []*ws.Conn
}

func newFuzzApp(t *testing.T) *fuzzApp {
	return &fuzzApp{t: t, open: map[*ws.Conn]bool{}, topics: []*Topic{
		NewTopic("plain", TopicOptions{LogSize: 1500, LogMessages: 6}),
		NewTopic("paced", TopicOptions{LogMessages: 6, Conflate: true, Retain: RetainPerKey, RetainKeys: 2, MaxRate: 4}),
	}}
}

func (a *fuzzApp) OnHandshake(r *ws.Request) {
	a.asked++
	if r.Path == "/later" {
		a.pendings = append(a.pendings, r.Defer())
		return
	}
	if transcriptHandshake(r); r.Path == "/" && r.SameOrigin() {
		r.Accept(a.accept(a.asked))
	}
}

// accept is how the n-th socket is: a member of one topic, the other, or both, with a policy.
func (a *fuzzApp) accept(n int) (o ws.AcceptOptions) {
	q := fuzzLimits.Queue
	q.Policy = ws.Policy(n % 4)
	o.Queue = &q
	for i, topic := range a.topics {
		if n%3 == 0 || n%3 == i+1 {
			o.Topics = append(o.Topics, topic)
		}
	}
	return o
}

func (a *fuzzApp) OnOpen(c *ws.Conn) {
	if _, known := a.open[c]; known {
		a.t.Error("OnOpen twice")
	}
	a.open[c] = true
	c.Send(ws.Text, []byte("welcome"))
}

func (a *fuzzApp) OnMessage(c *ws.Conn, m ws.Message) {
	if !a.open[c] {
		a.t.Error("OnMessage outside of OnOpen and OnClose")
	}
	if len(m.Data) > fuzzLimits.MessageSize {
		a.t.Errorf("a message of %d octets", len(m.Data))
	}
	if topic := a.topics[len(m.Data)%2]; len(m.Data) > 1 && m.Data[0] == '!' {
		switch m.Data[1] {
		case 'j':
			topic.Join(c)
			return
		case 'l':
			topic.Leave(c)
			return
		case 'w':
			c.Pause()
			a.paused = append(a.paused, c)
			return
		case 't':
			for c.TrySend(m.Type, m.Data) == nil {
			}
			c.AwaitDrain()
			return
		}
	}
	transcriptCommand(c, m)
}

func (a *fuzzApp) OnDrain(c *ws.Conn) {
	if !a.open[c] {
		a.t.Error("OnDrain outside of OnOpen and OnClose")
	}
	c.TrySend(ws.Text, []byte("drained"))
}

func (a *fuzzApp) OnDrop(c *ws.Conn, d ws.Drop) {
	if !a.open[c] {
		a.t.Error("OnDrop outside of OnOpen and OnClose")
	}
}

func (a *fuzzApp) OnClose(c *ws.Conn, err error) {
	if !a.open[c] {
		a.t.Error("OnClose without OnOpen, or twice")
	}
	a.open[c] = false
	if err == nil {
		a.t.Error("OnClose without a reason")
	}
	c.Send(ws.Text, []byte("too late"))
	c.Close(ws.CloseNormal, "")
	a.topics[0].Join(c)
}

// fuzzPublishMax is more than one DATA frame takes.
const fuzzPublishMax = 17_000

// publish publishes up to four messages of a size, to one of the topics, when whoever paused goes on.
func (a *fuzzApp) publish(argument int) {
	for _, c := range a.paused {
		c.Resume()
	}
	a.paused = nil
	size := []int{0, 1, 125, 126, 200, fuzzPublishMax, 20, 60}[argument&7]
	topic := a.topics[argument&1]
	for n := range argument>>3 + 1 {
		m, err := ws.PrepareKeyed(ws.Binary, string(rune('a'+(argument>>1+n)%3)), bytes.Repeat([]byte{byte(argument)}, size))
		if err != nil {
			a.t.Fatal(err)
		}
		topic.Publish(m)
	}
}

// decide decides a handshake, perhaps once more.
func (a *fuzzApp) decide(argument int) {
	if len(a.pendings) == 0 {
		return
	}
	p := a.pendings[argument>>1%len(a.pendings)]
	if argument&1 == 0 {
		p.Accept(a.accept(argument))
	} else {
		p.Reject(403, "not you")
	}
}

// check checks that every message is accounted for.
func (a *fuzzApp) check() {
	for _, topic := range a.topics {
		if s := topic.Stats(); s.Owed != s.Delivered+s.Dropped+s.Conflated+s.Pending {
			a.t.Errorf("topic %s: %+v", topic.Name(), s)
		}
	}
}

// end is called when the connection is over.
func (a *fuzzApp) end() {
	a.check()
	for _, open := range a.open {
		if open {
			a.t.Error("OnClose was not called")
		}
	}
	for _, topic := range a.topics {
		if s := topic.Stats(); s.Members != 0 || s.Pending != 0 {
			a.t.Errorf("topic %s is left with %+v", topic.Name(), s)
		}
	}
}
