package engine

import (
	"io"
	"strings"
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// half fills more than half of a stream's window with one message.
func (p *testPeer) half(id uint32) {
	for range 3 {
		p.data(id, 0, message(ws.OpBinary, strings.Repeat("x", 12_000)))
	}
}

func TestPauseWithholdsCredit(t *testing.T) {
	var sockets []*ws.Conn
	var got int
	h := quiet(&sockets)
	h.Message = func(*ws.Conn, ws.Message) { got++ }
	p := openTestPeer(t, Limits{}, h)
	p.open(1)
	p.open(3)
	p.half(1)
	p.want("credit", "WINDOW_UPDATE 1 increment=36024")
	sockets[0].Pause()
	p.half(1)
	p.half(3)
	p.want("none for who is paused", "WINDOW_UPDATE 3 increment=36024")
	if got != 9 {
		t.Errorf("%d messages are delivered, all that came", got)
	}
	sockets[0].Resume()
	p.settle()
	p.want("it is given back", "WINDOW_UPDATE 1 increment=36024")
	sockets[0].Pause()
	p.data(1, 0, message(ws.OpText, "x"))
	sockets[0].Resume()
	sockets[0].Pause() // before the loop has looked
	p.half(1)
	p.want("a pause counts at once, also behind a Resume")
	p.data(1, 0, message(ws.OpBinary, strings.Repeat("x", 16_000)))
	p.data(1, 0, message(ws.OpBinary, strings.Repeat("x", 65535-36024-7-16008-8+1)))
	if got := p.frames(); len(got) == 0 || got[len(got)-1] != "RST_STREAM 1 FLOW_CONTROL_ERROR" {
		t.Errorf("the window is what bounds it: %q", got)
	}
}

// Pings, and the closing handshake from either side, go on within the window.
func TestPauseAndClose(t *testing.T) {
	var sockets []*ws.Conn
	p := openTestPeer(t, Limits{}, quiet(&sockets))
	p.open(1)
	p.open(3)
	for _, c := range sockets {
		c.Pause()
	}
	p.data(1, 0, message(ws.OpPing, "?"))
	p.want("a pong", "DATA 1 0x8a013f")
	p.data(1, frame.FlagEndStream, message(ws.OpClose, "\x03\xe8"))
	p.want("the peer closes", "DATA 1 END_STREAM 0x880203e8")
	p.half(3)
	p.want("no credit")
	sockets[1].Close(4000, "")
	p.settle()
	p.want("we close, and let the peer say so", "WINDOW_UPDATE 3 increment=36024", "DATA 3 0x88020fa0")
	p.half(3)
	p.want("what comes reaches nobody and is consumed", "WINDOW_UPDATE 3 increment=36024")
}

func TestResumeOfWhatIsGone(t *testing.T) {
	for name, end := range map[string]func(p *testPeer){
		"reset":      func(p *testPeer) { p.send("RST_STREAM 1 CANCEL") },
		"lost":       func(p *testPeer) { p.conn.lose(io.EOF); p.settle() },
		"leaving":    func(p *testPeer) { p.conn.recv(frame.AppendData(nil, 0, 0, nil)) },
		"END_STREAM": func(p *testPeer) { p.send("SETTINGS INITIAL_WINDOW_SIZE=0"); p.data(1, frame.FlagEndStream, nil) },
	} {
		var sockets []*ws.Conn
		p := openTestPeer(t, Limits{}, quiet(&sockets))
		p.open(1)
		sockets[0].Pause()
		p.half(1)
		end(p)
		sockets[0].Resume()
		p.settle()
		for _, line := range p.frames() {
			if strings.HasPrefix(line, "WINDOW_UPDATE 1") {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}

// A socket that may not send is not blamed for it.
func TestPausedSocketsNeedNotAnswerPings(t *testing.T) {
	var sockets []*ws.Conn
	p := openTestPeer(t, pingLimits, quiet(&sockets))
	p.open(1)
	sockets[0].Pause()
	p.untilPing()
	p.later(10 * time.Second)
	p.want("a ping, and no consequence", "DATA 1 0x8900")
	sockets[0].Resume()
	p.untilPing()
	p.later(10 * time.Second)
	p.want("then it is", "DATA 1 0x8900", "RST_STREAM 1 CANCEL")
}

// drainNoting notes who has drained.
type drainNoting struct {
	ws.Funcs
	p *testPeer
}

func (d *drainNoting) OnDrain(c *ws.Conn) { d.p.logf("drained %d", c.Lower().(*stream).id) }

func openDrainNoting(t *testing.T, l Limits) (p *testPeer, sockets *[]*ws.Conn) {
	sockets = new([]*ws.Conn)
	h := &drainNoting{Funcs: quiet(sockets)}
	p = openTestPeer(t, l, h)
	h.p = p
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	p.frames()
	p.open(1)
	p.open(3)
	return p, sockets
}

func TestOnDrain(t *testing.T) {
	p, all := openDrainNoting(t, Limits{Queue: ws.QueueLimits{MaxMessages: 2}})
	c := (*all)[0]
	c.AwaitDrain()
	p.settle()
	p.wantLog("at once: nothing waits", "drained 1")
	for range 2 {
		if err := c.TrySend(ws.Text, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := c.TrySend(ws.Text, []byte("x")); err != ws.ErrSlow {
			t.Fatal(err)
		}
	}
	p.settle()
	if p.core.stats.SocketsSlow != 0 {
		t.Error("TrySend has closed the socket")
	}
	c.AwaitDrain()
	c.AwaitDrain()
	p.send("WINDOW_UPDATE 1 increment=3")
	p.wantLog("one still waits")
	p.send("WINDOW_UPDATE 1 increment=100")
	p.wantLog("once, when the queue is empty", "drained 1")
	if err := c.TrySend(ws.Text, []byte("y")); err != nil {
		t.Error(err)
	}
	p.settle()
	p.wantLog("not again")
	c.AwaitDrain()
	p.settle()
	p.wantLog("it was sent at once", "drained 1")
}

// What empties a queue otherwise: its policy, and the end of the socket, which is told by OnClose alone.
func TestOnDrainOfDropsAndEnds(t *testing.T) {
	p, all := openDrainNoting(t, Limits{})
	for i, c := range *all {
		c.TrySend(ws.Text, []byte("x"))
		c.AwaitDrain()
		p.settle()
		p.wantLog("it waits")
		if i == 0 {
			p.send("RST_STREAM 1 CANCEL")
			p.wantLog("the socket is gone")
			c.AwaitDrain()
			p.settle()
			p.wantLog("and stays so")
		} else {
			s := p.conn.streams.find(3)
			for s.dropOldest() {
			}
			p.settle()
			p.wantLog("dropped", "drained 3")
		}
	}
	p.conn.lose(io.EOF)
	p.settle()
	if len(p.core.drained) != 0 {
		t.Errorf("%d are not told", len(p.core.drained))
	}
}

// A handler that sends from OnDrain goes at the pace of its peer.
type paced struct {
	ws.Nop
	sent int
}

func (h *paced) OnOpen(c *ws.Conn) { c.AwaitDrain() }

func (h *paced) OnDrain(c *ws.Conn) {
	for h.sent < 1000 && c.TrySend(ws.Binary, make([]byte, 1000)) == nil {
		h.sent++
	}
	if h.sent < 1000 {
		c.AwaitDrain()
	}
}

func TestOnDrainPaces(t *testing.T) {
	h := new(paced)
	p := openTestPeer(t, Limits{Queue: ws.QueueLimits{MaxBytes: 5000}}, h)
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	p.frames()
	p.headers(1, 0, p.connectFields())
	p.frames()
	octets := 0
	for i := range 2000 {
		if s := p.conn.streams.find(1); s.Buffered() > 6100 {
			t.Fatalf("%d octets wait", s.Buffered())
		}
		if i%8 == 0 {
			p.send("WINDOW_UPDATE 0 increment=7000")
		}
		p.send("WINDOW_UPDATE 1 increment=2000")
		octets += len(p.out)
		p.out = nil
		if h.sent == 1000 && p.conn.streams.find(1).Buffered() == 0 {
			break
		}
	}
	if h.sent != 1000 || octets < 1_004_000 || p.core.stats.SocketsSlow != 0 {
		t.Errorf("%d messages, %d octets sent", h.sent, octets)
	}
}

// Over HTTP/1.1 a paused connection is not read, and not blamed for its silence.
func TestPauseOfRawConnection(t *testing.T) {
	var sockets []*ws.Conn
	p := newUnconnectedPeer(t, Limits{SocketPingInterval: time.Minute}, quiet(&sockets))
	p.upgrade("/")
	c := sockets[0]
	c.Pause()
	for range 10 {
		p.later(30 * time.Second)
	}
	if !p.conn.withheld() || p.conn.state != connOpen || p.core.stats.SocketsSilent != 0 {
		t.Fatalf("withheld %t, state %d", p.conn.withheld(), p.conn.state)
	}
	p.conn.dirty = false
	c.Resume()
	p.core.deliver()
	if p.conn.withheld() || !p.conn.dirty {
		t.Error("the loop does not look at it again")
	}
	p.settle()
	p.later(30 * time.Second)
	p.later(10 * time.Second)
	if p.conn.state != connLost {
		t.Error("then it is")
	}
	p = openTestPeer(t, Limits{}, quiet(&sockets))
	p.open(1)
	sockets[1].Pause()
	if p.conn.withheld() {
		t.Error("over HTTP/2 the others are read")
	}
}
