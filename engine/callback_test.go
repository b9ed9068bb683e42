package engine

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// callbacks is a handler of which each callback logs and then does what the test wants.
func callbacks(p **testPeer, open func(*ws.Conn), message func(*ws.Conn, ws.Message), closed func(*ws.Conn, error)) ws.Funcs {
	return ws.Funcs{
		Open: func(c *ws.Conn) {
			(*p).logf("open")
			if open != nil {
				open(c)
			}
		},
		Message: func(c *ws.Conn, m ws.Message) {
			(*p).logf("message %q", m.Data)
			if message != nil {
				message(c, m)
			}
		},
		Close: func(c *ws.Conn, err error) {
			(*p).logf("close %d", err.(*ws.CloseError).Code)
			if closed != nil {
				closed(c, err)
			}
		},
	}
}

func TestPanicInOnOpen(t *testing.T) {
	var p *testPeer
	p = openTestPeer(t, Limits{}, callbacks(&p, func(c *ws.Conn) { c.Send(ws.Text, []byte("hi")); panic("open") }, nil, nil))
	p.headers(1, 0, p.connectFields())
	p.want("the handshake was accepted, what was sent is sent, and then it closes with 1011",
		"HEADERS 1 END_HEADERS 0x88", `DATA 1 END_STREAM 0x8102 "hi" 0x881003f3 "internal error"`)
	p.wantLog("OnClose is still called, once", "open", "close 1011")
	if p.core.stats.Panics != 1 {
		t.Errorf("%d panics are counted", p.core.stats.Panics)
	}
}

func TestPanicInOnMessage(t *testing.T) {
	var p *testPeer
	p = openTestPeer(t, Limits{}, callbacks(&p, nil, func(*ws.Conn, ws.Message) { panic("message") }, nil))
	p.open(1)
	p.open(3)
	p.data(1, 0, append(message(ws.OpText, "a"), message(ws.OpText, "b")...))
	p.want("it closes with 1011", `DATA 1 END_STREAM 0x881003f3 "internal error"`)
	p.wantLog("what came behind is not delivered", "open", "open", `message "a"`, "close 1011")
	p.send("RST_STREAM 1 CANCEL", "PING 0x0000000000000001")
	p.want("the connection lives", "PING ACK 0x0000000000000001")
}

func TestPanicInOnClose(t *testing.T) {
	var p *testPeer
	p = openTestPeer(t, Limits{}, callbacks(&p, nil, nil, func(*ws.Conn, error) { panic("close") }))
	for id := uint32(1); id < 9; id += 2 {
		p.open(id)
	}
	p.log = nil
	p.data(1, frame.FlagEndStream, message(ws.OpClose, "\x03\xe8"))
	p.want("the closing handshake goes on", "DATA 1 END_STREAM 0x880203e8")
	p.send("RST_STREAM 3 CANCEL")
	p.send("DATA 5") // nothing
	p.conn.lose(io.EOF)
	p.settle()
	p.wantLog("every OnClose panics, and none is called again", "close 1000", "close 1006", "close 1006", "close 1006")
	if p.core.stats.Panics != 4 || p.core.stats.Sockets != 0 {
		t.Errorf("%d panics, %d sockets", p.core.stats.Panics, p.core.stats.Sockets)
	}
}

func TestCloseInOnOpen(t *testing.T) {
	var p *testPeer
	p = openTestPeer(t, Limits{}, callbacks(&p, func(c *ws.Conn) { c.Send(ws.Text, []byte("hi")); c.Close(4000, "no") }, nil, nil))
	p.headers(1, 0, p.connectFields())
	p.want("message and Close in one frame behind the 200", "HEADERS 1 END_HEADERS 0x88", `DATA 1 0x8102 "hi" 0x88040fa0 "no"`)
	p.data(1, 0, message(ws.OpText, "late"))
	p.wantLog("no message is delivered", "open")
	p.data(1, frame.FlagEndStream, message(ws.OpClose, "\x0f\xa0"))
	p.want("then END_STREAM", "DATA 1 END_STREAM")
	p.wantLog("and OnClose with what the peer said", "close 4000")
}

func TestCloseInOnMessage(t *testing.T) {
	var p *testPeer
	p = openTestPeer(t, Limits{}, callbacks(&p, nil, func(c *ws.Conn, _ ws.Message) {
		c.Send(ws.Text, []byte("last"))
		for range 3 { // the first counts
			c.Close(ws.CloseNormal, "")
		}
		if err := c.Send(ws.Text, []byte("later")); !errors.Is(err, net.ErrClosed) {
			p.t.Errorf("Send behind Close: %v", err)
		}
	}, nil))
	p.open(1)
	p.data(1, 0, append(message(ws.OpText, "a"), message(ws.OpText, "b")...))
	p.want("one Close, behind the last message", `DATA 1 0x8104 "last" 0x880203e8`)
	p.wantLog("OnMessage is not called any more", "open", `message "a"`)
}

func TestCloseAndSendInOnClose(t *testing.T) {
	var p *testPeer
	p = openTestPeer(t, Limits{}, callbacks(&p, nil, nil, func(c *ws.Conn, _ error) {
		if err := c.Close(ws.CloseNormal, ""); !errors.Is(err, ws.ErrClosed) {
			p.t.Errorf("Close in OnClose: %v", err)
		}
		if err := c.Send(ws.Text, []byte("x")); !errors.Is(err, ws.ErrClosed) {
			p.t.Errorf("Send in OnClose: %v", err)
		}
	}))
	p.open(1)
	p.data(1, 0, message(ws.OpClose, ""))
	p.want("only the answer", "DATA 1 END_STREAM 0x8800")
	p.wantLog("once", "open", "close 1005")
}

// Messages that one callback sends to other sockets, of its own connection or another's.
func TestSendToOthers(t *testing.T) {
	var p *testPeer
	var all []*ws.Conn
	p = openTestPeer(t, Limits{}, callbacks(&p, func(c *ws.Conn) { all = append(all, c) },
		func(_ *ws.Conn, m ws.Message) {
			for _, c := range all {
				c.Send(m.Type, m.Data)
			}
		}, nil))
	p.open(1)
	p.open(3)
	p.data(1, 0, message(ws.OpText, "hi"))
	p.want("both hear it", `DATA 1 0x8102 "hi"`, `DATA 3 0x8102 "hi"`)
	p.send("RST_STREAM 1 CANCEL")
	p.data(3, 0, message(ws.OpText, "ho"))
	p.want("a socket that is gone takes nothing", `DATA 3 0x8102 "ho"`)
}

// What was accepted and can't be sent any more is counted, and nothing stays accounted.
func TestDiscardedMessagesAreCounted(t *testing.T) {
	p := openPublisher(t, Limits{}, "INITIAL_WINDOW_SIZE=0", 2)
	p.ask(1, "10 20 30")
	s := p.conn.streams.find(1)
	if s.Buffered() != 66 {
		t.Errorf("%d octets are buffered, want 66", s.Buffered())
	}
	p.send("RST_STREAM 1 CANCEL")
	if p.core.stats.MessagesDiscarded != 3 || s.queued.Load() != 0 {
		t.Errorf("%d messages of 3 are counted, %d octets stay accounted", p.core.stats.MessagesDiscarded, s.Buffered())
	}
	p.ask(3, "10")
	p.conn.lose(io.EOF)
	p.settle()
	if p.core.stats.MessagesDiscarded != 4 || p.conn.ready.Len()+p.conn.blocked.Len() != 0 {
		t.Errorf("%d messages of 4 are counted; rings %d, %d", p.core.stats.MessagesDiscarded, p.conn.ready.Len(), p.conn.blocked.Len())
	}
}

// The errors of OnClose say what happened (errors.Is, errors.As).
func TestCloseErrors(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(p *testPeer)
		want error
	}{
		"peer resets":        {func(p *testPeer) { p.send("RST_STREAM 1 CANCEL") }, ws.ErrReset},
		"we reset":           {func(p *testPeer) { p.send("WINDOW_UPDATE 1 increment=0") }, ws.ErrReset},
		"stream error":       {func(p *testPeer) { p.send("WINDOW_UPDATE 1 increment=0") }, errAny},
		"connection error":   {func(p *testPeer) { p.send("DATA 0") }, ws.ErrConnLost},
		"what it was":        {func(p *testPeer) { p.send("DATA 0") }, errAny},
		"socket lost":        {func(p *testPeer) { p.conn.lose(io.EOF); p.settle() }, io.EOF},
		"end without Close":  {func(p *testPeer) { p.send("DATA 1 END_STREAM") }, io.ErrUnexpectedEOF},
		"RFC 6455 broken":    {func(p *testPeer) { p.data(1, 0, []byte{0x81, 0x00}) }, ws.ErrProtocol},
		"too big":            {func(p *testPeer) { p.data(1, 0, message(ws.OpText, strings.Repeat("x", 101))) }, ws.ErrTooBig},
		"no answer to Close": {func(p *testPeer) { p.data(1, 0, message(ws.OpText, "close")); p.later(5 * time.Second) }, ws.ErrCloseTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			var got error
			p := openTestPeer(t, Limits{MessageSize: 100}, ws.Funcs{
				Message: func(c *ws.Conn, _ ws.Message) { c.Close(ws.CloseNormal, "") },
				Close:   func(_ *ws.Conn, err error) { got = err },
			})
			p.open(1)
			test.do(p)
			var closed *ws.CloseError
			if !errors.As(got, &closed) {
				t.Fatalf("no CloseError: %v", got)
			}
			var violation *frame.Error
			switch {
			case test.want == errAny && !errors.As(got, &violation):
				t.Errorf("%v does not wrap what was broken", got)
			case test.want != errAny && !errors.Is(got, test.want):
				t.Errorf("%v is not %v", got, test.want)
			}
		})
	}
}

var errAny = errors.New("a *frame.Error")
