package engine

import (
	"strings"
	"testing"
	"time"

	"h2ws/ws"
)

// stalledPeer has a socket with an endless stream window whose messages, of 1,000 octets, have used up the
// connection's window and wait behind it.
func stalledPeer(t *testing.T) (*testPeer, *ws.Conn) {
	var socket *ws.Conn
	p := openTestPeer(t, Limits{PingInterval: -1, WriteTimeout: 30 * time.Second, Queue: ws.QueueLimits{MaxBytes: 1 << 20, MaxMessages: 1000}},
		ws.Funcs{Open: func(c *ws.Conn) { socket = c }})
	p.send("SETTINGS INITIAL_WINDOW_SIZE=1000000")
	p.frames()
	p.open(1)
	for range 100 {
		socket.Send(ws.Text, []byte(strings.Repeat("x", 1000)))
	}
	p.settle()
	p.out = nil
	return p, socket
}

func (p *testPeer) wantState(why string, want connState) {
	p.t.Helper()
	if p.conn.state != want {
		p.t.Fatalf("%s: state %d, want %d", why, p.conn.state, want)
	}
}

func TestStallOfAWindow(t *testing.T) {
	p, _ := stalledPeer(t)
	for range 29 {
		p.later(time.Second)
		p.send("PING 0x0102030405060708", "WINDOW_UPDATE 0 increment=1")
		p.want("a window of octets is no reason to send any", "PING ACK 0x0102030405060708")
	}
	p.wantState("there is a second left", connOpen)
	p.later(time.Second)
	p.wantState("neither PINGs nor octets of window move the deadline", connLost)
	if n := p.core.stats.Rules[RuleStall].Ended; n != 1 {
		t.Errorf("%d connections stalled, want 1", n)
	}
}

func TestStallMovesWithProgress(t *testing.T) {
	p, _ := stalledPeer(t)
	for range 40 {
		p.later(20 * time.Second)
		p.send("WINDOW_UPDATE 0 increment=1024")
		p.out = nil
		p.wantState("1 KiB in 20 seconds is progress", connOpen)
	}
}

func TestStallEndsWithItsOutput(t *testing.T) {
	for name, end := range map[string]func(*testPeer, *ws.Conn){
		"sent":  func(p *testPeer, _ *ws.Conn) { p.send("WINDOW_UPDATE 0 increment=1000000") },
		"reset": func(p *testPeer, _ *ws.Conn) { p.send("RST_STREAM 1 CANCEL") },
	} {
		t.Run(name, func(t *testing.T) {
			p, socket := stalledPeer(t)
			p.wantDeadline("while output waits", 30*time.Second)
			end(p, socket)
			p.later(time.Minute)
			p.wantState("nothing has waited for a minute", connOpen)
		})
	}
}

// A topic's messages wait in its log.
func TestStallOfAFeed(t *testing.T) {
	topic := NewTopic("", TopicOptions{})
	p := openTestPeer(t, Limits{PingInterval: -1, WriteTimeout: 30 * time.Second}, ws.Funcs{Open: func(c *ws.Conn) { topic.Join(c) }})
	p.send("SETTINGS INITIAL_WINDOW_SIZE=1000000")
	p.frames()
	p.open(1)
	p.open(3)
	big, _ := ws.Prepare(ws.Binary, make([]byte, 40000))
	topic.Publish(big)
	p.settle()
	p.wantDeadline("the second member waits for the connection's window", 30*time.Second)
	p.send("RST_STREAM 3 CANCEL")
	if d := p.conn.stall.by; d != never {
		t.Fatalf("the only one that waited is gone, and the deadline is at %v", d)
	}
}

// Found by TestScenarios of the load tool, "a small window": 40 octets of a window of 100 were used, the peer gives
// credit when half of it is, and the next message of 66 waited for a whole one.
func TestFoundSmallWindowsDoNotWaitForEachOther(t *testing.T) {
	var socket *ws.Conn
	p := openTestPeer(t, Limits{}, ws.Funcs{Open: func(c *ws.Conn) { socket = c }})
	p.send("SETTINGS INITIAL_WINDOW_SIZE=100")
	p.frames()
	p.open(1)
	send := func(n int) {
		socket.Send(ws.Text, []byte(strings.Repeat("x", n)))
		p.settle()
	}
	send(38)
	p.out = nil
	send(64)
	p.want("the rest of a window that is more than half of it is used", `DATA 1 0x8140 "`+strings.Repeat("x", 58)+`"`)
	p.send("WINDOW_UPDATE 1 increment=100")
	p.want("and the message goes on", `DATA 1 "xxxxxx"`)
	p.send("WINDOW_UPDATE 1 increment=6")
	send(98)
	p.out = nil
	send(98)
	p.send("WINDOW_UPDATE 1 increment=49")
	p.want("less than half is too little")
}
