package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

func (p *testPeer) drain() {
	p.core.box.call(p.conn.startDrain)
	p.settle()
}

// Every socket of a large connection is told, over several turns, and exactly once.
func TestDrainReachesEverySocket(t *testing.T) {
	const sockets = 3*streamsTurn + 100
	p := openTestPeer(t, Limits{MaxConcurrentStreams: sockets}, ws.Nop{})
	flight := frame.AppendWindowUpdate(nil, 0, sockets*20)
	for i := range uint32(sockets) {
		flight = frame.AppendHeaders(flight, 2*i+1, frame.FlagEndHeaders, p.connectFields())
	}
	p.write(string(flight))
	p.frames()
	p.drain()
	closes := map[string]int{}
	for _, line := range p.frames() {
		closes[line]++
	}
	for i := range uint32(sockets) {
		if line := fmt.Sprintf(`DATA %d 0x880c03e9 "going away"`, 2*i+1); closes[line] != 1 {
			t.Fatalf("%d times %s", closes[line], line)
		}
	}
	if closes["GOAWAY last=2147483647 NO_ERROR"] != 1 || len(closes) != sockets+2 {
		t.Errorf("%d different frames, and GOAWAY %d times", len(closes), closes["GOAWAY last=2147483647 NO_ERROR"])
	}
}

// openMany opens sockets with one DATA frame's window of credit each.
func (p *testPeer) openMany(sockets int) {
	flight := frame.AppendWindowUpdate(nil, 0, uint32(sockets)*20)
	for i := range uint32(sockets) {
		flight = frame.AppendHeaders(flight, 2*i+1, frame.FlagEndHeaders, p.connectFields())
	}
	p.write(string(flight))
	p.out = nil
}

// closed counts the Close frames since the last look.
func (p *testPeer) closed() (n int) {
	for _, line := range p.frames() {
		if strings.Contains(line, `"going away"`) {
			n++
		}
	}
	return n
}

// Closes are spread, so that clients don't come back all at once. A client that answers none ends all the same.
func TestDrainIsSpread(t *testing.T) {
	const sockets = 10_000
	p := openTestPeer(t, Limits{MaxConcurrentStreams: sockets + 1}, ws.Nop{})
	p.openMany(sockets)
	p.core.paceDrain(4 * time.Second)
	p.drain()
	if n := p.closed(); n != drainBurst {
		t.Errorf("%d sockets are closed at once, want %d", n, drainBurst)
	}
	if d := p.core.nextDrain() - p.core.now; d != drainTick {
		t.Errorf("the loop goes on in %v", d)
	}
	total := drainBurst
	for i := 1; i <= 400; i++ {
		p.later(drainTick)
		n := p.closed()
		total += n
		if n > sockets/400+1 || total < min(sockets, i*sockets/400) {
			t.Fatalf("%d sockets are closed in tick %d, %d in all", n, i, total)
		}
		if i == 200 {
			p.openDraining(2*sockets + 1)
		}
	}
	if total != sockets || p.core.nextDrain() != never {
		t.Errorf("%d sockets are closed", total)
	}
	p.send("PING ACK 0x647261696e696e67")
	for range 40 {
		p.later(time.Second / 8)
	}
	got := p.frames()
	if p.conn.state != connLeaving || got[len(got)-1] != fmt.Sprintf("GOAWAY last=%d NO_ERROR", 2*sockets+1) || p.conn.streams.len() != 0 {
		t.Errorf("state %d, %d streams, %q", p.conn.state, p.conn.streams.len(), got[len(got)-1])
	}
}

// Few sockets are not kept waiting, and the connections of one loop share its pace.
func TestDrainOfFewIsShort(t *testing.T) {
	var now time.Duration
	pace := drainPace{rate: drainRateMin}
	if n := pace.left(now, 4096); n != drainBurst {
		t.Errorf("%d at once", n)
	}
	if n := pace.left(now+time.Second, 4096); n != drainBurst+drainRateMin {
		t.Errorf("%d in a second", n)
	}
	pace.closed = 2000
	if n := pace.left(now+time.Second, 4096); n > 0 {
		t.Errorf("%d more than it may", n)
	}
	p := openTestPeer(t, Limits{}, ws.Nop{})
	p.openMany(150)
	first := p.conn
	p.connect()
	p.write(frame.Preface)
	p.send("SETTINGS", "SETTINGS ACK")
	p.openMany(150)
	p.core.paceDrain(time.Hour)
	p.core.box.call(first.startDrain)
	p.drain()
	p.core.paceDrain(time.Nanosecond) // a second Shutdown changes nothing
	n := p.closed()
	for range 40 {
		if n > 150 {
			t.Fatalf("%d closes", n)
		}
		p.later(drainTick)
		n += p.closed()
	}
	if n != 150 || first.drains || p.conn.drains {
		t.Errorf("%d sockets are closed", n)
	}
}

func TestDrainTwiceIsOnce(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	p.open(1)
	p.drain()
	p.frames()
	p.drain()
	p.want("nothing is said twice")
	p.send("PING ACK 0x647261696e696e67")
	p.want("the final GOAWAY", "GOAWAY last=1 NO_ERROR")
	p.send("PING ACK 0x647261696e696e67")
	p.drain()
	p.want("once")
}

func TestDrainSendsWhatWasAccepted(t *testing.T) {
	p, all := openQuiet(t, Limits{}, 1)
	p.send("WINDOW_UPDATE 1 increment=1000")
	all[0].Send(ws.Text, []byte("last"))
	p.drain()
	p.want("the message, and then the Close", "GOAWAY last=2147483647 NO_ERROR", "PING 0x647261696e696e67",
		`DATA 1 0x8104 "last"`, `DATA 1 0x880c03e9 "going away"`)
}

// PING ACKs of others, or of keepalive, do not stand for the round trip.
func TestDrainWaitsForItsOwnRoundTrip(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	p.open(1)
	p.drain()
	p.frames()
	p.send("PING ACK 0x616c6976653f0000", "PING ACK 0x0000000000000000")
	p.want("no final GOAWAY")
	p.openDraining(3)
}

// openDraining opens a socket on a connection that drains: it is accepted, and closed at once.
func (p *testPeer) openDraining(id uint32) {
	p.t.Helper()
	p.headers(id, 0, p.connectFields())
	p.want("it was on its way: served and closed", fmt.Sprintf("HEADERS %d END_HEADERS 0x88", id),
		fmt.Sprintf(`DATA %d 0x880c03e9 "going away"`, id))
}

func TestDrainEndsWithTheLastStream(t *testing.T) {
	for name, last := range map[string]func(p *testPeer){
		"closing handshake": func(p *testPeer) { p.data(1, frame.FlagEndStream, message(ws.OpClose, "\x03\xe9")) },
		"RST_STREAM":        func(p *testPeer) { p.send("RST_STREAM 1 CANCEL") },
		"time":              func(p *testPeer) { p.later(5 * time.Second) },
		"END_STREAM":        func(p *testPeer) { p.data(1, frame.FlagEndStream, nil) },
		"stream error":      func(p *testPeer) { p.send("WINDOW_UPDATE 1 increment=0") },
	} {
		t.Run(name, func(t *testing.T) {
			p := openTestPeer(t, Limits{}, nil)
			p.open(1)
			p.drain()
			p.send("PING ACK 0x647261696e696e67")
			p.frames()
			last(p)
			got := p.frames()
			if len(got) == 0 || got[len(got)-1] != "GOAWAY last=1 NO_ERROR" || p.conn.state != connLeaving {
				t.Errorf("state %d, after %q", p.conn.state, got)
			}
			p.wantLog("OnClose was called", "open", p.log[1])
		})
	}
}

// A plain request on a draining connection is answered, and the connection waits for it.
func TestDrainServesPlainRequests(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	p.headers(1, 0, p.fields(":method", "POST", ":scheme", "http", ":authority", "example.com", ":path", "/"))
	p.drain()
	p.send("PING ACK 0x647261696e696e67")
	p.want("it waits", "GOAWAY last=2147483647 NO_ERROR", "PING 0x647261696e696e67", "GOAWAY last=1 NO_ERROR")
	p.data(1, frame.FlagEndStream, nil)
	got := p.frames()
	if len(got) != 3 || got[2] != "GOAWAY last=1 NO_ERROR" {
		t.Errorf("the answer, and the end: %q", got)
	}
}

func TestNothingIsSaidBehindTheLastGoAway(t *testing.T) {
	p, all := openQuiet(t, Limits{}, 2)
	all[0].Send(ws.Text, []byte("x"))
	p.room = 0
	p.send("DATA 0")
	all[1].Send(ws.Text, []byte("y"))
	all[1].Close(ws.CloseNormal, "")
	p.send("PING 0x0000000000000001", "SETTINGS INITIAL_WINDOW_SIZE=100000")
	p.drain()
	p.later(time.Second / 2)
	p.room = -1
	p.conn.touch()
	p.settle()
	p.want("GOAWAY, and nothing else", `GOAWAY last=3 PROTOCOL_ERROR "DATA: stream 0 (RFC 9113 §6.1)"`)
}

func TestDrainWithoutAnswerToPing(t *testing.T) {
	p := openTestPeer(t, Limits{CloseTimeout: -1}, nil)
	p.open(1)
	p.core.box.call(p.conn.startDrain)
	p.settle()
	p.frames()
	p.later(9 * time.Second)
	p.data(1, 0, message(ws.OpPing, "I say other things"))
	p.frames()
	p.later(time.Second)
	p.want("the final GOAWAY waits PingTimeout for a round trip and no longer", "GOAWAY last=1 NO_ERROR")
}
