package engine

import (
	"fmt"
	"strings"
	"testing"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// wide are windows that are in nobody's way.
func (p *testPeer) wide() {
	p.send("SETTINGS INITIAL_WINDOW_SIZE=2147483647", "WINDOW_UPDATE 0 increment=2147418112")
	p.frames()
}

// numbered are n messages that say which they are, as f puts each on the wire.
func numbered(n int, f func(payload string) []byte) (b []byte) {
	for i := range n {
		b = append(b, f(fmt.Sprint(i))...)
	}
	return b
}

// wantEchoes wants the n numbered messages back, in order, and a socket that is none the worse for it.
func (p *testPeer) wantEchoes(n int) {
	p.t.Helper()
	octets := p.out
	if p.conn.proto == protoHTTP2 {
		octets = []byte("HTTP/1.1 101 \r\n\r\n")
		for rest := p.out; len(rest) > 0; {
			h, m := frame.ConsumeHeader(rest)
			if rest = rest[m:]; h.Type == frame.Data {
				octets = append(octets, rest[:h.Length]...)
			}
			rest = rest[h.Length:]
		}
	}
	p.out = nil
	next := 0
	for _, f := range wsFrames(p.t, octets) {
		if f == fmt.Sprint("1 ", next) {
			next++
		} else if !strings.HasPrefix(f, "10 ") {
			p.t.Fatalf("message %d: %.40q", next, f)
		}
	}
	if s := p.core.stats; next != n || s.SocketsSlow+s.MessagesDiscarded > 0 || s.Sockets != 1 {
		p.t.Fatalf("%d of %d messages came back; %+v", next, n, s)
	}
}

// However many messages come in one read, a peer that takes the answers gets all of them.
func TestBurstIsAnswered(t *testing.T) {
	const n = 3000
	whole := func(payload string) []byte { return message(ws.OpText, payload) }
	own := func(payload string) []byte { return frame.AppendData(nil, 1, 0, whole(payload)) }
	padded := func(payload string) []byte {
		return frame.AppendData(nil, 1, frame.FlagPadded, append(append([]byte{2}, whole(payload)...), 0, 0))
	}
	together := func(b []byte) (frames []byte) {
		for len(b) > 0 {
			m := min(len(b), frame.MaxPayloadMin)
			frames = frame.AppendData(frames, 1, 0, b[:m])
			b = b[m:]
		}
		return frames
	}
	for name, octets := range map[string][]byte{
		"in DATA of their own":            numbered(n, own),
		"in padded DATA":                  numbered(n, padded),
		"as many to a DATA frame as fit":  together(numbered(n, whole)),
		"in fragments":                    together(numbered(n, func(s string) []byte { return fragmented(s) })),
		"with pings between":              numbered(n, func(s string) []byte { return append(own(s), frame.AppendData(nil, 1, 0, message(ws.OpPing, "?"))...) }),
		"with other frames between":       numbered(n, func(s string) []byte { return append(own(s), frame.AppendPriority(nil, 1, 0, false, 1)...) }),
		"with END_STREAM on the last one": numbered(n, own),
	} {
		for _, l := range []Limits{{}, {Queue: ws.QueueLimits{MaxMessages: 1}}, {Queue: ws.QueueLimits{MaxBytes: 10}}, {Queue: ws.QueueLimits{Policy: ws.DropOldest}}} {
			p := openTestPeer(t, l, nil)
			p.wide()
			p.open(1)
			p.write(string(octets))
			p.wantEchoes(n)
			if strings.Contains(name, "END_STREAM") {
				p.data(1, frame.FlagEndStream, message(ws.OpClose, "\x03\xe8"))
				p.want(name, "DATA 1 END_STREAM 0x880203e8")
			}
		}
	}
	p := newUnconnectedPeer(t, Limits{}, nil)
	p.upgrade("/")
	p.write(string(numbered(n, whole)))
	p.wantEchoes(n)
}

// fragmented is a message in two frames.
func fragmented(s string) []byte {
	first, last := message(ws.OpText, s[:1]), message(ws.OpContinuation, s[1:])
	first[0] &^= 0x80
	return frame.AppendData(nil, 1, 0, append(first, last...))[frame.HeaderLen:]
}

// The octets of a queue count as the messages do: a message that completes behind others may fill it alone.
func TestBurstOfLargeMessages(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	p.wide()
	p.open(1)
	large := strings.Repeat("x", p.core.limits.MessageSize)
	var b []byte
	for range 20 {
		for m := message(ws.OpText, large); len(m) > 0; {
			n := min(len(m), frame.MaxPayloadMin)
			b = frame.AppendData(b, 1, 0, m[:n])
			m = m[n:]
		}
		b = frame.AppendData(b, 1, 0, message(ws.OpText, "tiny"))
		p.conn.streams.find(1).recvWindow.Credit(1 << 30) // not what is looked at here
	}
	for len(b) > 0 {
		n := min(len(b), readSize)
		p.write(string(b[:n]))
		b = b[n:]
	}
	if s := p.core.stats; s.SocketsSlow > 0 || s.MessagesSent != 40 {
		t.Errorf("%d sockets are slow, %d of 40 messages were sent", s.SocketsSlow, s.MessagesSent)
	}
}

// While memory is short queues are half as long.
func TestBurstUnderOverload(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	p.wide()
	p.open(1)
	p.core.overload = OverloadStreams
	p.write(string(numbered(1000, func(s string) []byte { return frame.AppendData(nil, 1, 0, message(ws.OpText, s)) })))
	p.wantEchoes(1000)
}

// Who does not take the answers is judged as ever, and receiving pauses for that once: then it is known.
func TestBurstOfOneThatLags(t *testing.T) {
	for name, lag := range map[string]func(p *testPeer){
		"no window":             func(p *testPeer) { p.send("SETTINGS INITIAL_WINDOW_SIZE=0") },
		"a window for some":     func(p *testPeer) { p.send("SETTINGS INITIAL_WINDOW_SIZE=300") },
		"a socket that is full": func(p *testPeer) { p.room = 0 },
	} {
		p := openTestPeer(t, Limits{}, nil)
		p.open(1)
		lag(p)
		p.frames()
		b := numbered(3000, func(string) []byte { return frame.AppendData(nil, 1, 0, message(ws.OpText, "x")) })
		pauses := 0
		for b = p.conn.recv(b); len(b) > 0; b = p.conn.recv(b) {
			p.settle()
			pauses++
		}
		p.settle()
		if s := p.core.stats; s.SocketsSlow != 1 || pauses > 3 {
			t.Errorf("%s: %d sockets are slow; receiving has paused %d times", name, s.SocketsSlow, pauses)
		}
		if got := p.conn.streams.find(1); got != nil && got.Buffered() > 0 {
			t.Errorf("%s: %d octets are buffered", name, got.Buffered())
		}
	}
}

// What one peer says in a read makes a bounded number of turns of it, however small its queues are.
func TestBurstIsBoundedWork(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	p.wide()
	p.open(1)
	const n = 4096
	b := numbered(n, func(string) []byte { return frame.AppendData(nil, 1, 0, message(ws.OpText, "x")) })
	pauses := 0
	for b = p.conn.recv(b); len(b) > 0; b = p.conn.recv(b) {
		p.settle()
		pauses++
	}
	if most := n / (p.core.limits.Queue.MaxMessages / 2); pauses == 0 || pauses > most {
		t.Errorf("receiving has paused %d times for %d messages, at most %d are in order", pauses, n, most)
	}
	if p.core.stats.OctetsReceived < n*16 || p.core.stats.OctetsReceived > n*16+1000 {
		t.Errorf("%d octets received", p.core.stats.OctetsReceived)
	}
}

// A burst that comes before its handshake is decided is answered behind it, in order with what comes then.
func TestBurstBeforeTheDecision(t *testing.T) {
	var pending *ws.Pending
	var p *testPeer
	h := ws.Funcs{
		Handshake: func(r *ws.Request) { pending = r.Defer() },
		Message:   func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) },
		Close:     func(_ *ws.Conn, err error) { p.logf("close: %v", err) },
	}
	own := func(s string) []byte { return frame.AppendData(nil, 1, 0, message(ws.OpText, s)) }
	for name, end := range map[string]string{"open": "", "ended": "DATA 1 END_STREAM"} {
		p = openTestPeer(t, Limits{}, h)
		p.wide()
		p.headers(1, 0, p.connectFields())
		p.write(string(numbered(2000, own)))
		if end != "" {
			p.send(end)
		}
		p.want(name + ": nothing is said before the decision")
		pending.Accept(ws.AcceptOptions{})
		p.settle()
		if end == "" {
			p.wantEchoes(2000)
			continue
		}
		if s := p.core.stats; s.SocketsSlow+s.MessagesDiscarded > 0 || s.MessagesSent != 2000 || s.Sockets != 0 {
			t.Errorf("%s: %+v", name, s)
		}
		p.wantLog("the end comes behind all of it", "close: ws: closed: 1006 abnormal closure (unexpected EOF)")
	}

	p = openTestPeer(t, Limits{}, h)
	p.wide()
	p.headers(1, 0, p.connectFields())
	p.write(string(numbered(2000, own)))
	p.room = 0
	pending.Accept(ws.AcceptOptions{})
	for more := true; more; {
		more = p.core.deliver()
	}
	p.core.settle()
	p.send("RST_STREAM 1 CANCEL")
	if len(p.core.unfed) > 0 || p.core.stats.Sockets != 0 || p.conn.assembly != 0 {
		t.Errorf("a socket that is reset meanwhile: %d unfed, %d octets held", len(p.core.unfed), p.conn.assembly)
	}
}

func TestAllocsBurst(t *testing.T) {
	r := newRig(t, ws.Funcs{Message: func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) }}, 100)
	own := numbered(150, func(string) []byte { return dataOf(7, 1) })
	wantNoAllocs(t, "more messages in a read than half of a queue holds", func() {
		r.recv(own)
		r.turn()
	})
	if s := r.core.stats; s.SocketsSlow+s.MessagesDiscarded > 0 {
		t.Errorf("%+v", s)
	}
}
