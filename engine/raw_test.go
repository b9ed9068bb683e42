package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// wsFrames takes apart what the server has written on a raw connection behind its 101.
func wsFrames(t *testing.T, out []byte) (frames []string) {
	t.Helper()
	head, rest, found := bytes.Cut(out, []byte("\r\n\r\n"))
	if !found || !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
		t.Fatalf("%.200q", out)
	}
	for len(rest) > 0 {
		h, n := ws.ConsumeHeader(rest)
		if n == 0 || uint64(len(rest)-n) < h.Length || h.Masked || !h.Fin() || h.RSV() != 0 {
			t.Fatalf("behind %d frames: %.50q", len(frames), rest)
		}
		frames = append(frames, fmt.Sprintf("%d %s", h.Opcode(), rest[n:n+int(h.Length)]))
		rest = rest[n+int(h.Length):]
	}
	return frames
}

// TestRawSim: whatever is sent, published, asked and waited for, through a socket that takes what it likes, frames are
// whole and in order.
func TestRawSim(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { rawSim(t, rand.New(rand.NewPCG(seed, 7))) })
	}
}

func rawSim(t *testing.T, random *rand.Rand) {
	topic := NewTopic("", TopicOptions{})
	var socket *ws.Conn
	h := ws.Funcs{
		Handshake: func(q *ws.Request) { q.Accept(ws.AcceptOptions{Topics: []ws.Topic{topic}}) },
		Open:      func(c *ws.Conn) { socket = c },
		Message:   func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) },
	}
	l := Limits{Queue: ws.QueueLimits{MaxBytes: 1 << 30, MaxMessages: 1 << 20}, WriteTimeout: -1, PingTimeout: time.Hour}
	p := newUnconnectedPeer(t, l, h)
	p.upgrade("/")
	expected := make(map[byte][]string)
	text := func(source byte) string {
		n := random.IntN(1 << random.IntN(16))
		s := fmt.Sprintf("%c%d %s", source, len(expected[source]), strings.Repeat("x", n))
		expected[source] = append(expected[source], "2 "+s)
		return s
	}
	for range 60 {
		switch random.IntN(8) {
		case 0:
			socket.Send(ws.Binary, []byte(text('s')))
		case 1, 2:
			m, err := ws.Prepare(ws.Binary, []byte(text('t')))
			if err != nil {
				t.Fatal(err)
			}
			topic.Publish(m)
		case 3:
			m := message(ws.OpBinary, text('e'))
			for len(m) > 0 {
				n := 1 + random.IntN(len(m))
				n -= len(p.conn.recv(m[:n]))
				m = m[n:]
			}
		case 4:
			p.conn.recv(message(ws.OpPing, "?"))
		case 5:
			p.later(31 * time.Second)
		case 6:
			p.room = random.IntN(1 << random.IntN(18))
			p.conn.touch()
		case 7:
			p.room = -1
			p.conn.touch()
		}
		p.settle()
		p.checkRings()
	}
	p.room = -1
	p.conn.touch()
	p.settle()
	got := make(map[byte][]string)
	for _, f := range wsFrames(t, p.out) {
		switch {
		case strings.HasPrefix(f, "2 "):
			got[f[2]] = append(got[f[2]], f)
		case f != "10 ?" && f != "9 alive?\x00\x00":
			t.Fatalf("%.60q", f)
		}
	}
	for source := range expected {
		for i, want := range expected[source] {
			if i >= len(got[source]) || got[source][i] != want {
				t.Fatalf("message %d of %c is not what was sent: %.60q", i, source, want)
			}
		}
		if len(got[source]) != len(expected[source]) {
			t.Fatalf("%d of %d messages of %c", len(got[source]), len(expected[source]), source)
		}
	}
	p.write(string(message(ws.OpClose, "\x03\xe8")))
	if p.conn.state != connLeaving || p.core.stats.Sockets != 0 {
		t.Errorf("closed, and in state %d", p.conn.state)
	}
	if s := topic.Stats(); s.Pending != 0 || s.Members != 0 {
		t.Errorf("%+v", s)
	}
}

// Octets that come before the answer refuse the handshake, whatever OnHandshake would say.
func TestRawEarlyOctets(t *testing.T) {
	p := newUnconnectedPeer(t, Limits{}, nil)
	p.conn = newRawConn(p.core, testRemote)
	p.write("G")
	p.write("ET /admin HTTP/1.1\r\n\r\n")
	p.conn.openUpgrade(testUpgrade("/"))
	p.settle()
	if !bytes.HasPrefix(p.out, []byte("HTTP/1.1 400 ")) || bytes.Count(p.out, []byte("HTTP/1.1")) != 1 {
		t.Errorf("%q", p.out)
	}
	p.wantLog("nobody hears of it")
	if s := p.core.stats; p.conn.state != connLeaving || s.SocketsRefused != 1 || s.SocketsOpened != 0 {
		t.Errorf("state %d, %+v", p.conn.state, s)
	}
}

// What a connection has said before it is known to speak HTTP/1.1 goes with it, wherever it was cut.
func TestSniffedOctets(t *testing.T) {
	for _, octets := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRIVATE / HTTP/1.1\r\n", frame.Preface[:20] + "HTTP/1.1\r\n"} {
		for first := 1; first <= len(octets); first++ {
			p := newUnconnectedPeer(t, Limits{}, nil)
			p.sniff()
			n := first
			p.conn.recv([]byte(octets[:n]))
			for ; p.conn.state < connLeaving && n < len(octets); n++ {
				p.conn.recv([]byte(octets[n : n+1]))
			}
			p.settle()
			if p.conn.cause != errGuest {
				if octets[0] == 'G' {
					t.Errorf("%q cut at %d: %v", octets, first, p.conn.cause)
				}
				continue
			}
			if string(p.conn.held) != octets[:n] || len(p.out) > 0 {
				t.Errorf("%q cut at %d: held %q, said %q", octets[:n], first, p.conn.held, p.out)
			}
		}
	}
}

func TestAllocsRaw(t *testing.T) {
	topic := NewTopic("", TopicOptions{})
	r := newRig(t, ws.Funcs{
		Handshake: func(q *ws.Request) { q.Accept(ws.AcceptOptions{Topics: []ws.Topic{topic}}) },
		Message:   func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) },
	}, 1)
	r.conn = newRawConn(r.core, testRemote)
	r.conn.openUpgrade(testUpgrade("/"))
	r.turn()
	in := message(ws.OpBinary, strings.Repeat("x", 64))
	wantNoAllocs(t, "an echo", func() {
		r.recv(in)
		r.turn()
	})
	wantNoAllocs(t, "an echo that comes octet by octet", func() {
		for i := range in {
			r.recv(in[i : i+1])
		}
		r.turn()
	})
	ping := message(ws.OpPing, "?")
	wantNoAllocs(t, "a ping", func() {
		r.recv(ping)
		r.turn()
	})
}

// TestIdleRawSize: a thousand raw connections, each a member of a topic.
func TestIdleRawSize(t *testing.T) {
	const connections, budget = 1000, 1200
	topic := NewTopic("", TopicOptions{})
	r := newRig(t, ws.Funcs{Handshake: func(q *ws.Request) { q.Accept(ws.AcceptOptions{Topics: []ws.Topic{topic}}) }}, 1)
	u := testUpgrade("/")
	in := message(ws.OpBinary, "hello")
	var before uint64
	for i := range connections + 100 {
		if i == 100 {
			r.sockets = make([]*ws.Conn, 0, connections)
			before = objects().HeapAlloc
		}
		r.conn = newRawConn(r.core, testRemote)
		r.conn.openUpgrade(u)
		r.recv(in)
		r.turn()
	}
	r.forgetPosts()
	each := int(objects().HeapAlloc-before) / connections
	t.Logf("%d octets per idle raw connection", each)
	if each > budget || topic.Len() != connections+101 {
		t.Errorf("an idle raw connection takes %d octets of heap, want at most %d; %d members", each, budget, topic.Len())
	}
}

// FuzzRaw is FuzzConn for connections of HTTP/1.1, and for those of which nobody knows.
func FuzzRaw(f *testing.F) {
	f.Add(true, []byte("\x00\x00\x0b\x81\x85\x00\x00\x00\x00hello"))
	f.Add(false, []byte("\x00\x00\x10GET / HTTP/1.1\r\n"))
	f.Add(false, append([]byte("\x01\x00\x18"), frame.Preface...))
	f.Fuzz(func(t *testing.T, raw bool, script []byte) {
		app := newFuzzApp(t)
		p := newUnconnectedPeer(t, fuzzLimits, app)
		if raw {
			p.upgrade("/")
		} else {
			p.sniff()
		}
		p.playFuzz(app, script)
	})
}
