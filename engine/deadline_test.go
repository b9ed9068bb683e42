package engine

import (
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// wantDeadline checks when the connection asks to be looked at next, from now.
func (p *testPeer) wantDeadline(why string, d time.Duration) {
	p.t.Helper()
	if got := p.conn.deadline() - p.core.now; got != d {
		p.t.Errorf("%s: the next deadline is in %v, want %v", why, got, d)
	}
}

func TestDeadlineOfEachStage(t *testing.T) {
	p := newTestPeer(t, Limits{}, nil)
	p.wantDeadline("preface and SETTINGS", 5*time.Second)
	p.write(frame.Preface)
	p.wantDeadline("the preface alone is not enough", 5*time.Second)
	p.send("SETTINGS")
	p.wantDeadline("the acknowledgment of ours", 10*time.Second)
	p.send("SETTINGS ACK")
	p.wantDeadline("keepalive", 30*time.Second)
	p.frames()
	p.open(1)
	p.wantDeadline("keepalive", 30*time.Second)
	p.later(20 * time.Second)
	p.wantDeadline("keepalive, from the last octet on", 10*time.Second)
	p.send("PING 0x0000000000000000")
	p.wantDeadline("any octet puts it off", 30*time.Second)
	p.later(30 * time.Second)
	p.wantDeadline("the answer to PING", 10*time.Second)
	p.send("WINDOW_UPDATE 0 increment=1")
	p.wantDeadline("any octet is an answer", 30*time.Second)
	p.send("HEADERS 3 0x82")
	p.wantDeadline("the rest of the field block", 10*time.Second)
	p.send("CONTINUATION 3 END_HEADERS 0x878441" + "00") // a request with an empty :authority, and no END_STREAM
	p.frames()
	p.data(1, 0, message(ws.OpClose, ""))
	p.wantDeadline("the end of the peer's side", time.Second)
}

func TestNoDeadlineIsMissedOrEarly(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(p *testPeer)
		limits  Limits
		after   time.Duration
		want    []string
		state   connState
	}{
		"idle": {
			limits: Limits{IdleTimeout: time.Second},
			after:  time.Second,
			want:   []string{`GOAWAY last=0 NO_ERROR "idle"`},
			state:  connLeaving,
		},
		"idle, since the last stream": {
			limits:  Limits{IdleTimeout: 20 * time.Second},
			prepare: func(p *testPeer) { p.open(1); p.later(19 * time.Second); p.send("RST_STREAM 1 CANCEL") },
			after:   20 * time.Second,
			want:    []string{`GOAWAY last=1 NO_ERROR "idle"`},
			state:   connLeaving,
		},
		"PING": {
			limits: Limits{PingInterval: 2 * time.Second},
			after:  2 * time.Second,
			want:   []string{"PING 0x616c6976653f0000"},
			state:  connOpen,
		},
		"PING unanswered": {
			limits:  Limits{PingInterval: 2 * time.Second, PingTimeout: 3 * time.Second},
			prepare: func(p *testPeer) { p.later(2 * time.Second) },
			after:   3 * time.Second,
			state:   connLost,
		},
		"field block": {
			limits:  Limits{HeaderTimeout: time.Second},
			prepare: func(p *testPeer) { p.send("HEADERS 1 0x82", "CONTINUATION 1 0x87") },
			after:   time.Second,
			want:    []string{`GOAWAY last=0 ENHANCE_YOUR_CALM "rule field_block: not completed in time"`},
			state:   connLeaving,
		},
		"linger": {
			prepare: func(p *testPeer) { p.send("DATA 0") },
			after:   time.Second,
			state:   connLost,
		},
		"linger, with the peer talking on": {
			prepare: func(p *testPeer) {
				p.send("DATA 0")
				p.later(time.Second / 2)
				p.write("garbage")
				p.later(-time.Second / 2)
			},
			after: time.Second,
			state: connLost,
		},
		"peer's end of a closed socket": {
			limits: Limits{EndTimeout: time.Second / 2},
			prepare: func(p *testPeer) {
				p.open(1)
				p.data(1, 0, message(ws.OpClose, ""))
			},
			after: time.Second / 2,
			want:  []string{"RST_STREAM 1 NO_ERROR"},
			state: connOpen,
		},
		"no end of the peer's side is waited for, only of all": {
			limits: Limits{CloseTimeout: time.Second, EndTimeout: -1},
			prepare: func(p *testPeer) {
				p.open(1)
				p.data(1, 0, message(ws.OpClose, ""))
			},
			after: time.Second,
			want:  []string{"RST_STREAM 1 NO_ERROR"},
			state: connOpen,
		},
		"stalled": {
			prepare: func(p *testPeer) { p.conn.stall.begin(p.core.now, time.Second) },
			after:   time.Second,
			state:   connLost,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := openTestPeer(t, test.limits, nil)
			if test.prepare != nil {
				test.prepare(p)
			}
			p.frames()
			p.wantDeadline(name, test.after)
			state := p.conn.state
			p.later(test.after - 1)
			p.want("a nanosecond before nothing happens")
			if p.conn.state != state {
				t.Fatalf("a nanosecond before, the state is %d", p.conn.state)
			}
			p.later(1)
			p.want("then it does", test.want...)
			if p.conn.state != test.state {
				t.Errorf("state %d, want %d", p.conn.state, test.state)
			}
		})
	}
}

func TestDeadlinesCanBeSwitchedOff(t *testing.T) {
	off := Limits{PrefaceTimeout: -1, SettingsTimeout: -1, HeaderTimeout: -1, CloseTimeout: -1, EndTimeout: -1,
		PingInterval: -1, PingTimeout: -1, IdleTimeout: -1, WriteTimeout: -1}
	p := newTestPeer(t, off, nil)
	if d := p.conn.deadline(); d != never {
		t.Errorf("a deadline at %v", d)
	}
	p.write(frame.Preface)
	p.send("SETTINGS")
	p.frames()
	p.open(1)
	p.data(1, 0, message(ws.OpClose, ""))
	p.frames()
	p.send("HEADERS 3 0x82")
	if d := p.conn.deadline(); d != never {
		t.Errorf("a deadline at %v", d)
	}
	p.later(1000 * time.Hour)
	p.want("time means nothing")
}

// A loop looks at a connection until its deadline is in the future.
func TestPingThatMayStayUnanswered(t *testing.T) {
	p := openTestPeer(t, Limits{PingTimeout: -1, IdleTimeout: -1}, nil)
	p.later(30 * time.Second)
	p.want("the interval is over", "PING 0x616c6976653f0000")
	if d := p.conn.deadline(); d <= p.core.now {
		t.Errorf("the next deadline, %v, is over at %v", d, p.core.now)
	}
	p.later(time.Hour)
	p.want("one PING at a time")
	p.send("PING ACK 0x616c6976653f0000")
	p.later(30 * time.Second)
	p.want("the next silence", "PING 0x616c6976653f0000")
}

func TestLostConnectionTellsItsSockets(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	p.open(1)
	p.log = nil
	p.later(30 * time.Second)
	p.later(10 * time.Second)
	p.wantLog("once", "close: ws: closed: 1006 abnormal closure (ws: connection lost: the peer does not answer PING)")
	p.later(time.Hour)
	p.wantLog("and only once")
	if !p.conn.gone() {
		t.Error("the connection is not gone")
	}
}

// Streams end in the order of their time, those that ended by themselves are skipped, and
// their entries don't pile up.
func TestClosingQueue(t *testing.T) {
	p := openTestPeer(t, Limits{EndTimeout: -1}, nil)
	for i := range uint32(5) {
		p.open(2*i + 1)
		p.data(2*i+1, 0, message(ws.OpClose, ""))
		p.later(time.Second)
		p.frames() // the first expires as the fifth has waited a second
	}
	p.send("RST_STREAM 5 CANCEL")
	p.later(time.Second)
	p.want("the second", "RST_STREAM 3 NO_ERROR")
	p.later(time.Second)
	p.want("the third has ended")
	p.later(2 * time.Second)
	p.want("the fourth and the fifth", "RST_STREAM 7 NO_ERROR", "RST_STREAM 9 NO_ERROR")
	if q := p.conn.waits.closing; p.conn.streams.len() != 0 || q.live != 0 || len(q.due)-q.head != 0 {
		t.Errorf("%d streams, %d closing, %d entries", p.conn.streams.len(), q.live, len(q.due)-q.head)
	}

	p = openTestPeer(t, Limits{}, nil)
	p.headers(11, 0, p.connectFields())
	p.data(11, 0, message(ws.OpClose, ""))
	for i := range uint32(10000) {
		id := 2*i + 13
		p.headers(id, 0, p.connectFields())
		p.data(id, frame.FlagEndStream, message(ws.OpClose, ""))
	}
	if n, m := len(p.conn.waits.closing.due)-p.conn.waits.closing.head, len(p.conn.waits.ended.due)-p.conn.waits.ended.head; n > 67 || m > 67 {
		t.Errorf("%d and %d entries for streams that have ended", n, m)
	}
	p.out = nil
	p.later(time.Second)
	p.want("the one that has not is reset", "RST_STREAM 11 NO_ERROR")
}

// Found by FuzzConn: the count went below zero with the streams of a connection that had been given up.
func TestClosingQueueOfLostConnection(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	for id := uint32(1); id < 9; id += 2 {
		p.open(id)
		p.data(id, 0, message(ws.OpClose, ""))
		p.frames()
	}
	p.send("DATA 0")
	if p.conn.waits != nil {
		t.Errorf("%+v, and no streams", *p.conn.waits)
	}
}
