package engine

import (
	"fmt"
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
