package engine

import (
	"testing"

	"h2ws/ws"
)

// openAt opens a WebSocket at a path.
func (p *testPeer) openAt(id uint32, path string) {
	p.headers(id, 0, p.fields(":method", "CONNECT", ":protocol", "websocket", ":scheme", "http",
		":authority", "example.com", ":path", path, "sec-websocket-version", "13"))
}

// Each socket is the handler's of its path, from the handshake to its end.
func TestMuxServesByPath(t *testing.T) {
	var p *testPeer
	m := new(ws.Mux)
	for _, pattern := range []string{"/echo", "/rooms/"} {
		m.Handle(pattern, ws.Funcs{
			Handshake: func(r *ws.Request) {
				p.logf("%s: handshake %s ? %s", pattern, r.Path, r.RawQuery)
				if r.Query().Has("no") {
					r.Reject(410, "gone")
				}
			},
			Open:    func(c *ws.Conn) { p.logf("%s: open", pattern) },
			Message: func(c *ws.Conn, m ws.Message) { p.logf("%s: %s", pattern, m.Data) },
			Close:   func(c *ws.Conn, err error) { p.logf("%s: close %d", pattern, err.(*ws.CloseError).Code) },
		})
	}
	p = openTestPeer(t, Limits{}, m)
	p.openAt(1, "/echo?x=/rooms/")
	p.openAt(3, "/rooms/1")
	p.wantLog("each has its own", "/echo: handshake /echo ? x=/rooms/", "/echo: open", "/rooms/: handshake /rooms/1 ? ", "/rooms/: open")
	p.data(3, 0, message(ws.OpText, "for the room"))
	p.data(1, 0, message(ws.OpText, "for echo"))
	p.data(1, 0, message(ws.OpClose, "\x03\xe8"))
	p.send("RST_STREAM 3 CANCEL")
	p.wantLog("and keeps it", "/rooms/: for the room", "/echo: for echo", "/echo: close 1000", "/rooms/: close 1006")
	p.frames()

	p.openAt(5, "/echo/")
	p.want("an unknown path", "HEADERS 5 END_HEADERS 0x8d0f1019746578742f706c61696e3b20636861727365743d7574662d38",
		`DATA 5 END_STREAM "404 no such path" 0x0a`, "RST_STREAM 5 NO_ERROR")
	p.openAt(7, "/rooms/2?no")
	p.wantLog("only the handler of the path is asked", "/rooms/: handshake /rooms/2 ? no")
	if s := p.core.stats; s.SocketsRefused != 2 || s.SocketsOpened != 2 {
		t.Errorf("%+v", s)
	}
}

// dropNoter is a Dropper that notes what it is told.
type dropNoter struct {
	ws.Funcs
	drops map[*ws.Conn]int
}

func (n dropNoter) OnDrop(c *ws.Conn, d ws.Drop) { n.drops[c] += d.Messages }

// The members of one topic may have different handlers: those that want to be told of losses are.
func TestMuxTellsDropsToWhoWantsThem(t *testing.T) {
	topic := NewTopic("", TopicOptions{LogMessages: 2})
	accept := ws.Funcs{Handshake: func(r *ws.Request) { r.Accept(ws.AcceptOptions{Topics: []ws.Topic{topic}}) }}
	told := dropNoter{accept, make(map[*ws.Conn]int)}
	m := new(ws.Mux)
	m.Handle("/deaf", accept)
	m.Handle("/told", told)
	p := openTestPeer(t, Limits{}, m)
	p.openAt(1, "/deaf")
	p.openAt(3, "/told")
	p.openAt(5, "/told")
	p.room = 0
	p.conn.sendWindow.Take(65535)
	for range 10 {
		topic.Publish(prepared(t, "x"))
		p.settle()
	}
	p.room = -1
	p.send("WINDOW_UPDATE 0 increment=1000")
	if len(told.drops) != 2 || told.drops[&p.conn.streams.find(3).ws] < 8 || told.drops[&p.conn.streams.find(5).ws] < 8 {
		t.Errorf("%v", told.drops)
	}
}

// Sockets with the same limits share an endpoint, unless their handlers differ.
func TestMuxWithQueueLimits(t *testing.T) {
	var log []string
	m := new(ws.Mux)
	for _, pattern := range []string{"/a", "/b"} {
		m.Handle(pattern, ws.Funcs{
			Handshake: func(r *ws.Request) { r.Accept(ws.AcceptOptions{Queue: &ws.QueueLimits{MaxBytes: 1}}) },
			Open:      func(c *ws.Conn) { log = append(log, pattern) },
		})
	}
	p := openTestPeer(t, Limits{}, m)
	for i, path := range []string{"/a", "/b", "/a"} {
		p.openAt(uint32(2*i+1), path)
		if log[i] != path || p.conn.streams.find(uint32(2*i+1)).ws.QueueLimits().MaxBytes != 1 {
			t.Errorf("%s: %q", path, log)
		}
	}
	if len(p.core.endpoints) != 2 {
		t.Errorf("%d endpoints", len(p.core.endpoints))
	}
}
