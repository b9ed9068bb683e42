package engine

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// testPeer is a scripted peer of one connection, without sockets, goroutines or a clock: octets are given to
// the core, frames come out in the text notation of package frame, now is a variable.
type testPeer struct {
	t    *testing.T
	core *core
	conn *conn
	out  []byte   // what the server has written and the test not yet looked at
	log  []string // callbacks, in order
	enc  *hpack.Encoder
	encb strings.Builder

	// room is how many octets the socket takes; negative: any number.
	room int
	rest []byte

	broken func(octets int, in bool) int // how many of these octets go through before the connection breaks; nil: it does not

	gather *gather
}

// echo is the handler of most tests: it echoes, and logs what happens.
func (p *testPeer) handler() ws.Funcs {
	return ws.Funcs{
		Open: func(c *ws.Conn) { p.logf("open") },
		Message: func(c *ws.Conn, m ws.Message) {
			p.logf("message %q", m.Data)
			c.Send(m.Type, m.Data)
		},
		Close: func(c *ws.Conn, err error) { p.logf("close: %v", err) },
	}
}

func (p *testPeer) logf(format string, args ...any) {
	p.log = append(p.log, fmt.Sprintf(format, args...))
}

// newTestPeer connects a peer to a new core. h nil means the logging echo.
func newTestPeer(t *testing.T, l Limits, h ws.Handler) *testPeer {
	p := newUnconnectedPeer(t, l, h)
	p.connect()
	return p
}

func newUnconnectedPeer(t *testing.T, l Limits, h ws.Handler) *testPeer {
	p := &testPeer{t: t, room: -1}
	if h == nil {
		h = p.handler()
	}
	l = l.withDefaults()
	k := newCore(l, ws.NewEndpoint(h, ws.EndpointOptions{MessageBytesMax: l.MessageSize, Queue: l.Queue}), slog.New(slog.NewTextHandler(io.Discard, nil)))
	k.now = time.Hour
	p.core = k
	return p
}

// testRemote is where peers come from.
var testRemote = netip.MustParseAddrPort("192.0.2.1:4711")

// connect makes the peer's connection, after a first one another. It speaks HTTP/2.
func (p *testPeer) connect() {
	p.conn = newConn(p.core, testRemote)
	p.enc = hpack.NewEncoder(&p.encb)
	p.settle()
}

// sniff makes a connection that may speak anything.
func (p *testPeer) sniff() {
	p.conn = newUnknownConn(p.core, testRemote)
	p.enc = hpack.NewEncoder(&p.encb)
	p.settle()
}

// upgrade makes a connection that an opening handshake in HTTP/1.1 has brought, and has it decided.
func (p *testPeer) upgrade(path string) {
	p.conn = newRawConn(p.core, testRemote)
	p.conn.openUpgrade(testUpgrade(path))
	p.settle()
}

// testUpgrade has the key of RFC 6455 §1.3.
func testUpgrade(path string) *upgrade {
	request, err := http.NewRequest("GET", "http://example.com"+path, nil)
	if err != nil {
		panic(err)
	}
	for name, value := range map[string]string{
		"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		request.Header.Set(name, value)
	}
	return newUpgrade(request)
}

// openTestPeer is a peer that has exchanged SETTINGS.
func openTestPeer(t *testing.T, l Limits, h ws.Handler) *testPeer {
	p := newTestPeer(t, l, h)
	p.write(frame.Preface)
	p.send("SETTINGS")
	p.send("SETTINGS ACK")
	p.out = nil
	return p
}

// send gives the server frames in text notation, one to a line.
func (p *testPeer) send(lines ...string) {
	p.t.Helper()
	for _, line := range lines {
		wire, err := frame.ParseText(line)
		if err != nil {
			p.t.Fatalf("%s: %v", line, err)
		}
		p.write(string(wire))
	}
}

// write gives the server octets, then does what a loop does before it sleeps.
func (p *testPeer) write(octets string) {
	n := len(octets)
	if p.broken != nil {
		n = p.broken(n, true)
	}
	rest := []byte(octets[:n])
	for len(rest) > 0 {
		rest = p.conn.recv(rest)
		p.settle()
	}
	if n < len(octets) {
		p.conn.lose(io.EOF)
	}
	p.settle()
}

// settle is a turn of the loop without its I/O.
func (p *testPeer) settle() {
	k := p.core
	for {
		for again := true; again; again = k.feedUnfed() {
			for more := true; more; {
				more = k.deliver()
				p.flush()
			}
			k.settle()
		}
		k.relieve()
		k.tellDrops()
		k.tellDrained()
		more := k.sweep()
		p.flush()
		if !more && len(k.box.posts) == 0 && len(k.box.calls) == 0 && len(k.drained) == 0 {
			return
		}
	}
}

// flush writes what is dirty, as far as there is room.
func (p *testPeer) flush() {
	k := p.core
	for len(k.dirty) > 0 {
		dirty := k.dirty
		k.dirty = nil
		for _, c := range dirty {
			c.dirty = false
			if c == p.conn {
				p.flushConn()
			}
		}
	}
}

func (p *testPeer) flushConn() {
	c := p.conn
	for c.state != connLost {
		if p.broken != nil && p.broken(len(p.rest), false) < len(p.rest) {
			c.lose(io.EOF)
			return
		}
		p.rest = p.rest[p.accept(p.rest):]
		if len(p.rest) > 0 {
			return
		}
		if p.gather == nil {
			p.gather = newGather(gatherSize)
		}
		p.gather.reset(int(c.burst))
		more := c.pull(p.gather)
		for _, v := range p.gather.vectors(nil, 0) {
			p.rest = append(p.rest, v...)
		}
		if len(p.rest) == 0 && !more {
			return
		}
	}
}

func (p *testPeer) accept(b []byte) int {
	n := len(b)
	if p.room >= 0 {
		n = min(n, p.room)
		p.room -= n
	}
	p.out = append(p.out, b[:n]...)
	return n
}

// later lets time pass.
func (p *testPeer) later(d time.Duration) {
	p.core.now += d
	p.core.openWaiting()
	p.core.expirePending()
	p.core.expireMessages()
	p.conn.expire()
	p.settle()
}

// frames takes the frames that the server has written, in text notation.
func (p *testPeer) frames() []string {
	p.t.Helper()
	var lines []string
	for len(p.out) > 0 {
		h, n := frame.ConsumeHeader(p.out)
		if n == 0 || len(p.out) < n+int(h.Length) {
			p.t.Fatalf("the server wrote half a frame: %x", p.out)
		}
		lines = append(lines, string(frame.AppendText(nil, h, p.out[n:n+int(h.Length)])))
		p.out = p.out[n+int(h.Length):]
	}
	return lines
}

// want compares what the server has written with frames in text notation. why is a sentence.
func (p *testPeer) want(why string, lines ...string) {
	p.t.Helper()
	got := p.frames()
	if len(got) != len(lines) {
		p.t.Fatalf("%s:\n got %q\nwant %q", why, got, lines)
	}
	for i := range got {
		if got[i] != canonical(p.t, lines[i]) {
			p.t.Fatalf("%s: frame %d:\n got %s\nwant %s", why, i, got[i], lines[i])
		}
	}
}

// canonical is a line as AppendText would write it.
func canonical(t *testing.T, line string) string {
	t.Helper()
	wire, err := frame.ParseText(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	h, n := frame.ConsumeHeader(wire)
	return string(frame.AppendText(nil, h, wire[n:]))
}

// wantLog compares the callbacks since the last look.
func (p *testPeer) wantLog(why string, lines ...string) {
	p.t.Helper()
	if strings.Join(p.log, "\n") != strings.Join(lines, "\n") {
		p.t.Fatalf("%s:\n got %q\nwant %q", why, p.log, lines)
	}
	p.log = nil
}

// fields encodes a field block with the peer's encoder: name, value, name, value...
func (p *testPeer) fields(list ...string) []byte {
	p.encb.Reset()
	for i := 0; i < len(list); i += 2 {
		p.enc.WriteField(hpack.HeaderField{Name: list[i], Value: list[i+1]})
	}
	return []byte(p.encb.String())
}

// connectFields is an opening handshake, with more fields behind it.
func (p *testPeer) connectFields(more ...string) []byte {
	return p.fields(append([]string{
		":method", "CONNECT", ":protocol", "websocket", ":scheme", "http",
		":authority", "example.com", ":path", "/chat", "sec-websocket-version", "13"}, more...)...)
}

// headers sends a field block in one HEADERS frame.
func (p *testPeer) headers(id uint32, flags frame.Flags, block []byte) {
	p.write(string(frame.AppendHeaders(nil, id, flags|frame.FlagEndHeaders, block)))
}

// open opens a WebSocket on stream id and checks the answer.
func (p *testPeer) open(id uint32) {
	p.t.Helper()
	p.headers(id, 0, p.connectFields())
	p.want("an opening handshake is accepted with exactly :status 200", fmt.Sprintf("HEADERS %d END_HEADERS 0x88", id))
}

// message is a masked WebSocket frame as a client sends it.
func message(op ws.Opcode, payload string) []byte {
	return ws.AppendMasked(nil, op, 0x01020304, []byte(payload))
}

// data sends octets in one DATA frame.
func (p *testPeer) data(id uint32, flags frame.Flags, payload []byte) {
	p.write(string(frame.AppendData(nil, id, flags, payload)))
}

// gone reports whether nothing is left to be done for a lost connection.
func (c *conn) gone() bool { return c.state == connLost && c.streams.len() == 0 }
