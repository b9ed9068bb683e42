package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// deferringPeer is a peer whose handshakes are all deferred, for the test to decide.
type deferringPeer struct {
	*testPeer
	pendings []*ws.Pending
}

func openDeferring(t *testing.T, l Limits) *deferringPeer {
	p := new(deferringPeer)
	var logged *testPeer
	h := callbacks(&logged, nil, nil, nil)
	h.Handshake = func(r *ws.Request) { p.pendings = append(p.pendings, r.Defer()) }
	logged = openTestPeer(t, l, h)
	p.testPeer = logged
	return p
}

// ask sends opening handshakes, which stay unanswered.
func (p *deferringPeer) ask(ids ...uint32) {
	p.t.Helper()
	for _, id := range ids {
		p.headers(id, 0, p.connectFields())
	}
	p.want("a handshake that was deferred is not answered")
}

// accept accepts the i-th handshake.
func (p *deferringPeer) accept(i int, o ws.AcceptOptions) {
	p.t.Helper()
	if err := p.pendings[i].Accept(o); err != nil {
		p.t.Fatal(err)
	}
	p.settle()
}

// wantOver checks what ended the i-th handshake.
func (p *deferringPeer) wantOver(i int, cause error) {
	p.t.Helper()
	ctx := p.pendings[i].Context()
	if got := context.Cause(ctx); ctx.Err() != context.Canceled || !errors.Is(got, cause) {
		p.t.Errorf("the context of handshake %d ends with %v, want %v", i, got, cause)
	}
}

// wantPending checks the accounts.
func (p *deferringPeer) wantPending(why string, n int) {
	p.t.Helper()
	k := p.core
	if len(k.pendings) != n || k.pendingRing.Len() != n || k.pendingAll.Load() != int64(n) || k.stats.HandshakesPending != int64(n) || int(p.conn.pending) != n {
		p.t.Errorf("%s: %d, %d, %d, %d and %d are pending, want %d", why, len(k.pendings), k.pendingRing.Len(),
			k.pendingAll.Load(), k.stats.HandshakesPending, p.conn.pending, n)
	}
}

// unavailableText is the frames that refuse a stream with 503.
func unavailableText(id uint32, why error) []string {
	block := "0x0803353033" + "0f1019" + fmt.Sprintf("%x", "text/plain; charset=utf-8")
	return []string{fmt.Sprintf("HEADERS %d END_HEADERS %s", id, block),
		fmt.Sprintf("DATA %d END_STREAM 0x%x", id, "503 "+why.Error()+"\n"), fmt.Sprintf("RST_STREAM %d NO_ERROR", id)}
}

func TestDeferAccept(t *testing.T) {
	p := openDeferring(t, Limits{})
	p.ask(1, 3)
	p.wantPending("both wait", 2)
	p.accept(1, ws.AcceptOptions{Header: []ws.Field{{Name: "x", Value: "y"}}, Data: "user"})
	p.want("the second is decided first", "HEADERS 3 END_HEADERS 0x88000178"+"0179")
	p.wantLog("and opened", "open")
	p.wantOver(1, ws.ErrDecided)
	p.accept(0, ws.AcceptOptions{})
	p.want("then the first", "HEADERS 1 END_HEADERS 0x88")
	p.wantPending("neither waits", 0)
	p.data(3, 0, message(ws.OpText, "hi"))
	p.wantLog("they are sockets as others are", "open", `message "hi"`)
	if c := &p.conn.streams.find(3).ws; c.Data() != "user" {
		t.Errorf("Data is %v", c.Data())
	}
	if s := p.core.stats; s.Sockets != 2 || s.SocketsOpened != 2 || s.SocketsRefused != 0 {
		t.Errorf("%+v", s)
	}
}

func TestDeferReject(t *testing.T) {
	p := openDeferring(t, Limits{})
	p.ask(1)
	p.data(1, 0, message(ws.OpText, "early"))
	if err := p.pendings[0].Reject(404, "not here"); err != nil {
		t.Fatal(err)
	}
	p.settle()
	got := p.frames()
	if len(got) != 3 || got[1] != canonical(t, `DATA 1 END_STREAM "404 not here" 0x0a`) || got[2] != "RST_STREAM 1 NO_ERROR" {
		t.Errorf("refused as others are: %q", got)
	}
	p.wantLog("nobody hears of it")
	p.wantPending("it is decided", 0)
	if p.conn.assembly != 0 || p.core.stats.SocketsRefused != 1 {
		t.Errorf("%d octets are held, %+v", p.conn.assembly, p.core.stats)
	}
	if err := p.pendings[0].Accept(ws.AcceptOptions{}); err != ws.ErrDecided {
		t.Errorf("decided again: %v", err)
	}
}

// A decision may come before OnHandshake has returned.
func TestDeferAndDecideAtOnce(t *testing.T) {
	var p *testPeer
	p = openTestPeer(t, Limits{}, ws.Funcs{
		Handshake: func(r *ws.Request) {
			if err := r.Defer().Accept(ws.AcceptOptions{}); err != nil {
				t.Error(err)
			}
		},
		Open: func(c *ws.Conn) { p.logf("open") },
	})
	p.headers(1, 0, p.connectFields())
	p.want("it is accepted in the same turn", "HEADERS 1 END_HEADERS 0x88")
	p.wantLog("and opened", "open")
}

// What comes before the answer is kept within the stream's window and delivered in order behind OnOpen; the window is
// given back when it has been.
func TestDeferHoldsEarlyData(t *testing.T) {
	p := openDeferring(t, Limits{})
	p.ask(1)
	p.data(1, 0, message(ws.OpText, "one"))
	two := message(ws.OpText, "two")
	p.data(1, 0, two[:3])
	p.send(`RAW length=10 type=0x00 flags=0x08 stream=1 0x05 ` + fmt.Sprintf("0x%x", two[3:7]) + " 0x0000000000")
	whole := string(frame.AppendData(nil, 1, 0, append(two[7:], message(ws.OpBinary, strings.Repeat("x", 16_000))...)))
	p.write(whole[:10_000])
	p.want("nothing is answered, and no credit given")
	p.wantLog("nothing is delivered")
	if p.conn.assembly == 0 {
		t.Error("what is held is not counted")
	}
	p.accept(0, ws.AcceptOptions{})
	p.want("the answer; more than half of the window is left", "HEADERS 1 END_HEADERS 0x88")
	p.wantLog("in order", "open", `message "one"`, `message "two"`)
	p.write(whole[10_000:])
	p.wantLog("the frame goes on", fmt.Sprintf("message %q", strings.Repeat("x", 16_000)))
	p.want("still")
	if p.conn.assembly != 0 {
		t.Errorf("%d octets are counted", p.conn.assembly)
	}
}

func TestDeferCreditIsGivenOnceAccepted(t *testing.T) {
	p := openDeferring(t, Limits{})
	p.ask(1)
	for range 4 {
		p.data(1, 0, message(ws.OpBinary, strings.Repeat("x", 16_000)))
	}
	p.want("no credit")
	p.accept(0, ws.AcceptOptions{})
	p.want("the window is given back", "HEADERS 1 END_HEADERS 0x88", "WINDOW_UPDATE 1 increment=64032")
}

func TestDeferEarlyDataBeyondTheWindow(t *testing.T) {
	p := openDeferring(t, Limits{})
	p.ask(1)
	for range 4 {
		p.data(1, 0, make([]byte, 16_000))
	}
	p.data(1, 0, make([]byte, 1536))
	p.want("the stream's window is exceeded", "RST_STREAM 1 FLOW_CONTROL_ERROR")
	p.wantOver(0, ws.ErrReset)
	if p.conn.assembly != 0 {
		t.Errorf("%d octets are held", p.conn.assembly)
	}
}

func TestDeferTooMuchEarlyData(t *testing.T) {
	p := openDeferring(t, Limits{AssemblySize: 3000})
	p.ask(1, 3)
	p.data(1, 0, make([]byte, 1000))
	p.write(string(frame.AppendData(nil, 3, 0, make([]byte, 5000)))[:4000])
	p.want("who crosses the limit is refused", unavailableText(3, errEarly)...)
	p.write(string(make([]byte, 1009)))
	p.wantOver(1, errEarly)
	p.accept(0, ws.AcceptOptions{})
	p.want("the other is not, until its octets are looked at", "HEADERS 1 END_HEADERS 0x88",
		`DATA 1 END_STREAM 0x882103ea "frame not masked (RFC 6455 5.1)"`)
	if s := p.core.stats; s.HandshakesShed != 1 || p.conn.assembly != 0 {
		t.Errorf("%+v, %d octets held", s, p.conn.assembly)
	}
}

// A client may say all it has to say, and leave, before it has the answer.
func TestDeferEndOfStreamBeforeTheAnswer(t *testing.T) {
	p := openDeferring(t, Limits{})
	p.ask(1, 3, 5)
	p.data(1, 0, message(ws.OpText, "hi"))
	p.data(1, frame.FlagEndStream, message(ws.OpClose, "\x03\xe8"))
	p.data(3, frame.FlagEndStream, message(ws.OpText, "ho"))
	p.data(5, frame.FlagEndStream, nil)
	p.data(5, 0, nil)
	p.want("DATA behind END_STREAM is the one error", "RST_STREAM 5 STREAM_CLOSED")
	p.wantOver(2, ws.ErrReset)
	p.accept(0, ws.AcceptOptions{})
	p.wantLog("with a Close", "open", `message "hi"`, "close 1000")
	p.want("it is answered", "HEADERS 1 END_HEADERS 0x88", "DATA 1 END_STREAM 0x880203e8")
	p.accept(1, ws.AcceptOptions{})
	p.wantLog("and without", "open", `message "ho"`, "close 1006")
	p.want("the stream ends", "HEADERS 3 END_HEADERS 0x88", "DATA 3 END_STREAM")
	if n := p.conn.streams.len(); n != 0 {
		t.Errorf("%d streams are left", n)
	}
}

func TestDeferRejectAfterEndOfStream(t *testing.T) {
	p := openDeferring(t, Limits{})
	p.ask(1)
	p.data(1, frame.FlagEndStream, nil)
	p.pendings[0].Reject(403, "no")
	p.settle()
	if got := p.frames(); len(got) != 2 || p.conn.streams.len() != 0 {
		t.Errorf("an answer without RST_STREAM: %q; %d streams", got, p.conn.streams.len())
	}
}

// The context ends with the stream, whatever ended it. The handshake counts until the application has decided.
func TestDeferStreamEnds(t *testing.T) {
	for name, test := range map[string]struct {
		end   func(p *deferringPeer)
		cause error
	}{
		"RST_STREAM":       {func(p *deferringPeer) { p.send("RST_STREAM 1 CANCEL") }, ws.ErrReset},
		"stream error":     {func(p *deferringPeer) { p.send("WINDOW_UPDATE 1 increment=0") }, ws.ErrReset},
		"trailers":         {func(p *deferringPeer) { p.headers(1, frame.FlagEndStream, p.fields("x", "y")) }, ws.ErrReset},
		"HEADERS":          {func(p *deferringPeer) { p.headers(1, 0, p.fields("x", "y")) }, ws.ErrReset},
		"connection error": {func(p *deferringPeer) { p.send("DATA 0") }, ws.ErrConnLost},
		"connection lost":  {func(p *deferringPeer) { p.conn.lose(io.EOF); p.settle() }, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			p := openDeferring(t, Limits{})
			p.ask(1)
			p.data(1, 0, message(ws.OpText, "early"))
			test.end(p)
			p.frames()
			p.wantOver(0, test.cause)
			p.wantPending("the application works on it", 1)
			err := p.pendings[0].Accept(ws.AcceptOptions{})
			if !errors.Is(err, ws.ErrClosed) || !errors.Is(err, test.cause) {
				t.Errorf("Accept says %v", err)
			}
			p.settle()
			p.want("nothing is said")
			p.wantLog("nobody hears of it")
			p.wantPending("it has decided", 0)
			if p.conn.assembly != 0 || p.conn.streams.len() != 0 {
				t.Errorf("%d octets are held, %d streams", p.conn.assembly, p.conn.streams.len())
			}
		})
	}
}

// The decision and the end of its stream may cross.
func TestDeferDecisionMeetsTheEnd(t *testing.T) {
	for name, end := range map[string]func(p *deferringPeer){
		"RST_STREAM":       func(p *deferringPeer) { p.conn.recv(frame.AppendRSTStream(nil, 1, frame.Cancel)) },
		"connection error": func(p *deferringPeer) { p.conn.recv(frame.AppendData(nil, 0, 0, nil)) },
		"connection lost":  func(p *deferringPeer) { p.conn.lose(io.EOF) },
	} {
		for status := range 2 {
			p := openDeferring(t, Limits{})
			p.ask(1)
			if status == 0 {
				p.pendings[0].Accept(ws.AcceptOptions{})
			} else {
				p.pendings[0].Reject(403, "")
			}
			end(p)
			p.settle()
			p.wantLog(name + ": nobody hears of it")
			p.wantPending(name, 0)
			for _, line := range p.frames() {
				if strings.HasPrefix(line, "HEADERS") {
					t.Errorf("%s: %s", name, line)
				}
			}
		}
	}
}

func TestDeferTimeout(t *testing.T) {
	p := openDeferring(t, Limits{HandshakeTimeout: 3 * time.Second})
	p.ask(1)
	p.later(time.Second)
	p.ask(3)
	p.later(2*time.Second - 1)
	p.want("a nanosecond before nothing happens")
	if d := p.core.nextPending() - p.core.now; d != 1 {
		t.Errorf("the loop wakes in %v", d)
	}
	p.later(1)
	p.want("the first is refused", unavailableText(1, errUndecided)...)
	p.wantOver(0, errUndecided)
	p.wantPending("nothing is expected of the application any more", 1)
	if err := p.pendings[0].Accept(ws.AcceptOptions{}); !errors.Is(err, ws.ErrClosed) {
		t.Errorf("Accept says %v", err)
	}
	p.settle()
	p.want("it is too late")
	p.later(time.Second)
	p.want("the second is refused", unavailableText(3, errUndecided)...)
	if s := p.core.stats; s.HandshakesExpired != 2 || s.SocketsRefused != 2 || p.core.nextPending() != never {
		t.Errorf("%+v", s)
	}
}

func TestDeferTimeoutOfConnectionThatLeaves(t *testing.T) {
	p := openDeferring(t, Limits{})
	p.ask(1)
	p.conn.recv(frame.AppendData(nil, 0, 0, nil))
	p.core.now += 10 * time.Second
	p.core.expirePending()
	p.settle()
	if got := p.frames(); len(got) != 1 || !strings.HasPrefix(got[0], "GOAWAY") {
		t.Errorf("GOAWAY is the last word: %q", got)
	}
	p.wantPending("", 0)
}

func TestDeferTimeoutOff(t *testing.T) {
	p := openDeferring(t, Limits{HandshakeTimeout: -1})
	p.ask(1)
	p.later(1000 * time.Hour)
	p.accept(0, ws.AcceptOptions{})
	p.wantLog("it waits", "open")
}

// Attacks, rows 28 and 45: how many the application works on is bounded, and resets make no room.
func TestDeferIsBounded(t *testing.T) {
	p := openDeferring(t, Limits{PendingHandshakes: 2})
	p.ask(1, 3)
	p.headers(5, 0, p.connectFields())
	p.want("a third is refused", unavailableText(5, errPendings)...)
	p.wantOver(2, errPendings)
	p.send("RST_STREAM 1 CANCEL", "RST_STREAM 3 CANCEL")
	for id := uint32(7); id < 100; id += 2 {
		p.headers(id, 0, p.connectFields())
		p.want("resets don't make room", unavailableText(id, errPendings)...)
		p.send(fmt.Sprintf("RST_STREAM %d CANCEL", id))
	}
	p.pendings[1].Reject(403, "")
	p.settle()
	p.ask(101)
	p.wantPending("a decision does", 2)
	if s := p.core.stats; s.HandshakesShed != 48 || s.SocketsRefused != 48 {
		t.Errorf("%+v", s)
	}
}

func TestDeferIsBoundedByServer(t *testing.T) {
	p := openDeferring(t, Limits{PendingHandshakesAll: 3})
	other := newCore(p.core.limits, p.core.endpoint, slog.New(slog.DiscardHandler))
	other.pendingAll = p.core.pendingAll // as of one server
	p.ask(1)
	first, mine := p.conn, p.core
	p.connect()
	p.write(frame.Preface)
	p.send("SETTINGS", "SETTINGS ACK")
	p.frames()
	p.ask(1)
	p.core = other
	p.connect()
	p.write(frame.Preface)
	p.send("SETTINGS", "SETTINGS ACK")
	p.frames()
	p.ask(1)
	p.headers(3, 0, p.connectFields())
	p.want("three wait, on three connections and two loops", unavailableText(3, errPendings)...)
	mine.end()
	if n := other.pendingAll.Load(); n != 1 {
		t.Errorf("%d are pending when a loop with two has ended", n)
	}
	if first.pending != 0 {
		t.Error("a connection of it has one")
	}
}

// Draining refuses what waits: another server will decide.
func TestDeferWhileDraining(t *testing.T) {
	p := openDeferring(t, Limits{})
	p.ask(1, 3)
	p.accept(1, ws.AcceptOptions{})
	p.frames()
	p.drain()
	got := strings.Join(p.frames(), "; ")
	for _, line := range append(unavailableText(1, errDrained), `DATA 3 0x880c03e9 "going away"`) {
		if !strings.Contains(got, canonical(t, line)) {
			t.Errorf("%s is missing: %s", line, got)
		}
	}
	p.wantOver(0, errDrained)
	p.headers(5, 0, p.connectFields())
	p.want("and what was on its way", unavailableText(5, errDrained)...)
	p.send("PING ACK 0x647261696e696e67")
	p.data(3, frame.FlagEndStream, message(ws.OpClose, "\x03\xe9"))
	if got := p.frames(); got[len(got)-1] != "GOAWAY last=5 NO_ERROR" || p.conn.state != connLeaving {
		t.Errorf("the connection does not end: %q", got)
	}
	if s := p.core.stats; s.HandshakesShed != 2 {
		t.Errorf("%+v", s)
	}
}

// A peer that says GOAWAY waits for the answers to what it has asked, and its sockets go on.
func TestDeferBehindPeersGoAway(t *testing.T) {
	p := openDeferring(t, Limits{})
	p.ask(1)
	p.send("GOAWAY last=0 NO_ERROR")
	p.want("ours", "GOAWAY last=1 NO_ERROR")
	p.accept(0, ws.AcceptOptions{})
	p.want("it is accepted", "HEADERS 1 END_HEADERS 0x88")
}

// What is published once Accept has returned is received, even by the first member of the topic on its loop.
func TestDeferJoinsTopics(t *testing.T) {
	p := openDeferring(t, Limits{})
	a, b := NewTopic("a", TopicOptions{Retain: RetainNewest}), NewTopic("b", TopicOptions{})
	p.ask(1, 3)
	a.Publish(prepared(t, "retained"))
	if err := p.pendings[0].Accept(ws.AcceptOptions{Topics: []ws.Topic{a, b}}); err != nil {
		t.Fatal(err)
	}
	a.Publish(prepared(t, "to a"))
	b.Publish(prepared(t, "to b"))
	p.settle()
	got := strings.Join(p.frames(), "")
	for _, text := range []string{"HEADERS 1 END_HEADERS 0x88", "retained", "to a", "to b"} {
		if !strings.Contains(got, fmt.Sprintf("%x", text)) && !strings.Contains(got, text) {
			t.Errorf("%q is missing: %s", text, got)
		}
	}
	if a.Len() != 1 || b.Len() != 1 {
		t.Errorf("%d and %d members", a.Len(), b.Len())
	}
	p.pendings[1].Accept(ws.AcceptOptions{Topics: []ws.Topic{a}})
	p.send("RST_STREAM 3 CANCEL")
	p.send("RST_STREAM 1 CANCEL")
	if a.Len() != 0 || a.shares != nil || b.shares != nil {
		t.Errorf("%d members, shares %v and %v", a.Len(), a.shares, b.shares)
	}
}

func TestDeferMembershipOfWhoIsNotAccepted(t *testing.T) {
	topic := NewTopic("", TopicOptions{})
	p := openDeferring(t, Limits{})
	p.ask(1)
	// The joins have come, the decision not yet.
	if err := topic.Join(&p.conn.streams.find(1).ws); err != nil {
		t.Fatal(err)
	}
	p.settle()
	topic.Publish(prepared(t, "x"))
	p.settle()
	p.want("nothing goes before the answer")
	p.send("RST_STREAM 1 CANCEL")
	if topic.Len() != 0 || topic.shares != nil {
		t.Errorf("%d members, shares %v", topic.Len(), topic.shares)
	}
	if err := topic.Join(&ws.Conn{}); err != ErrForeignConn {
		t.Error(err)
	}
}

// The handler of the path decides later, too.
func TestDeferUnderMux(t *testing.T) {
	var p *testPeer
	var pending *ws.Pending
	m := new(ws.Mux)
	m.Handle("/now", ws.Funcs{Open: func(*ws.Conn) { p.logf("/now") }})
	m.Handle("/later", ws.Funcs{
		Handshake: func(r *ws.Request) { pending = r.Defer() },
		Open:      func(*ws.Conn) { p.logf("/later") },
	})
	p = openTestPeer(t, Limits{}, m)
	p.openAt(1, "/later")
	p.openAt(3, "/now")
	pending.Accept(ws.AcceptOptions{Queue: &ws.QueueLimits{MaxBytes: 7}})
	p.settle()
	p.wantLog("both have their own", "/now", "/later")
	if n := p.conn.streams.find(1).ws.QueueLimits().MaxBytes; n != 7 {
		t.Errorf("the queue takes %d octets", n)
	}
}

func TestDeferThenPanic(t *testing.T) {
	var pending *ws.Pending
	p := openTestPeer(t, Limits{}, ws.Funcs{Handshake: func(r *ws.Request) { pending = r.Defer(); panic("no") }})
	p.headers(1, 0, p.connectFields())
	if got := p.frames(); len(got) != 3 || len(p.core.pendings) != 0 {
		t.Errorf("it is answered with 500: %q", got)
	}
	if err := pending.Accept(ws.AcceptOptions{}); !errors.Is(err, ws.ErrClosed) {
		t.Errorf("Accept says %v", err)
	}
}

// OnOpen may close, or panic, with early messages behind it.
func TestDeferEarlyDataOfWhoIsClosedAtOnce(t *testing.T) {
	for name, open := range map[string]func(*ws.Conn){
		"Close": func(c *ws.Conn) { c.Close(4000, "") },
		"panic": func(c *ws.Conn) { panic("no") },
	} {
		var p *testPeer
		var pending *ws.Pending
		h := callbacks(&p, open, nil, nil)
		h.Handshake = func(r *ws.Request) { pending = r.Defer() }
		p = openTestPeer(t, Limits{}, h)
		p.headers(1, 0, p.connectFields())
		p.data(1, 0, message(ws.OpText, "early"))
		pending.Accept(ws.AcceptOptions{})
		p.settle()
		if p.log[0] != "open" || len(p.log) > 1 && p.log[1] != "close 1011" {
			t.Errorf("%s: %q", name, p.log)
		}
	}
}
