package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// The coarse deadline against the exact one, at any time of the clock's turning.
func TestStreamStall(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 0))
	for range 10_000 {
		now := time.Duration(random.Int64N(int64(1000 * time.Hour)))
		timeout := time.Duration(1 + random.Int64N(int64(stallMax)))
		var s streamStall
		if s.over(now) || s.deadline(now) != never {
			t.Fatal("nothing waits, and is late")
		}
		s.begin(now, timeout)
		if d := s.deadline(now); d < now+timeout || d > now+timeout+2*stallTick {
			t.Fatalf("%v after %v: the deadline is %v later", timeout, now, d-now)
		}
		if late := s.deadline(now); s.over(late-1) || !s.over(late) || !s.over(late+time.Minute) {
			t.Fatalf("%v after %v: not over when it should be", timeout, now)
		}
		for range stallOctets/stallUnit - 1 {
			s.progress(stallUnit)
		}
		if s.by == 0 {
			t.Fatal("less than is asked for is enough")
		}
		if s.progress(stallUnit); s.by != 0 {
			t.Fatal("what is asked for is not enough")
		}
	}
}

// starved is a peer of one socket whose queue of ten messages of n octets, and one that is larger, waits for its window.
func starved(t *testing.T, l Limits, n int) (*testPeer, *error) {
	var socket *ws.Conn
	end := new(error)
	l.PingInterval, l.IdleTimeout = -1, -1
	p := openTestPeer(t, l, ws.Funcs{
		Open:  func(c *ws.Conn) { socket = c },
		Close: func(c *ws.Conn, err error) { *end = err },
	})
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	p.frames()
	p.open(1)
	for range 10 {
		socket.Send(ws.Binary, []byte(strings.Repeat("x", n)))
	}
	socket.Send(ws.Binary, make([]byte, 5000))
	p.settle()
	return p, end
}

// A peer that holds the queue of a stream by granting it octets, pinging, and asking for pongs gets as much time as
// one that does nothing, whatever the policy.
func TestStarvedStream(t *testing.T) {
	for _, policy := range []ws.Policy{ws.CloseSlow, ws.DropNewest, ws.DropOldest, ws.Conflate} {
		for name, tricks := range map[string]func(p *testPeer){
			"nothing":            func(p *testPeer) {},
			"octets of window":   func(p *testPeer) { p.send("WINDOW_UPDATE 1 increment=1") },
			"a small message":    func(p *testPeer) { p.send("WINDOW_UPDATE 1 increment=12") },
			"PING":               func(p *testPeer) { p.send("PING 0x0102030405060708") },
			"window up and down": func(p *testPeer) { p.send("SETTINGS INITIAL_WINDOW_SIZE=11", "SETTINGS INITIAL_WINDOW_SIZE=0") },
			"pongs": func(p *testPeer) {
				p.data(1, 0, message(ws.OpPing, strings.Repeat("?", 100)))
				p.send("WINDOW_UPDATE 1 increment=102")
			},
			"other streams' data": func(p *testPeer) { p.send("WINDOW_UPDATE 0 increment=1000") },
		} {
			t.Run(fmt.Sprint(policy, "/", name), func(t *testing.T) {
				p, end := starved(t, Limits{Queue: ws.QueueLimits{Policy: policy}, RuleScale: -1}, 10)
				for range 29 {
					p.later(time.Second)
					tricks(p)
				}
				if *end != nil {
					t.Fatalf("closed too early: %v", *end)
				}
				p.later(time.Second + stallTick)
				if !errors.Is(*end, ws.ErrSlow) {
					t.Fatalf("OnClose: %v", *end)
				}
				if got := p.core.stats.Rules[RuleStreamStall]; got != (RuleStats{Refused: 1}) {
					t.Errorf("counted %+v", got)
				}
				p.later(p.core.limits.CloseTimeout)
				if p.conn.streams.len() != 0 || p.conn.backlog != 0 {
					t.Errorf("%d streams, %d octets", p.conn.streams.len(), p.conn.backlog)
				}
				p.wantState("the others live on", connOpen)
			})
		}
	}
}

// Real progress, however slow, is enough; and a queue that is all sent.
func TestSlowStreamLives(t *testing.T) {
	p, end := starved(t, Limits{}, 2000)
	for range 30 {
		p.later(29 * time.Second)
		p.send("WINDOW_UPDATE 1 increment=1024")
	}
	if *end != nil || p.conn.backlog > 0 {
		t.Errorf("%v, %d octets left", *end, p.conn.backlog)
	}
	p.later(time.Hour)
	if *end != nil {
		t.Errorf("nothing waited: %v", *end)
	}
}

// What a client has begun to say it must say.
func TestIncompleteMessages(t *testing.T) {
	whole := message(ws.OpBinary, strings.Repeat("x", 60_000))
	first := message(ws.OpText, "fragment")
	first[0] &^= 0x80
	empty := message(ws.OpContinuation, "")
	empty[0] &^= 0x80
	for name, begin := range map[string][]byte{
		"an octet of a header": whole[:1],
		"a header":             whole[:8],
		"some octets":          whole[:20_000],
		"a fragment":           first,
	} {
		for trick, octets := range map[string][]byte{
			"nothing":         nil,
			"pings":           message(ws.OpPing, "I am here"),
			"empty fragments": empty,
		} {
			if octets != nil && name != "a fragment" {
				continue
			}
			t.Run(name+"/"+trick, func(t *testing.T) {
				var end error
				p := openTestPeer(t, Limits{PingInterval: -1}, ws.Funcs{Close: func(_ *ws.Conn, err error) { end = err }})
				p.open(1)
				p.open(3)
				for rest := begin; len(rest) > 0; {
					n := min(len(rest), 10_000)
					p.data(1, 0, rest[:n])
					rest = rest[n:]
				}
				if at := p.core.nextMessage(); at != p.core.now+30*time.Second {
					t.Fatalf("due at %v, it is %v", at, p.core.now)
				}
				for range 29 {
					p.later(time.Second)
					p.data(1, 0, octets)
					p.data(3, 0, message(ws.OpText, "others talk"))
				}
				if end != nil {
					t.Fatalf("closed too early: %v", end)
				}
				p.later(time.Second)
				if len(begin) == 20_000 { // enough for the first time
					p.later(30 * time.Second)
				}
				if !errors.Is(end, ws.ErrIncomplete) {
					t.Fatalf("OnClose: %v", end)
				}
				if got := p.core.stats.Rules[RuleMessage]; got != (RuleStats{Refused: 1}) {
					t.Errorf("counted %+v", got)
				}
				if at := p.core.nextMessage(); at != never || p.conn.assembly != 0 {
					t.Errorf("due at %v, %d octets held", at, p.conn.assembly)
				}
			})
		}
	}
}

// Whoever is paused is not blamed for what it could not send, and has time when it is not paused any more.
func TestPausedMessageWaits(t *testing.T) {
	var socket *ws.Conn
	var end error
	p := openTestPeer(t, Limits{PingInterval: -1, SocketPingInterval: -1}, ws.Funcs{
		Open:  func(c *ws.Conn) { socket = c },
		Close: func(_ *ws.Conn, err error) { end = err },
	})
	p.open(1)
	p.data(1, 0, message(ws.OpText, "cut")[:7])
	socket.Pause()
	for range 1000 {
		p.later(time.Second)
	}
	socket.Resume()
	p.later(30*time.Second - 1)
	if end != nil {
		t.Fatalf("OnClose: %v", end)
	}
	p.later(31 * time.Second)
	if !errors.Is(end, ws.ErrIncomplete) {
		t.Fatalf("OnClose: %v", end)
	}
}

// A large message over a slow line takes as long as it takes.
func TestSlowMessageArrives(t *testing.T) {
	got := 0
	p := openTestPeer(t, Limits{PingInterval: -1, MessageSize: 1 << 20}, ws.Funcs{Message: func(_ *ws.Conn, m ws.Message) { got = len(m.Data) }})
	p.open(1)
	whole := message(ws.OpBinary, strings.Repeat("x", 1<<20))
	for len(whole) > 0 {
		n := min(len(whole), 600)
		p.data(1, 0, whole[:n])
		whole = whole[n:]
		p.later(time.Second)
	}
	if got != 1<<20 {
		t.Errorf("%d octets arrived; %q", got, p.frames())
	}
}

// 10,000 sockets drip: each has one entry on one list, and all are closed when their time comes, some a turn.
func TestManyIncompleteMessages(t *testing.T) {
	const sockets = 10_000
	closed := 0
	p := openTestPeer(t, Limits{PingInterval: -1, MaxConcurrentStreams: sockets, ConnWindow: 1 << 30},
		ws.Funcs{Close: func(*ws.Conn, error) { closed++ }})
	for i := range uint32(sockets) {
		p.headers(2*i+1, 0, p.connectFields())
		p.data(2*i+1, 0, message(ws.OpText, "cut")[:3])
	}
	for range 29 {
		p.later(time.Second)
		for i := range uint32(sockets / 100) {
			p.write(string(frame.AppendData(nil, 200*i+1, 0, []byte{1})))
		}
	}
	for turns := 1; closed < sockets; turns++ {
		if turns > sockets/streamsTurn+2 {
			t.Fatalf("%d closed in %d turns", closed, turns)
		}
		p.later(time.Second)
	}
}
