package engine

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// pingLimits have a ping every minute, and ten seconds for the answer.
var pingLimits = Limits{SocketPingInterval: time.Minute, PingInterval: -1, StreamTimeout: -1, MaxConcurrentStreams: 1 << 21}

// untilPing lets time pass until the connection's next tick, and returns how long that took.
func (p *testPeer) untilPing() time.Duration {
	p.t.Helper()
	if p.conn.waits == nil {
		p.t.Fatalf("the connection is in state %d: %v", p.conn.state, p.conn.cause)
	}
	d := p.conn.waits.pings.at - p.core.now
	if d <= 0 || d > time.Minute {
		p.t.Fatalf("the next tick is in %v", d)
	}
	if next := p.conn.deadline() - p.core.now; next > d {
		p.t.Fatalf("the next tick is in %v, the connection wants to be looked at in %v", d, next)
	}
	p.later(d)
	return d
}

// answer takes the pings that were sent, answers them, and returns their streams.
func (p *testPeer) answer() (ids []uint32) {
	for _, line := range p.frames() {
		var id uint32
		if _, err := fmt.Sscanf(line, "DATA %d 0x8900", &id); err == nil {
			ids = append(ids, id)
			p.data(id, 0, message(ws.OpPong, ""))
		}
	}
	p.frames()
	return ids
}

func TestSocketPing(t *testing.T) {
	p := openTestPeer(t, pingLimits, nil)
	p.open(1)
	p.untilPing()
	p.want("a ping", "DATA 1 0x8900")
	p.later(9 * time.Second)
	p.data(1, 0, message(ws.OpPong, ""))
	p.later(time.Second)
	p.want("it is answered, and nothing happens")
	if d := p.untilPing(); d != 50*time.Second {
		t.Errorf("the next is %v later", d)
	}
	p.want("a minute after the first", "DATA 1 0x8900")
	p.data(1, 0, message(ws.OpText, "x"))
	p.frames()
	p.later(10 * time.Second)
	p.want("anything is an answer")
	p.untilPing()
	p.want("and another", "DATA 1 0x8900")
	p.log = nil
	p.later(10*time.Second - 1)
	p.want("it may take its time")
	p.send("WINDOW_UPDATE 1 increment=1")
	p.later(1)
	p.want("what says nothing in the socket is no answer", "RST_STREAM 1 CANCEL")
	p.wantLog("its end", "close: ws: closed: 1006 abnormal closure (ws: stream reset: ws: no answer to a ping)")
	if p.core.stats.SocketsSilent != 1 {
		t.Errorf("%+v", p.core.stats)
	}
	p.later(time.Minute)
	if d := p.conn.waits.next(); d != never {
		t.Errorf("without a socket nothing is due, but at %v", d)
	}
	p.open(3)
	p.untilPing()
	p.want("with one something is", "DATA 3 0x8900")
}

func TestSocketPingIsOffByDefault(t *testing.T) {
	for _, l := range []Limits{{PingInterval: -1}, {PingInterval: -1, SocketPingInterval: -1}} {
		p := openTestPeer(t, l, nil)
		p.open(1)
		p.later(1000 * time.Hour)
		p.want("nothing is sent")
		if p.conn.waits != nil {
			t.Error("memory for nothing")
		}
	}
}

func TestSocketPingWithoutTimeout(t *testing.T) {
	l := pingLimits
	l.SocketPongTimeout = -1
	p := openTestPeer(t, l, nil)
	p.open(1)
	for range 5 {
		p.untilPing()
		p.want("pings go on, answered or not", "DATA 1 0x8900")
	}
}

// Who has no window is not blamed for not answering what was not sent, and gets one ping, behind what waits.
func TestSocketPingWaitsForTheWindow(t *testing.T) {
	var sockets []*ws.Conn
	p := openTestPeer(t, pingLimits, quiet(&sockets))
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	p.frames()
	p.open(1)
	sockets[0].Send(ws.Text, []byte("x"))
	p.settle()
	for range 5 {
		p.untilPing()
	}
	p.want("nothing")
	p.data(1, 0, message(ws.OpPing, "y"))
	p.send("WINDOW_UPDATE 1 increment=100")
	p.want("a pong, a message, one ping", `DATA 1 0x8a0179`+`8101788900`)
	p.later(10 * time.Second)
	p.want("now the time runs", "RST_STREAM 1 CANCEL")
}

func TestSocketPingLeavesThoseThatClose(t *testing.T) {
	var sockets []*ws.Conn
	p := openTestPeer(t, Limits{SocketPingInterval: time.Minute, CloseTimeout: -1, EndTimeout: -1, PingInterval: -1, HandshakeTimeout: -1}, quiet(&sockets))
	for id := uint32(1); id < 6; id += 2 {
		p.open(id)
	}
	sockets[0].Close(4000, "")
	p.data(3, 0, message(ws.OpClose, ""))
	p.frames()
	p.untilPing()
	p.want("only who is open", "DATA 5 0x8900")
	sockets[2].Close(4000, "")
	p.settle()
	p.frames()
	p.later(10 * time.Second)
	p.want("a ping that is not answered ends a closing handshake too", "RST_STREAM 5 CANCEL")
}

// A ping queued when its socket ends, or sent, leaves nothing behind.
func TestSocketPingOfSocketsThatEnd(t *testing.T) {
	p := openTestPeer(t, pingLimits, nil)
	p.open(1)
	p.open(3)
	p.untilPing()
	p.send("RST_STREAM 1 CANCEL")
	p.data(3, 0, message(ws.OpPong, ""))
	p.send("RST_STREAM 3 CANCEL")
	if q := &p.conn.waits.pongs; q.live != 0 {
		t.Errorf("%+v", *q)
	}
	p.frames()
	p.open(5)
	p.later(10 * time.Second)
	p.want("their time does not matter to the next")
}

// A connection with more to be read is read first: the answers may be there.
func TestSocketPingSparesWhatWasNotRead(t *testing.T) {
	p := openTestPeer(t, pingLimits, nil)
	p.open(1)
	p.untilPing()
	p.frames()
	p.conn.wire.readable = true
	p.later(10 * time.Second)
	p.want("not yet")
	if d := p.conn.deadline() - p.core.now; d != pongGrace {
		t.Errorf("it is looked at in %v", d)
	}
	p.later(pongGrace)
	p.want("nor now")
	p.conn.wire.readable = false
	p.later(pongGrace)
	p.want("it has been read to its end", "RST_STREAM 1 CANCEL")
}

// Every socket is pinged once in an interval, in many ticks with little to do, and in the same moment of the next.
func TestSocketPingsAreSpread(t *testing.T) {
	const sockets = 30_000
	p := openTestPeer(t, pingLimits, ws.Nop{})
	p.openMany(sockets)
	p.send(fmt.Sprintf("WINDOW_UPDATE 0 increment=%d", 1<<30))
	round := func() map[uint32]time.Duration {
		times := make(map[uint32]time.Duration)
		begin := p.core.now
		most, ticks := 0, 0
		for {
			p.untilPing()
			ticks++
			pings := p.answer()
			most = max(most, len(pings))
			for _, id := range pings {
				if times[id] != 0 {
					t.Fatalf("stream %d: twice", id)
				}
				times[id] = p.core.now
			}
			if p.conn.waits.pings.cursor == 0 {
				break
			}
		}
		if len(times) != sockets || most > 150 || ticks < 400 || ticks > pingShares {
			t.Errorf("%d sockets of %d in %d ticks, up to %d in one", len(times), sockets, ticks, most)
		}
		if d := p.core.now - begin; d > time.Minute+time.Second {
			t.Errorf("a round takes %v", d)
		}
		return times
	}
	p.untilPing() // the first round begins within an interval
	for p.conn.waits.pings.cursor > 0 {
		p.untilPing()
		p.answer()
	}
	first, second := round(), round()
	for id, at := range first {
		if d := second[id] - at; d < 59*time.Second || d > 61*time.Second {
			t.Fatalf("stream %d: %v later", id, d)
		}
	}
	if p.core.stats.SocketsSilent != 0 {
		t.Errorf("%d silent", p.core.stats.SocketsSilent)
	}
}

// Connections that come all at once don't ping all at once.
func TestSocketPingsOfManyConnectionsAreSpread(t *testing.T) {
	const connections = 1000
	p := openTestPeer(t, pingLimits, ws.Nop{})
	var at []time.Duration
	for range connections {
		p.connect()
		p.write(frame.Preface)
		p.send("SETTINGS", "SETTINGS ACK")
		p.frames()
		p.open(1)
		at = append(at, p.conn.waits.pings.at-p.core.now)
	}
	slices.Sort(at)
	for i := range 10 { // a tenth of the interval has a tenth of the connections
		n := 0
		for _, d := range at {
			if int(d*10/time.Minute) == i {
				n++
			}
		}
		if n < connections/20 || n > connections/5 {
			t.Errorf("%d connections of %d in the %d. tenth of the interval", n, connections, i+1)
		}
	}
}

// A table that grows under the cursor loses nobody.
func TestSocketPingsWhileTheTableGrows(t *testing.T) {
	p := openTestPeer(t, pingLimits, ws.Nop{})
	p.send(fmt.Sprintf("WINDOW_UPDATE 0 increment=%d", 1<<30))
	last := make(map[uint32]time.Duration) // when it was opened or pinged
	next := uint32(1)
	open := func(n int) {
		for range n {
			p.headers(next, 0, p.connectFields())
			last[next] = p.core.now
			next += 2
		}
		p.out = nil
	}
	open(1000)
	for end := p.core.now + 5*time.Minute; p.core.now < end; {
		p.untilPing()
		for _, id := range p.answer() {
			last[id] = p.core.now
		}
		if p.core.now < end-3*time.Minute && next < 20_000 {
			open(200)
		}
	}
	for id, at := range last {
		if d := p.core.now - at; d > 61*time.Second {
			t.Fatalf("stream %d: the last ping was %v ago", id, d)
		}
	}
	if n := p.conn.streams.len(); n < 5000 || p.core.stats.SocketsSilent > 0 {
		t.Errorf("%d streams, %d silent", n, p.core.stats.SocketsSilent)
	}
}

// In steady state pings and their answers allocate nothing.
func TestSocketPingAllocs(t *testing.T) {
	r := newPingRig(t, 2000)
	wantNoAllocs(t, "a tick, and the answers", r.tick)
	if s := r.core.stats; s.FramesSent < 10_000 || s.SocketsSilent > 0 || r.conn.state != connOpen {
		t.Errorf("state %d, %+v", r.conn.state, s)
	}
}

// pingRig answers every ping.
type pingRig struct{ *rig }

func newPingRig(tb testing.TB, n int) *pingRig {
	r := &pingRig{newRig(tb, ws.Funcs{}, 1)}
	l := &r.core.limits
	l.SocketPingInterval, l.SocketPongTimeout, l.PingInterval = time.Minute, 10*time.Second, never
	r.open(n)
	r.openNext() // the cursor begins
	r.turn()
	return r
}

// tick is one of the cursor's, the clients' answers, and the time for them.
func (r *pingRig) tick() {
	r.core.now = r.conn.deadline()
	r.conn.expire()
	r.turn()
	for _, s := range r.conn.streams.streams {
		if s != nil && s.ping == pingSent {
			s.ping = pingAnswered // as by a pong, which TestAllocsInbound has
		}
	}
}

func TestSocketPingErrors(t *testing.T) {
	var got error
	p := openTestPeer(t, pingLimits, ws.Funcs{Close: func(_ *ws.Conn, err error) { got = err }})
	p.open(1)
	p.untilPing()
	p.later(10 * time.Second)
	if !errors.Is(got, ws.ErrPongTimeout) || !errors.Is(got, ws.ErrReset) {
		t.Errorf("OnClose says %v", got)
	}
}

// BenchmarkSocketPings is what one ping costs, its frame and its deadline included, with so many sockets; worst-us is
// the longest tick.
func BenchmarkSocketPings(b *testing.B) {
	for _, sockets := range []int{1000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(sockets), func(b *testing.B) {
			r := newPingRig(b, sockets)
			var worst time.Duration
			pings := func() uint64 { return r.core.stats.FramesSent }
			runtime.GC()
			b.ResetTimer()
			for before := pings(); pings()-before < uint64(b.N); {
				r.core.now = r.conn.deadline()
				begin := time.Now()
				r.conn.expire()
				r.turn()
				worst = max(worst, time.Since(begin))
				b.StopTimer()
				for i, q := 0, &r.conn.waits.pongs; i < len(q.due)-q.head; i++ { // the newest have not answered yet
					s := r.conn.streams.find(q.due[len(q.due)-1-i].id)
					if s.ping == pingAnswered {
						break
					}
					s.ping = pingAnswered
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(worst.Microseconds()), "worst-us")
		})
	}
}
