package bench

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"h2ws/engine"
	"h2ws/ws"
)

// fakeLower is below a socket: a queue that drains when the test says so.
type fakeLower struct {
	buffered int
	sent     int // messages
	full     int // so many messages more are refused with ErrMailboxFull
	drain    int // octets that leave the queue each time somebody looks at it
	closed   string
	loop     *fakeLoop // what drains it instead; nil: nothing does
}

// fakeLoop delivers what was sent on many sockets in order, a step each time a full queue is looked at.
type fakeLoop struct {
	waiting []*fakeLower
	most    int // ever waiting
}

const fakeLoopStep = 1000

func (k *fakeLoop) step() {
	n := min(fakeLoopStep, len(k.waiting))
	for _, l := range k.waiting[:n] {
		l.buffered = 0
	}
	k.waiting = k.waiting[n:]
}

func (l *fakeLower) Send(ws.MessageType, []byte) error { panic("not used") }

func (l *fakeLower) SendPrepared(p *ws.Prepared) error {
	if l.full > 0 {
		l.full--
		return engine.ErrMailboxFull
	}
	l.buffered += len(p.Frame())
	l.sent++
	if l.loop != nil {
		l.loop.waiting = append(l.loop.waiting, l)
		l.loop.most = max(l.loop.most, len(l.loop.waiting))
	}
	return nil
}

func (l *fakeLower) RequestClose(code ws.CloseCode, reason string) error {
	l.closed = fmt.Sprint(int(code), " ", reason)
	return nil
}

func (l *fakeLower) Buffered() int {
	l.buffered = max(0, l.buffered-l.drain)
	if l.loop != nil && l.buffered > 0 {
		l.loop.step()
	}
	return l.buffered
}

func (l *fakeLower) WriteControl(ws.Opcode, []byte) {}
func (l *fakeLower) WriteClose([]byte, bool)        {}
func (l *fakeLower) EndStream()                     {}
func (l *fakeLower) Panicked(v any, stack []byte)   {}

// newFakeSockets registers a socket above each of the lowers.
func newFakeSockets(lowers ...*fakeLower) *publisher {
	sockets := new(registry)
	e := ws.NewEndpoint(ws.Nop{}, ws.EndpointOptions{})
	for _, l := range lowers {
		c := new(ws.Conn)
		c.Init(e, l, nil)
		c.Opened()
		sockets.add(c)
	}
	return &publisher{sockets: sockets, patience: time.Hour}
}

func TestPublishReachesEverySocket(t *testing.T) {
	var lowers []*fakeLower
	for range 1000 {
		lowers = append(lowers, new(fakeLower))
	}
	p := newFakeSockets(lowers...)
	p.publish(make([]byte, 20))
	for i, l := range lowers {
		if l.sent != 1 {
			t.Errorf("socket %d was sent %d messages, want 1", i, l.sent)
		}
	}
}

func TestPublisherStaysBelowTheQueueLimits(t *testing.T) {
	for _, size := range []int{0, 1, 64, 10000, SizeMax} {
		l := &fakeLower{}
		p := newFakeSockets(l)
		p.patience = 0 // closes instead of waiting
		for n := 0; l.closed == "" && n < 1000; n++ {
			p.publish(make([]byte, size))
		}
		frame := l.buffered / l.sent
		if l.sent > 1 && (l.buffered > queueOctets || l.sent > queueMessages) {
			t.Errorf("size %d: %d messages, %d octets queued", size, l.sent, l.buffered)
		}
		if l.sent < queueMessages && l.buffered+frame <= queueOctets {
			t.Errorf("size %d: gave up after %d messages, %d octets: there was room", size, l.sent, l.buffered)
		}
	}
}

func TestPublisherWaitsForASlowSocket(t *testing.T) {
	slow := &fakeLower{buffered: queueOctets, drain: 1000}
	busy := &fakeLower{full: 3}
	p := newFakeSockets(slow, busy)
	p.publish(make([]byte, 5000))
	if slow.sent != 1 || slow.closed != "" {
		t.Errorf("a socket that drains: %d sent, closed %q", slow.sent, slow.closed)
	}
	if busy.sent != 1 {
		t.Errorf("a mailbox that was full: %d sent", busy.sent)
	}
}

func TestPublisherDoesNotRunAhead(t *testing.T) {
	for _, n := range []int{1, 100, lead, 3 * lead} {
		var k fakeLoop
		var lowers []*fakeLower
		for range n {
			lowers = append(lowers, &fakeLower{loop: &k})
		}
		p := newFakeSockets(lowers...)
		const publishes = 5
		for range publishes {
			p.publish(make([]byte, 20))
		}
		for i, l := range lowers {
			if l.sent != publishes || l.closed != "" {
				t.Fatalf("%d sockets: socket %d was sent %d messages, want %d", n, i, l.sent, publishes)
			}
		}
		if k.most > lead+batchSockets {
			t.Errorf("%d sockets: %d messages waited for the loop, want %d at most", n, k.most, lead+batchSockets)
		}
	}
}

func TestPublisherDepth(t *testing.T) {
	for sockets, want := range map[int]int{0: queueMessages, 1: queueMessages, 128: 128, 129: 127, 1000: 16, lead: 1, 5 * lead: 1} {
		p := newFakeSockets()
		p.sockets.used = sockets
		if got := p.depth(); got != want {
			t.Errorf("%d sockets: depth %d, want %d", sockets, got, want)
		}
	}
}

func TestPublisherGivesUp(t *testing.T) {
	stuck, fine := &fakeLower{buffered: queueOctets}, &fakeLower{}
	p := newFakeSockets(stuck, fine)
	p.patience = time.Millisecond
	p.publish(make([]byte, 100))
	if stuck.sent != 0 || stuck.closed != "1008 too slow for what is published" {
		t.Errorf("a socket that does not drain: %d sent, closed %q", stuck.sent, stuck.closed)
	}
	if fine.sent != 1 || fine.closed != "" {
		t.Errorf("its neighbour: %d sent, closed %q", fine.sent, fine.closed)
	}
	// It has refused what came after, so the next publish does not wait for it.
	stuck.closed, p.patience = "", time.Hour
	stuck.buffered = 0
	p.publish(make([]byte, 100))
	if stuck.sent != 0 {
		t.Errorf("%d messages were sent behind Close", stuck.sent)
	}
}

func TestJobsAreBounded(t *testing.T) {
	p := newFakeSockets()
	p.running = true // nobody takes them
	for n := range jobsMax {
		if err := p.post(job{1, 1}); err != nil {
			t.Fatalf("job %d: %v", n, err)
		}
	}
	if err := p.post(job{1, 1}); !errors.Is(err, errBusy) {
		t.Errorf("one job more: got %v", err)
	}
	for range jobsMax {
		if _, ok := p.take(); !ok {
			t.Fatal("a job is lost")
		}
	}
	if _, ok := p.take(); ok || p.running {
		t.Error("the goroutine does not end without jobs")
	}
}
