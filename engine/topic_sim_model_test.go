package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"

	"h2ws/ws"
)

// fanTopic is a topic and what the model knows of it. Its counters are of what must be so, not
// of what the engine says.
type fanTopic struct {
	f         *fan
	n         int
	t         *Topic
	o         TopicOptions
	published uint64
	owed      uint64 // to members, as posts came to their loops
	delivered uint64 // whole messages seen on wires
	octets    uint64
	retained  []*fanMessage
	receipts  []*fanReceipt
}

// fanReceipt is a PublishThen.
type fanReceipt struct {
	done   int
	called bool // PublishThen has returned
}

// fanMessage is one message: its octets begin with its number.
type fanMessage struct {
	n     int
	p     *ws.Prepared
	topic *fanTopic  // that it is published to, or
	to    *fanSocket // that it is sent to
}

// fanSocket is one WebSocket.
type fanSocket struct {
	f      *fan
	n      int
	client *fanClient
	id     uint32
	topics []ws.Topic
	queue  *ws.QueueLimits
	stats  *ws.ConnStats // nil: not counted
	recv   int           // whole messages
	missed int           // publishes for which the mailbox had no room

	conn   *ws.Conn
	stream *stream
	closed int
	slow   bool // OnClose said ErrSlow
	begun  bool // a message had begun then
	told   int  // the turn of the last OnDrop

	// By topic:
	posted [][][]*fanMessage // for each Join on its way, what was retained
	member []bool            // as far as joins and leaves go
	expect [][]*fanMessage   // what was owed to it, in order
	got    []int             // how far in expect it is
	lost   []int             // how many of these it did not get

	direct    []*fanMessage // what was sent to it
	directGot int
}

func (k *fanSocket) String() string { return fmt.Sprintf("client %d stream %d", k.client.n, k.id) }

func (f *fan) newTopic(n int) *fanTopic {
	o := TopicOptions{
		Retain:     pick(f.r, RetainNone, RetainNone, RetainNewest, RetainPerKey),
		RetainKeys: pick(f.r, 0, 3),
		Conflate:   f.r.IntN(4) == 0,
		MaxRate:    pick[float64](f.r, 0, 0, 0, 50, 1000),
	}
	if f.gentle {
		o.LogSize, o.LogMessages = 1<<31, 1<<21
	} else {
		o.LogSize = pick(f.r, 0, 50_000, 3000)
		o.LogMessages = pick(f.r, 0, 100, 5)
		if f.r.IntN(4) == 0 {
			q := f.queue().WithDefaults()
			o.Queue = &q
		}
	}
	return &fanTopic{f: f, n: n, t: NewTopic(fmt.Sprint("topic ", n), o), o: o}
}

// newMessage is a message for topic t, or to be sent directly.
func (f *fan) newMessage(t *fanTopic) *fanMessage {
	b := make([]byte, 4+f.size())
	for i := range b {
		b[i] = byte(i + len(f.messages))
	}
	binary.BigEndian.PutUint32(b, uint32(len(f.messages)))
	p, err := ws.PrepareKeyed(ws.Binary, pick(f.r, "", "", "a", "b", "c", "d", "e"), b)
	if err != nil {
		f.failf("Prepare: %v", err)
	}
	m := &fanMessage{n: len(f.messages), p: p, topic: t}
	f.messages = append(f.messages, m)
	f.of[p] = m
	return m
}

func (f *fan) size() int {
	switch f.r.IntN(20) {
	case 0:
		return f.r.IntN(40_000)
	case 1:
		return refMin - 20 + f.r.IntN(40)
	case 2, 3, 4:
		return f.r.IntN(2000)
	}
	return f.r.IntN(100)
}

// publish publishes some messages to one topic.
func (f *fan) publish() {
	t := pick(f.r, f.topics...)
	many := 1 + f.r.IntN(4)
	if f.r.IntN(10) == 0 {
		many = f.r.IntN(50)
	}
	for range many {
		m := f.newMessage(t)
		if n := len(f.messages); n > 2 && f.r.IntN(20) == 0 && f.messages[n-2].topic == t && !t.o.Conflate {
			m = f.messages[n-2] // once more: conflated, nobody could tell which of the two arrived
		}
		t.published++
		t.retain(m)
		switch {
		case f.r.IntN(6) == 0:
			r := &fanReceipt{}
			t.receipts = append(t.receipts, r)
			t.t.PublishThen(m.p, func() { r.done++ })
			r.called = true
		case f.r.IntN(6) == 0 && len(f.sockets) > 0:
			if k := pick(f.r, f.sockets...); k.conn != nil {
				f.note("topic %d: message %d, %d octets, key %q, but not to %s", t.n, m.n, m.p.Len(), m.p.Key(), k)
				t.t.PublishExcept(m.p, k.conn)
				continue
			}
			fallthrough
		default:
			t.t.Publish(m.p)
		}
		f.note("topic %d: message %d, %d octets, key %q", t.n, m.n, m.p.Len(), m.p.Key())
	}
}

// retain is what TopicOptions.Retain says, done without wit.
func (t *fanTopic) retain(m *fanMessage) {
	switch t.o.Retain {
	case RetainNewest:
		t.retained = []*fanMessage{m}
	case RetainPerKey:
		for i, old := range t.retained {
			if old.p.Key() == m.p.Key() {
				t.retained = append(t.retained[:i], t.retained[i+1:]...)
				break
			}
		}
		t.retained = append(t.retained, m)
		if keys := t.t.options.RetainKeys; len(t.retained) > keys {
			t.retained = t.retained[1:]
		}
	}
}

func (t *fanTopic) copyRetained() []*fanMessage { return append([]*fanMessage(nil), t.retained...) }

// isMember is what must be so on k's loop now.
func (k *fanSocket) isMember(t *fanTopic) bool {
	return k.stream != nil && k.member[t.n] && !k.stream.ended() && k.client.conn.state < connLeaving
}

// foresee notes what a post is about to do.
func (k *fanCore) foresee(p *post) {
	switch p.kind {
	case postJoin:
		k.f.foreseeJoin(k.f.socketOf(p.s), k.f.topicOf(p.topic.share.topic), p.topic.retained)
	case postLeave:
		k.f.socketOf(p.s).member[k.f.topicOf(p.topic.share.topic).n] = false
	case postPublish:
		m := k.f.of[p.prepared]
		for _, s := range k.f.sockets {
			if s.client.core != k || !s.isMember(m.topic) {
				continue
			}
			if p.s == s.stream {
				k.f.seen.except++
				continue
			}
			s.owe(m)
		}
	}
}

func (f *fan) foreseeJoin(s *fanSocket, t *fanTopic, retained []*ws.Prepared) {
	want := s.posted[t.n][0]
	s.posted[t.n] = s.posted[t.n][1:]
	if len(want) != len(retained) {
		f.failf("%s: %d messages retained by topic %d, want %d", s, len(retained), t.n, len(want))
	}
	for i, p := range retained {
		if p != want[i].p {
			f.failf("%s: topic %d retains message %d where %d is due", s, t.n, f.of[p].n, want[i].n)
		}
	}
	if s.isMember(t) || s.stream.ended() || s.client.conn.state >= connLeaving {
		return
	}
	s.member[t.n] = true
	for _, m := range want {
		s.owe(m)
		f.seen.retained++
	}
}

func (k *fanSocket) owe(m *fanMessage) {
	k.expect[m.topic.n] = append(k.expect[m.topic.n], m)
	m.topic.owed++
}

func (f *fan) socketOf(s *stream) *fanSocket { return s.ws.Data().(*fanSocket) }

func (f *fan) topicOf(t *Topic) *fanTopic {
	for _, model := range f.topics {
		if model.t == t {
			return model
		}
	}
	panic("BUG: a topic from nowhere")
}

// recvMessage is a whole message on the wire: the next that is expected, or a later one.
func (k *fanSocket) recvMessage(data []byte) {
	f := k.f
	n := int(binary.BigEndian.Uint32(data))
	if n >= len(f.messages) || string(f.messages[n].p.Data()) != string(data) {
		f.failf("%s: %d octets that nobody sent: %.20x", k, len(data), data)
	}
	m := f.messages[n]
	if k.slow && !k.begun {
		f.failf("%s: message %d after it was given up as slow", k, n)
	}
	k.begun = false
	k.recv++
	if m.topic == nil {
		k.recvDirect(m)
		return
	}
	t := m.topic
	for i := k.got[t.n]; i < len(k.expect[t.n]); i++ {
		if k.expect[t.n][i] == m {
			k.got[t.n] = i + 1
			t.delivered++
			t.octets += uint64(len(m.p.Frame()))
			return
		}
		k.lost[t.n]++
	}
	f.failf("%s: message %d of topic %d is not its due, %d of %d are behind it", k, n, t.n, k.got[t.n], len(k.expect[t.n]))
}

func (k *fanSocket) recvDirect(m *fanMessage) {
	for ; k.directGot < len(k.direct); k.directGot++ {
		if k.direct[k.directGot] == m {
			k.directGot++
			return
		}
		if k.f.gentle {
			break
		}
	}
	k.f.failf("%s: message %d was not sent to it, or is late", k, m.n)
}

// fanApp is the handler of all sockets.
type fanApp struct {
	ws.Nop
	f *fan
}

func (a fanApp) OnHandshake(r *ws.Request) {
	n, err := strconv.Atoi(r.Path[1:])
	if err != nil {
		a.f.failf("handshake for %q", r.Path)
	}
	k := a.f.sockets[n]
	for _, t := range k.topics {
		model := a.f.topicOf(t.(*Topic))
		k.posted[model.n] = append(k.posted[model.n], model.copyRetained())
	}
	r.Accept(ws.AcceptOptions{Data: k, Topics: k.topics, Queue: k.queue, Stats: k.stats})
}

func (a fanApp) OnOpen(c *ws.Conn) {
	k := c.Data().(*fanSocket)
	k.conn, k.stream = c, c.Lower().(*stream)
}

func (a fanApp) OnClose(c *ws.Conn, err error) {
	k := c.Data().(*fanSocket)
	k.closed++
	a.f.note("%s: OnClose: %v", k, err)
	if errors.Is(err, ws.ErrSlow) {
		a.f.seen.slow++
		k.client.tap() // what is framed is framed
		k.slow, k.begun = true, len(k.client.find(k.id).in) > 0
	}
}

// fanDropper wants to know what was dropped.
type fanDropper struct{ fanApp }

func (a fanDropper) OnDrop(c *ws.Conn, d ws.Drop) {
	k := c.Data().(*fanSocket)
	if turn := k.client.core.turn; k.told == turn {
		a.f.failf("%s: OnDrop twice in a turn", k)
	} else {
		k.told = turn
	}
	if d.Messages+d.Conflated == 0 {
		a.f.failf("%s: OnDrop of %+v", k, d)
	}
}

// subset is any part of a list.
func subset[T any](r *rand.Rand, list []T) (part []T) {
	for _, v := range list {
		if r.IntN(2) == 0 {
			part = append(part, v)
		}
	}
	return part
}
