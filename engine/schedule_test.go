package engine

import (
	"fmt"
	"strings"
	"testing"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// publisher is a handler that sends messages of a text's size when the text arrives: "10 20 30" is answered with
// three binary messages in one go.
func publisher(p **testPeer) ws.Funcs {
	return ws.Funcs{Message: func(c *ws.Conn, m ws.Message) {
		for size := range strings.FieldsSeq(string(m.Data)) {
			var n int
			fmt.Sscan(size, &n)
			if err := c.Send(ws.Binary, []byte(strings.Repeat("x", n))); err != nil {
				(*p).logf("send %d: %v", n, err)
			}
		}
	}}
}

// openPublisher is a peer of a publisher with streams 1, 3, 5... open.
func openPublisher(t *testing.T, l Limits, settings string, streams int) *testPeer {
	t.Helper()
	var p *testPeer
	p = openTestPeer(t, l, publisher(&p))
	p.send("SETTINGS " + settings)
	p.want("SETTINGS are acknowledged", "SETTINGS ACK")
	for i := range streams {
		p.open(uint32(2*i + 1))
	}
	return p
}

// ask has the server send messages of these sizes on a stream.
func (p *testPeer) ask(id uint32, sizes string) { p.data(id, 0, message(ws.OpText, sizes)) }

// wantData checks that exactly these frames were written: "1:20 3:10 5:7E" is 20 octets on
// stream 1, 10 on stream 3, and 7 with END_STREAM on 5; of other frames it is the type.
func (p *testPeer) wantData(why string, frames ...string) {
	p.t.Helper()
	var got []string
	for len(p.out) > 0 {
		h, n := frame.ConsumeHeader(p.out)
		text := fmt.Sprintf("%d:%d", h.StreamID, h.Length)
		switch {
		case h.Type != frame.Data:
			text = h.Type.String()
		case h.Flags.Has(frame.FlagEndStream):
			text += "E"
		}
		got = append(got, text)
		p.out = p.out[n+int(h.Length):]
	}
	if want := strings.Join(frames, " "); strings.Join(got, " ") != want {
		p.t.Fatalf("%s:\n got %s\nwant %s", why, strings.Join(got, " "), want)
	}
	p.checkRings()
}

// checkRings checks what a flushed connection with an open window promises: streams with output are on
// one ring, and those on ready are none, as they have been served.
func (p *testPeer) checkRings() {
	p.t.Helper()
	c := p.conn
	ready, blocked := 0, 0
	c.streams.visit(c.streams.size(), c.streams.size(), func(s *stream) {
		if output := !s.queue.empty() || s.end; output != (s.turn != turnNone) || output != s.slot.Linked() {
			p.t.Errorf("stream %d: output %v, turn %d, linked %v", s.id, output, s.turn, s.slot.Linked())
		}
		switch s.turn {
		case turnReady:
			ready++
		case turnBlocked:
			blocked++
		}
	})
	if ready != c.ready.Len() || blocked != c.blocked.Len() {
		p.t.Errorf("rings hold %d ready and %d blocked, streams say %d and %d", c.ready.Len(), c.blocked.Len(), ready, blocked)
	}
}

func TestMessagesOfOneStreamLeaveInOneFrame(t *testing.T) {
	p := openPublisher(t, Limits{}, "", 2)
	p.ask(1, "1 2 3")
	p.wantData("three messages in one DATA frame", "1:12")
	p.ask(1, "10000 10000")
	p.wantData("a frame ends at MAX_FRAME_SIZE, wherever the message is", fmt.Sprintf("1:16384 1:%d", 2*10004-16384))
	p.write(string(frame.AppendData(nil, 1, 0, message(ws.OpText, "20000"))) + string(frame.AppendData(nil, 3, 0, message(ws.OpText, "20000"))))
	p.wantData("streams take turns, a frame each", "1:16384 3:16384 1:3620 3:3620")
}

func TestLargePeerFramesAreNotUsed(t *testing.T) {
	p := openPublisher(t, Limits{}, "MAX_FRAME_SIZE=65536", 1)
	p.ask(1, "20000")
	p.wantData("every peer must take 16,384, so nobody is sent more", "1:16384 1:3620")
}

func TestStreamWindowIsNotExceeded(t *testing.T) {
	p := openPublisher(t, Limits{}, "INITIAL_WINDOW_SIZE=3000", 2)
	p.ask(1, "5000")
	p.wantData("what the window holds", "1:3000")
	p.ask(3, "10")
	p.wantData("another stream has a window of its own", "3:12")
	p.send("WINDOW_UPDATE 1 increment=1500")
	p.wantData("what was granted", "1:1500")
	p.send("WINDOW_UPDATE 1 increment=100000")
	p.wantData("the rest", "1:504")
}

func TestConnectionWindowIsNotExceeded(t *testing.T) {
	p := openPublisher(t, Limits{Queue: ws.QueueLimits{MaxBytes: 1 << 20}}, "INITIAL_WINDOW_SIZE=1000000", 3)
	p.ask(1, "60000")
	p.wantData("60,000 of 65,535", "1:16384 1:16384 1:16384 1:10852")
	p.ask(3, "6000")
	p.wantData("the rest of the connection's window", "3:5531")
	p.ask(5, "10")
	p.wantData("nothing is left for others")
	p.send("WINDOW_UPDATE 0 increment=400")
	p.wantData("400 do not finish the message begun, and are less than 1 KiB")
	p.send("WINDOW_UPDATE 0 increment=72")
	p.wantData("nor do 472")
	p.send("WINDOW_UPDATE 0 increment=1")
	p.wantData("473 finish it", "3:473")
	p.send("WINDOW_UPDATE 0 increment=12")
	p.wantData("and then it is stream 5's turn", "5:12")
}

func TestNoDribble(t *testing.T) {
	p := openPublisher(t, Limits{RuleScale: -1}, "INITIAL_WINDOW_SIZE=0", 1)
	p.ask(1, "2000")
	for range dribbleMin - 1 {
		p.send("WINDOW_UPDATE 1 increment=1")
	}
	p.wantData("1,023 octets of window for 2,004 send nothing (CVE-2019-9511)")
	p.send("WINDOW_UPDATE 1 increment=1")
	p.wantData("1,024 do", "1:1024")
	p.send("WINDOW_UPDATE 1 increment=979")
	p.wantData("one octet short of the end")
	p.send("WINDOW_UPDATE 1 increment=1")
	p.wantData("what finishes the message is no dribble", "1:980")
}

func TestBlockedStreamGetsWindowFromSettings(t *testing.T) {
	p := openPublisher(t, Limits{}, "INITIAL_WINDOW_SIZE=0", 3)
	for id := uint32(1); id <= 5; id += 2 {
		p.ask(id, "10")
	}
	p.wantData("no window, no DATA")
	p.send("SETTINGS INITIAL_WINDOW_SIZE=12")
	p.want("the ACK comes before the DATA that the SETTINGS released", "SETTINGS ACK",
		`DATA 1 0x820a "xxxxxxxxxx"`, `DATA 3 0x820a "xxxxxxxxxx"`, `DATA 5 0x820a "xxxxxxxxxx"`)
	p.checkRings()
	p.ask(1, "1")
	p.wantData("the windows are used up")
	p.send("SETTINGS INITIAL_WINDOW_SIZE=14")
	p.want("two more octets each hold no message", "SETTINGS ACK")
	p.checkRings()
	p.send("WINDOW_UPDATE 1 increment=1")
	p.wantData("three do", "1:3")
}

func TestBlockedStreamAfterSettingsCanBeReset(t *testing.T) {
	p := openPublisher(t, Limits{}, "INITIAL_WINDOW_SIZE=0", 3)
	for id := uint32(1); id <= 5; id += 2 {
		p.ask(id, "10")
	}
	// All in one flight, so that the streams are looked at while they are on their way from one ring to the other.
	var flight []byte
	for _, line := range []string{"SETTINGS INITIAL_WINDOW_SIZE=5", "RST_STREAM 1 CANCEL",
		"WINDOW_UPDATE 3 increment=7", "SETTINGS INITIAL_WINDOW_SIZE=6"} {
		wire, err := frame.ParseText(line)
		if err != nil {
			t.Fatal(err)
		}
		flight = append(flight, wire...)
	}
	p.write(string(flight))
	p.want("stream 3 has its 12 octets", "SETTINGS ACK", "SETTINGS ACK", `DATA 3 0x820a "xxxxxxxxxx"`)
	p.checkRings()
	p.send("SETTINGS INITIAL_WINDOW_SIZE=12")
	p.want("and stream 5 when there is room", "SETTINGS ACK", `DATA 5 0x820a "xxxxxxxxxx"`)
	p.checkRings()
}

func TestNegativeWindow(t *testing.T) {
	p := openPublisher(t, Limits{}, "INITIAL_WINDOW_SIZE=100", 1)
	p.ask(1, "90")
	p.wantData("92 of 100", "1:92")
	p.send("SETTINGS INITIAL_WINDOW_SIZE=50")
	p.want("the window is -42 now (RFC 9113 §6.9.2)", "SETTINGS ACK")
	p.ask(1, "1")
	p.send("WINDOW_UPDATE 1 increment=44")
	p.wantData("2 octets are too few")
	p.send("WINDOW_UPDATE 1 increment=1")
	p.wantData("3 are enough", "1:3")
}

func TestReadyStreamLosesItsWindow(t *testing.T) {
	p := openPublisher(t, Limits{}, "INITIAL_WINDOW_SIZE=100", 2)
	p.room = 0
	p.ask(1, "98 30000") // the first is framed, but the socket is full
	p.ask(3, "98")
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	p.room = -1
	p.conn.touch()
	p.settle()
	p.wantData("stream 3 was ready and is not any more", "1:100", "SETTINGS")
	p.send("SETTINGS INITIAL_WINDOW_SIZE=2000")
	p.wantData("both go on", "SETTINGS", "1:1900", "3:100")
}

// Octet by octet up and down: whatever the peer does with INITIAL_WINDOW_SIZE, what is sent never exceeds
// it, and all of it arrives once there is room.
func TestInitialWindowUpAndDown(t *testing.T) {
	p := openPublisher(t, Limits{RuleScale: -1}, "INITIAL_WINDOW_SIZE=0", 20)
	for i := range 20 {
		p.ask(uint32(2*i+1), "50")
	}
	var flight []byte
	for size := range uint32(40) {
		flight = frame.AppendSettings(flight, frame.Setting{ID: frame.InitialWindowSize, Value: size})
		flight = frame.AppendSettings(flight, frame.Setting{ID: frame.InitialWindowSize, Value: 0})
	}
	p.write(string(flight))
	if got := p.frames(); len(got) != 80 {
		t.Fatalf("80 ACKs and nothing else: %q", got)
	}
	p.checkRings()
	p.send("SETTINGS INITIAL_WINDOW_SIZE=52")
	if got := p.frames(); len(got) != 21 {
		t.Fatalf("an ACK and the message of each stream: %q", got)
	}
	p.checkRings()
}

// More streams than a pull looks at get a window, lose it, and get it back: none is lost on the way, and no
// pull looks at more than its share.
func TestManyBlockedStreams(t *testing.T) {
	const streams = 2*visitsTurn + 100
	p := openTestPeer(t, Limits{MaxConcurrentStreams: streams, ConnWindow: 1 << 30}, ws.Funcs{
		Open: func(c *ws.Conn) { c.Send(ws.Binary, []byte("x")) },
	})
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0", "WINDOW_UPDATE 0 increment=1000000")
	for i := range uint32(streams) {
		p.headers(2*i+1, 0, p.connectFields())
	}
	p.out = nil
	for range 3 {
		p.send("SETTINGS INITIAL_WINDOW_SIZE=2", "SETTINGS INITIAL_WINDOW_SIZE=0") // one octet too few
		p.want("nothing fits", "SETTINGS ACK", "SETTINGS ACK")
		p.checkRings()
	}
	p.conn.setPeerInitial(3) // pull by pull
	g := newGather(gatherSize)
	for pulls := 0; p.conn.ready.Len()+p.conn.blocked.Len() > 0; pulls++ {
		if pulls > streams/visitsTurn+1 {
			t.Fatalf("%d ready and %d blocked after %d pulls", p.conn.ready.Len(), p.conn.blocked.Len(), pulls)
		}
		before := p.conn.blocked.Len()
		g.reset(gatherSize)
		p.conn.pull(g)
		if moved := before - p.conn.blocked.Len(); moved > visitsTurn {
			t.Errorf("one pull moved %d streams", moved)
		}
		p.checkRings()
	}
}

func TestEndOfStreamNeedsNoWindow(t *testing.T) {
	p := openPublisher(t, Limits{}, "INITIAL_WINDOW_SIZE=0", 1)
	p.data(1, frame.FlagEndStream, nil)
	p.want("END_STREAM without octets passes a closed window", "DATA 1 END_STREAM")
	if p.conn.streams.len() != 0 {
		t.Error("the stream is still there")
	}
}

func TestNoEmptyFrames(t *testing.T) {
	p := openPublisher(t, Limits{}, "INITIAL_WINDOW_SIZE=0", 1)
	p.ask(1, "10")
	p.send("WINDOW_UPDATE 0 increment=1", "SETTINGS INITIAL_WINDOW_SIZE=1", "SETTINGS INITIAL_WINDOW_SIZE=0")
	p.want("a stream without window is not heard of", "SETTINGS ACK", "SETTINGS ACK")
}

func TestShortWritesKeepOrder(t *testing.T) {
	p := openPublisher(t, Limits{}, "", 2)
	p.room = 0
	p.ask(1, "100")
	p.ask(3, "100")
	p.send("PING 0x0000000000000001")
	var written []byte
	for len(written) < 9+102+9+102+17 {
		p.room = 1
		p.conn.touch()
		p.settle()
		if len(p.out) != 1 {
			t.Fatalf("the socket took %d octets of 1", len(p.out))
		}
		written = append(written, p.out...)
		p.out = nil
	}
	p.room, p.out = -1, written
	p.want("what was framed before is not overtaken",
		`DATA 1 0x8264 "`+strings.Repeat("x", 100)+`"`, "PING ACK 0x0000000000000001", `DATA 3 0x8264 "`+strings.Repeat("x", 100)+`"`)
}
