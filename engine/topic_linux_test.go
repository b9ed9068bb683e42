package engine_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// Publish, Join, Leave, Close and Stats are for any goroutine at any time. Here many use them on the same topics and
// sockets, while peers open, close, reset and vanish. Of one publisher a member hears what is published
// to a topic in order; of a topic that it joined in its handshake and does not leave, without a gap.

// lobby is the topics of a test. The first is never left, and joined in the handshake only.
type lobby []*engine.Topic

func newLobby(n int, o engine.TopicOptions) (l lobby) {
	for i := range n {
		l = append(l, engine.NewTopic(fmt.Sprint(i), o))
	}
	return l
}

// handler joins all topics.
func (l lobby) handler() ws.Funcs {
	return ws.Funcs{
		Handshake: func(r *ws.Request) {
			var topics []ws.Topic
			for _, t := range l {
				topics = append(topics, t)
			}
			r.Accept(ws.AcceptOptions{Topics: topics})
		},
		Message: func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) },
	}
}

// checkGone checks that the accounts are closed, after the last member is gone.
func (l lobby) checkGone(t *testing.T) {
	for _, topic := range l {
		if s := topic.Stats(); s.Members != 0 || s.Pending != 0 || s.Owed != s.Delivered+s.Dropped+s.Conflated {
			t.Errorf("topic %s: %+v", topic.Name(), s)
		}
	}
}

// publish sends numbered messages to all topics, at the pace of the slowest loop, until told to stop.
func (l lobby) publish(t *testing.T, name int, random *rand.Rand, socket func() *ws.Conn, stop *atomic.Bool) {
	numbers := make([]int, len(l))
	done := make(chan struct{}, 1)
	for turn := 0; !stop.Load(); turn++ {
		at := random.IntN(len(l))
		m, err := ws.Prepare(ws.Text, fmt.Appendf(nil, "%d %d %d", name, at, numbers[at]))
		if err != nil {
			t.Error(err)
			return
		}
		numbers[at]++
		switch c := socket(); {
		case turn%8 == 7:
			l[at].PublishThen(m, func() { done <- struct{}{} })
			<-done
		case at > 0 && c != nil && turn%8 == 3:
			l[at].PublishExcept(m, c)
		default:
			l[at].Publish(m)
		}
		if s := l[at].Stats(); s.Pending > s.Owed || l[at].Len() < 0 {
			t.Errorf("topic %d: %+v", at, s)
		}
	}
}

// member is a peer that hears what is published, and does what chaoticPeer does.
type member struct {
	*client
	random *rand.Rand
	open   []uint32
	next   map[[3]int]int // by stream, publisher and topic: the least number that may come next
}

func (m *member) turn() error {
	if len(m.open) < 4 {
		m.open = append(m.open, m.begin("/"))
	}
	at := m.random.IntN(len(m.open))
	id := m.open[at]
	switch m.random.IntN(60) {
	case 0:
		m.close(id, frame.FlagEndStream, ws.CloseNormal)
		m.open = append(m.open[:at], m.open[at+1:]...)
	case 1:
		m.out = frame.AppendRSTStream(m.out, id, frame.Cancel)
		m.open = append(m.open[:at], m.open[at+1:]...)
	default:
		m.message(id, "-1 0 0")
	}
	for more := true; more; more = len(m.news) > 0 {
		h, err := m.hear()
		if err != nil {
			return nil // the server may close
		}
		if err := m.check(h); err != nil {
			return err
		}
	}
	return nil
}

func (m *member) check(h heard) error {
	switch h.what {
	case "message":
		var from, topic, number int
		if _, err := fmt.Sscan(h.text, &from, &topic, &number); err != nil {
			return fmt.Errorf("heard %v: %w", h, err)
		}
		key := [3]int{int(h.id), from, topic}
		next, known := m.next[key]
		if from >= 0 && (number < next || known && topic == 0 && number != next) {
			return fmt.Errorf("stream %d: message %d of publisher %d to topic %d, want %d", h.id, number, from, topic, next)
		}
		m.next[key] = number + 1
	case "close":
		if at := indexOf(m.open, h.id); at >= 0 {
			m.open = append(m.open[:at], m.open[at+1:]...)
			m.close(h.id, frame.FlagEndStream, ws.CloseCode(h.code))
		}
	}
	return nil
}

func TestConcurrentPublishers(t *testing.T) {
	const publishers, movers, peers, lives, turns = 3, 3, 4, 4, 1000
	l := newLobby(4, engine.TopicOptions{})
	r := serve(t, &engine.Server{Handler: l.handler(), Loops: 3, Limits: engine.Limits{Queue: ws.QueueLimits{MaxBytes: 1 << 20, MaxMessages: 1 << 16}}})
	t.Cleanup(func() { r.Close(); l.checkGone(t) })
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	var stop atomic.Bool
	var working, receiving sync.WaitGroup
	for i := range publishers {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		working.Go(func() { l.publish(t, i, random, r.anySocket(random), &stop) })
	}
	for i := range movers {
		random := rand.New(rand.NewPCG(seed, uint64(100+i)))
		working.Go(func() {
			for socket := r.anySocket(random); !stop.Load(); runtime.Gosched() {
				l.move(t, random, socket())
			}
		})
	}
	for i := range peers {
		receiving.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(1000+i)))
			for life := range lives {
				m := &member{client: r.dial(), random: random, next: make(map[[3]int]int)}
				for range turns {
					if err := m.turn(); err != nil {
						t.Error(err)
					}
				}
				if life%2 == 0 {
					m.cut()
				}
				m.nc.Close()
			}
		})
	}
	receiving.Wait()
	stop.Store(true)
	working.Wait()
	for _, topic := range l {
		s := topic.Stats()
		t.Logf("%+v", s)
		if s.Delivered == 0 || s.DroppedLog+s.DroppedMailbox+s.DroppedQueue > 0 {
			t.Errorf("topic %s: publishers that wait for their loops lose nothing: %+v", topic.Name(), s)
		}
	}
}

// anySocket returns a function that returns one of the sockets opened so far, of which it asks now and then; nil: none.
func (r *running) anySocket(random *rand.Rand) func() *ws.Conn {
	var list []*ws.Conn
	calls := 0
	return func() *ws.Conn {
		if calls%100 == 0 {
			list = r.sockets()
		}
		if len(list) == 0 {
			return nil
		}
		calls++
		return list[random.IntN(len(list))]
	}
}

// move has c join or leave a topic that may be left, or closes it.
func (l lobby) move(t *testing.T, random *rand.Rand, c *ws.Conn) {
	topic := l[1+random.IntN(len(l)-1)]
	switch n := random.IntN(300); {
	case c == nil:
	case n == 0:
		c.Close(4000, "")
	case n < 150:
		topic.Leave(c)
	default:
		if err := topic.Join(c); err != nil && err != ws.ErrClosed {
			t.Errorf("Join: %v", err)
		}
	}
}

// A connection that does not read costs what the budget says, however much is published, and nobody else anything. When
// it reads again it hears the newest, whole and in order.
func TestTopicOfAPeerThatDoesNotRead(t *testing.T) {
	const sockets, messages, size, budget = 10, 10_000, 8 << 10, 4 << 20 // 78 MiB
	l := newLobby(1, engine.TopicOptions{LogSize: 64 << 20, LogMessages: 1 << 20})
	r := serve(t, &engine.Server{Handler: l.handler(), Loops: 1, Limits: engine.Limits{MemorySize: budget, WriteTimeout: -1, PingInterval: -1}})
	slow := r.dial()
	for range sockets {
		slow.open("/")
	}
	slow.echo(1, "the windows are open")
	quick := r.dial()
	id := quick.open("/")
	text := make([]byte, size)
	before := heap()
	for i := range messages {
		m, err := ws.Prepare(ws.Binary, text[:copy(text, fmt.Sprintf("%08d", i))+size-8])
		if err != nil {
			t.Fatal(err)
		}
		l[0].Publish(m)
		if i%100 != 99 {
			continue
		}
		for j := i - 99; j <= i; j++ {
			if h, err := quick.hear(); err != nil || h.what != "message" || h.id != id || numberIn(h.text) != j {
				t.Fatalf("the quick one hears %.30v, %v instead of message %d", h, err, j)
			}
		}
		if after := heap(); i%2000 == 1999 && after > before+budget+4<<20 {
			t.Errorf("%d octets are held for a peer that does not read, with a budget of %d", after-before, budget)
		}
	}
	if s := l[0].Stats(); s.DroppedLog == 0 || s.Pending == 0 || r.Stats().MemoryReliefs == 0 {
		t.Errorf("nothing was lost: %+v", s)
	}
	next := make(map[uint32]int)
	for finished := 0; finished < sockets; {
		h, err := slow.hear()
		if err != nil || h.what != "message" {
			t.Fatalf("the slow one hears %.30v, %v", h, err)
		}
		n := numberIn(h.text)
		if n < next[h.id] {
			t.Fatalf("stream %d hears %d, want %d or later", h.id, n, next[h.id])
		}
		if next[h.id] = n + 1; n == messages-1 {
			finished++
		}
	}
	slow.nc.Close()
	quick.nc.Close()
	r.await(t, sockets+1, sockets+1)
	until(t, "all accounts are closed", func() bool { return l[0].Len() == 0 })
	l.checkGone(t)
	if after := heap(); after > before+2<<20 {
		t.Errorf("%d octets are held for nobody", after-before)
	}
}

func numberIn(text string) int {
	n, err := strconv.Atoi(text[:8])
	if err != nil {
		panic(err)
	}
	return n
}

// Whoever waits for PublishThen goes on when the server ends.
func TestCloseWhilePublishing(t *testing.T) {
	for range 10 {
		l := newLobby(2, engine.TopicOptions{})
		r := serve(t, &engine.Server{Handler: l.handler(), Loops: 2})
		for range 4 {
			c := r.dial()
			c.open("/")
		}
		m, err := ws.Prepare(ws.Text, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		var published, done atomic.Int64
		var stop atomic.Bool
		var group sync.WaitGroup
		for _, topic := range l {
			group.Go(func() {
				for !stop.Load() {
					published.Add(1)
					topic.PublishThen(m, func() { done.Add(1) })
				}
			})
		}
		until(t, "much was published", func() bool { return published.Load() > 1000 })
		r.Close()
		until(t, "it goes on", func() bool { return published.Load() > 2000 })
		stop.Store(true)
		group.Wait()
		if n := published.Load(); done.Load() != n {
			t.Fatalf("%d of %d publishers may go on", done.Load(), n)
		}
		l.checkGone(t)
	}
}
