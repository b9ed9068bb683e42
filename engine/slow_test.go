package engine

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"h2ws/ws"
)

// openQuiet is a peer without window and the sockets of its streams 1, 3, 5...
func openQuiet(t *testing.T, l Limits, streams int) (*testPeer, []*ws.Conn) {
	t.Helper()
	var all []*ws.Conn
	p := openTestPeer(t, l, quiet(&all))
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	p.want("no window", "SETTINGS ACK")
	for i := range streams {
		p.open(uint32(2*i + 1))
	}
	return p, all
}

func TestQueueLimits(t *testing.T) {
	for name, test := range map[string]struct {
		limits Limits
		size   int // of each message
		fit    int
	}{
		"messages": {Limits{Queue: ws.QueueLimits{MaxMessages: 5}}, 0, 5},
		"octets":   {Limits{Queue: ws.QueueLimits{MaxBytes: 100}}, 8, 10},           // 10 octets each
		"overshot": {Limits{Queue: ws.QueueLimits{MaxBytes: 100}}, 97, 2},           // 99 are below 100, so one more is taken
		"one":      {Limits{Queue: ws.QueueLimits{MaxBytes: 1}}, 60000, 1},          // of whatever size
		"default":  {Limits{Queue: ws.QueueLimits{MaxMessages: 1 << 20}}, 252, 256}, // 64 KiB
	} {
		t.Run(name, func(t *testing.T) {
			p, all := openQuiet(t, test.limits, 1)
			for i := range test.fit {
				if err := all[0].Send(ws.Binary, make([]byte, test.size)); err != nil {
					t.Fatalf("message %d of %d: %v", i+1, test.fit, err)
				}
			}
			for range 3 {
				if err := all[0].Send(ws.Binary, make([]byte, test.size)); !errors.Is(err, ws.ErrSlow) {
					t.Fatalf("message %d: %v, want ErrSlow", test.fit+1, err)
				}
			}
			p.settle()
			if p.core.stats.SocketsSlow != 1 || p.core.stats.MessagesDiscarded != uint64(test.fit) {
				t.Errorf("%d sockets were slow, %d messages discarded", p.core.stats.SocketsSlow, p.core.stats.MessagesDiscarded)
			}
			if all[0].Buffered() != 0 {
				t.Errorf("%d octets are still buffered", all[0].Buffered())
			}
			p.send("WINDOW_UPDATE 1 increment=100000")
			p.want("only the Close is sent", `DATA 1 END_STREAM 0x880f03f0 "slow consumer"`)
			if err := all[0].Send(ws.Text, nil); !errors.Is(err, ws.ErrClosed) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestSlowSocketFinishesTheMessageBegun(t *testing.T) {
	p, all := openQuiet(t, Limits{Queue: ws.QueueLimits{MaxMessages: 2}}, 1)
	all[0].Send(ws.Binary, make([]byte, 3000))
	all[0].Send(ws.Binary, make([]byte, 10))
	p.settle()
	p.send("WINDOW_UPDATE 1 increment=2000")
	p.wantData("two thirds of a message", "1:2000")
	all[0].Send(ws.Binary, make([]byte, 10))
	p.settle()
	p.send("WINDOW_UPDATE 1 increment=100000")
	p.wantData("its end, and the Close: 1,004 and 17 octets", "1:1021E")
}

func TestSlowSocketHarmsNoOther(t *testing.T) {
	p, all := openQuiet(t, Limits{Queue: ws.QueueLimits{MaxMessages: 2}}, 3)
	p.send("WINDOW_UPDATE 3 increment=1000")
	for range 3 {
		for _, c := range all {
			c.Send(ws.Binary, make([]byte, 10))
		}
		p.settle()
	}
	p.wantData("stream 3 takes all", "3:12", "3:12", "3:12")
	if p.core.stats.SocketsSlow != 2 {
		t.Errorf("%d sockets were slow", p.core.stats.SocketsSlow)
	}
}

func TestBufferedCountsTheMailbox(t *testing.T) {
	p, all := openQuiet(t, Limits{}, 1)
	all[0].Send(ws.Binary, make([]byte, 10))
	if n := all[0].Buffered(); n != 12 {
		t.Errorf("%d octets are buffered before the loop has seen them, want 12", n)
	}
	p.settle()
	if n := all[0].Buffered(); n != 12 {
		t.Errorf("%d octets are buffered after, want 12", n)
	}
	p.send("WINDOW_UPDATE 1 increment=12")
	if n := all[0].Buffered(); n != 0 {
		t.Errorf("%d octets are buffered when all is framed", n)
	}
}

func TestFullMailboxRefuses(t *testing.T) {
	p, all := openQuiet(t, Limits{MailboxSize: 100}, 1)
	all[0].Send(ws.Binary, make([]byte, 98))
	if err := all[0].Send(ws.Binary, nil); !errors.Is(err, ErrMailboxFull) {
		t.Fatalf("102 octets into a mailbox of 100: %v", err)
	}
	if n := all[0].Buffered(); n != 100 {
		t.Errorf("%d octets are buffered, and 100 were accepted", n)
	}
	p.settle()
	if err := all[0].Send(ws.Binary, nil); err != nil {
		t.Errorf("when the loop has taken them: %v", err)
	}
	if p.core.stats.SocketsSlow != 0 {
		t.Error("a full mailbox is not the socket's fault")
	}
}

func TestPreparedIsShared(t *testing.T) {
	p, all := openQuiet(t, Limits{}, 2)
	prepared, err := ws.Prepare(ws.Binary, bytes.Repeat([]byte("x"), 5000))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		c.SendPrepared(prepared)
	}
	p.settle()
	for i := range all {
		s := p.conn.streams.find(uint32(2*i + 1))
		if g := s.queue.first(); &g.b[0] != &prepared.Frame()[0] || g.owner != bytesShared {
			t.Errorf("stream %d has a copy", s.id)
		}
	}
	p.send("SETTINGS INITIAL_WINDOW_SIZE=3000", "SETTINGS INITIAL_WINDOW_SIZE=10000")
	p.wantData("cut where the windows cut it", "SETTINGS", "1:3000", "3:3000", "SETTINGS", "1:2004", "3:2004")
}

// Of many pings one is answered, the last, and one segment is held.
func TestPingFlood(t *testing.T) {
	p, _ := openQuiet(t, Limits{}, 1)
	for i := range 10_000 {
		p.data(1, 0, message(ws.OpPing, fmt.Sprint(i)))
	}
	p.frames()
	s := p.conn.streams.find(1)
	if g := s.queue.first(); g != s.queue.last {
		t.Error("more than one segment waits")
	}
	p.send("WINDOW_UPDATE 1 increment=100")
	p.want("the newest is answered", `DATA 1 0x8a04 "9999"`)
}

func TestPongDoesNotCutAMessage(t *testing.T) {
	p, all := openQuiet(t, Limits{}, 1)
	all[0].Send(ws.Binary, make([]byte, 3000))
	all[0].Send(ws.Binary, make([]byte, 10))
	p.settle()
	p.send("WINDOW_UPDATE 1 increment=2000")
	p.wantData("two thirds of a message", "1:2000")
	p.data(1, 0, message(ws.OpPing, "one"))
	p.data(1, 0, message(ws.OpPing, "two"))
	p.send("WINDOW_UPDATE 1 increment=1004")
	p.wantData("the rest of it first", "1:1004")
	p.send("WINDOW_UPDATE 1 increment=5")
	p.want("then the pong", `DATA 1 0x8a03 "two"`)
	p.send("WINDOW_UPDATE 1 increment=12")
	p.wantData("then the next message", "1:12")
}

func TestAssemblyLimit(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	p.open(1)
	p.open(3)
	p.open(5)
	half := message(ws.OpText, string(make([]byte, 800)))[:408]
	p.data(1, 0, half)
	p.core.limits.AssemblySize = 2 * p.conn.assembly
	p.data(3, 0, half)
	p.want("the buffers of two are allowed")
	p.data(5, 0, half)
	p.want("the socket that crosses the limit closes with 1013", `DATA 5 END_STREAM 0x881e03f5 "too many incomplete messages"`)
	if p.conn.assembly != p.core.limits.AssemblySize {
		t.Errorf("%d octets are accounted for two of %d", p.conn.assembly, p.core.limits.AssemblySize)
	}
	p.data(1, 0, message(ws.OpText, string(make([]byte, 800)))[408:])
	p.want("the others go on", "DATA 1 "+fmt.Sprintf("0x817e0320%x", make([]byte, 800)))
	p.send("RST_STREAM 3 CANCEL")
	if p.conn.assembly != 0 {
		t.Errorf("%d octets are accounted when all messages are gone", p.conn.assembly)
	}
}
