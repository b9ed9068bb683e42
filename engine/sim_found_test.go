package engine

import (
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// What the simulation has found, or reading the code for it, and what it reaches too seldom, as dialogues.

// quiet is a handler that accepts and says nothing; the test holds its sockets.
func quiet(sockets *[]*ws.Conn) ws.Funcs {
	return ws.Funcs{Open: func(c *ws.Conn) { *sockets = append(*sockets, c) }}
}

func TestFoundInitialWindowSizeGrowsUnderBlockedStreams(t *testing.T) {
	var sockets []*ws.Conn
	p := openTestPeer(t, Limits{}, quiet(&sockets))
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	p.want("SETTINGS are acknowledged", "SETTINGS ACK")
	p.open(1)
	p.open(3)
	for _, c := range sockets {
		c.Send(ws.Text, []byte("x"))
	}
	p.settle()
	p.want("without a window nothing is sent")
	p.send("SETTINGS INITIAL_WINDOW_SIZE=100")
	p.want("a larger base frees all blocked streams", "SETTINGS ACK", `DATA 1 0x8101 "x"`, `DATA 3 0x8101 "x"`)
}

func TestFoundWindowUpdateAfterGrowth(t *testing.T) {
	var sockets []*ws.Conn
	p := openTestPeer(t, Limits{}, quiet(&sockets))
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	p.want("SETTINGS are acknowledged", "SETTINGS ACK")
	p.open(1)
	p.open(3)
	for _, c := range sockets {
		c.Send(ws.Text, []byte("x"))
	}
	p.settle()
	p.room = 0
	p.send("SETTINGS INITIAL_WINDOW_SIZE=1")
	p.send("WINDOW_UPDATE 1 increment=2")
	p.send("RST_STREAM 3 CANCEL")
	p.frames()
}

func TestFoundLastStreamTimesOutInDrain(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	p.open(1)
	p.core.box.call(p.conn.startDrain)
	p.settle()
	p.want("GOAWAY and Close", "GOAWAY last=2147483647 NO_ERROR", "PING 0x647261696e696e67", `DATA 1 0x880c03e9 "going away"`)
	p.send("PING ACK 0x647261696e696e67")
	p.want("the final GOAWAY", "GOAWAY last=1 NO_ERROR")
	p.later(5 * time.Second)
	p.want("a peer that does not answer is reset, and that was the last stream", "RST_STREAM 1 CANCEL", "GOAWAY last=1 NO_ERROR")
}

func TestFoundAssemblyOfClosedSockets(t *testing.T) {
	var sockets []*ws.Conn
	p := openTestPeer(t, Limits{}, quiet(&sockets))
	p.open(1)
	p.data(1, 0, message(ws.OpText, "half a message")[:10])
	if p.conn.assembly == 0 {
		t.Fatal("the message is not assembled")
	}
	sockets[0].Close(ws.CloseNormal, "")
	p.settle()
	p.send("RST_STREAM 1 CANCEL")
	if p.conn.assembly != 0 {
		t.Errorf("%d octets are counted for incomplete messages, and there is no stream", p.conn.assembly)
	}
}

func TestFoundPongFitsWhereMessageDoesNot(t *testing.T) {
	var sockets []*ws.Conn
	p := openTestPeer(t, Limits{}, quiet(&sockets))
	p.send("SETTINGS INITIAL_WINDOW_SIZE=10")
	p.want("SETTINGS are acknowledged", "SETTINGS ACK")
	p.open(1)
	sockets[0].Send(ws.Binary, make([]byte, 5000))
	p.settle()
	p.want("a window too small for the message waits for a larger")
	p.data(1, 0, message(ws.OpPing, "and yet?"))
	p.want("it takes the pong", `DATA 1 0x8a08 "and yet?"`)
}

func TestFoundSlowWhileClosing(t *testing.T) {
	var sockets []*ws.Conn
	p := openTestPeer(t, Limits{Queue: ws.QueueLimits{MaxMessages: 2}}, quiet(&sockets))
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	p.want("SETTINGS are acknowledged", "SETTINGS ACK")
	p.open(1)
	c := sockets[0]
	c.Send(ws.Text, []byte("1"))
	c.Send(ws.Text, []byte("2"))
	p.core.box.call(p.conn.startDrain)
	p.settle()
	p.frames()
	streamOf(&p.conn.streams.find(1).slot).refuse() // a Send that was on its way when the drain began
	p.settle()
	p.send("WINDOW_UPDATE 1 increment=1000")
	p.want("messages are dropped, the Close is not", `DATA 1 END_STREAM 0x880c03e9 "going away"`)
}

func TestFoundDrainAfterPeersGoAway(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	p.open(1)
	p.send(`GOAWAY last=0 NO_ERROR`)
	p.core.box.call(p.conn.startDrain)
	p.settle()
	if s := p.conn.streams.find(1); !s.shut {
		t.Errorf("the socket is not closed: %q", p.frames())
	}
}

func TestFoundKeepaliveBehindGoAway(t *testing.T) {
	p := openTestPeer(t, Limits{CloseTimeout: 30 * time.Second}, nil)
	p.open(1)
	p.send(`GOAWAY last=0 NO_ERROR`)
	p.data(1, 0, message(ws.OpText, "x"))
	p.conn.streams.find(1).ws.Close(ws.CloseNormal, "")
	p.settle()
	p.frames()
	p.later(30 * time.Second)
	p.want("GOAWAY is the last word", "RST_STREAM 1 CANCEL", "GOAWAY last=1 NO_ERROR")
}

func TestFoundPongThatHasBegun(t *testing.T) {
	var sockets []*ws.Conn
	p := openTestPeer(t, Limits{}, quiet(&sockets))
	p.send("SETTINGS INITIAL_WINDOW_SIZE=1030")
	p.want("SETTINGS are acknowledged", "SETTINGS ACK")
	p.open(1)
	sockets[0].Send(ws.Binary, make([]byte, 2000))
	p.settle()
	p.data(1, 0, message(ws.OpPing, "first..."))
	p.frames()
	p.send("WINDOW_UPDATE 1 increment=980") // the message's last 974 octets, and 6 of the pong's 10
	p.data(1, 0, message(ws.OpPing, "second.."))
	p.frames()
	p.send("WINDOW_UPDATE 1 increment=100")
	p.want("a pong that has begun is finished, the next one is another", `DATA 1 "t..." 0x8a08 "second.."`)
}

func TestFoundResetFreesConnectionWindow(t *testing.T) {
	var sockets []*ws.Conn
	p := openTestPeer(t, Limits{}, quiet(&sockets))
	for _, id := range []uint32{1, 3, 5} {
		p.open(id)
	}
	for range 6 { // 65,535 octets but for 105
		sockets[0].Send(ws.Binary, make([]byte, 10901))
	}
	p.settle()
	p.frames()
	p.send("WINDOW_UPDATE 1 increment=10000")
	sockets[0].Send(ws.Binary, make([]byte, 5000))
	p.settle()
	p.want("what is left of the connection's window is too small for a long message")
	sockets[1].Send(ws.Text, []byte("short"))
	p.settle()
	p.want("those behind wait their turn")
	p.send("RST_STREAM 1 CANCEL")
	p.want("which comes when the first is gone", `DATA 3 0x8105 "short"`)
}

// What is queued is dropped when the socket is found slow, and nothing that was sent later may follow.
func TestFoundEndOfStreamOfASlowSocket(t *testing.T) {
	var sockets []*ws.Conn
	p := openTestPeer(t, Limits{Queue: ws.QueueLimits{MaxMessages: 2}}, quiet(&sockets))
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	p.frames()
	p.open(1)
	c := sockets[0]
	for range 2 {
		c.Send(ws.Text, []byte("x"))
	}
	p.settle()
	p.frames()
	p.conn.recv(frame.AppendWindowUpdate(nil, 1, 3)) // of the first alone
	if err := c.Send(ws.Text, []byte("too many")); err != ws.ErrSlow {
		t.Fatal(err)
	}
	p.flush() // the turn's, before the loop looks into its mailbox again
	if err := c.Send(ws.Text, []byte("later")); err != nil {
		t.Fatal(err)
	}
	p.conn.recv(frame.AppendData(nil, 1, frame.FlagEndStream, nil))
	p.send("WINDOW_UPDATE 1 increment=1000")
	p.want("the first message, and the end", `DATA 1 0x8101 "x"`, "DATA 1 END_STREAM")
}
