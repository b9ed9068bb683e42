package engine

import (
	"strings"
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// honest is a peer that does a lot at once and must meet no rule. What it says is collected and given to the
// server in pieces as a loop reads them.
type honest struct {
	*testPeer
	say     []byte
	block   []byte // an opening handshake, indexed but for one field
	next    uint32
	open    []uint32
	sockets []*ws.Conn
}

func newHonest(t *testing.T, streams uint32, cookie int) *honest {
	h := &honest{next: 1}
	l := Limits{MaxConcurrentStreams: streams, ConnWindow: 1 << 30, SettingsTimeout: -1, PingInterval: -1,
		Queue: ws.QueueLimits{MaxBytes: 1 << 20}}
	h.testPeer = openTestPeer(t, l, ws.Funcs{Open: func(c *ws.Conn) { h.sockets = append(h.sockets, c) }})
	h.send("WINDOW_UPDATE 0 increment=2000000000", "SETTINGS INITIAL_WINDOW_SIZE=10000000")
	h.block = h.connectFields()
	h.write(string(frame.AppendHeaders(nil, h.next, frame.FlagEndHeaders, h.block)))
	h.next += 2
	h.block = h.connectFields()
	if cookie > 0 {
		h.block = append(append(h.block, 0x10, 1, 'x', 0x7f), frameInt(cookie-127)...)
		h.block = append(h.block, strings.Repeat("c", cookie)...)
	}
	h.open = []uint32{1}
	return h
}

// frameInt is the rest of an HPACK integer behind a full prefix (RFC 7541 §5.1).
func frameInt(n int) (b []byte) {
	for ; n >= 128; n >>= 7 {
		b = append(b, byte(n)|128)
	}
	return append(b, byte(n))
}

// hear gives the server what was said.
func (h *honest) hear() {
	for len(h.say) > 0 {
		n := min(len(h.say), 1<<16)
		n -= len(h.conn.recv(h.say[:n]))
		h.say = h.say[n:]
		h.settle()
		h.out = nil
	}
	h.say = nil
	if h.conn.state != connOpen {
		h.t.Fatalf("the connection ended: %v", h.conn.cause)
	}
}

func (h *honest) openAll(n int) {
	for range n {
		h.say = frame.AppendHeaders(h.say, h.next, frame.FlagEndHeaders, h.block)
		h.open = append(h.open, h.next)
		h.next += 2
	}
	h.hear()
	if got := h.conn.streams.len(); got != len(h.open) {
		h.t.Fatalf("%d streams, want %d", got, len(h.open))
	}
}

// creditAll grants every stream a little, one by one.
func (h *honest) creditAll() {
	for _, id := range h.open {
		h.say = frame.AppendWindowUpdate(h.say, id, 1)
	}
	h.hear()
}

// endAll ends every stream in one of the ways in which clients do, and says more about it than it need.
func (h *honest) endAll() {
	for i, id := range h.open {
		if i%2 == 0 {
			h.say = frame.AppendRSTStream(h.say, id, frame.Cancel)
		} else {
			h.say = frame.AppendData(h.say, id, frame.FlagEndStream, message(ws.OpClose, ""))
			h.say = frame.AppendRSTStream(h.say, id, frame.NoError)
		}
		h.say = frame.AppendWindowUpdate(h.say, id, 1)
	}
	h.open = nil
	h.hear()
}

// A gateway does everything with 300,000 streams at once: opens them, credits each, gets messages for all, credits each
// and the connection for every one, closes all, and does it again. No time passes but where it is said.
func TestRulesSpareTrunks(t *testing.T) {
	const streams = 300_000
	h := newHonest(t, 1<<20, 500)
	for range 2 {
		h.openAll(streams - len(h.open))
		h.creditAll()
		for range 3 {
			p := prepared(t, "to all")
			for _, c := range h.sockets {
				c.SendPrepared(p)
			}
			h.settle()
			h.out = nil
			h.creditAll()
			for range streams {
				h.say = frame.AppendWindowUpdate(h.say, 0, 8)
			}
			h.say = append(h.say, strings.Repeat(string(frame.AppendPing(nil, false, [8]byte{})), 100)...)
			h.hear()
			h.later(time.Second)
		}
		h.endAll()
		h.sockets = nil
	}
	h.wantNoRules()
}

// nghttpx opens 9,000 sockets on a connection at once.
func TestRulesSpareProxies(t *testing.T) {
	for _, streams := range []int{100, 9000} {
		h := newHonest(t, 1<<14, 4000)
		for range 2 {
			h.openAll(streams - len(h.open))
			h.creditAll()
			h.endAll()
			h.later(time.Second)
		}
		h.wantNoRules()
	}
}

// A page with as many sockets as a browser has, with large cookies, is loaded again and again by an impatient user.
func TestRulesSpareBrowsers(t *testing.T) {
	h := newHonest(t, 1000, 4000)
	for range 5 {
		h.openAll(255)
		for i, id := range h.open {
			h.say = frame.AppendPriority(h.say, id, 0, false, 200)
			if i%10 == 0 {
				h.say = frame.AppendPing(h.say, false, [8]byte{1})
			}
		}
		h.endAll()
		h.later(time.Second)
	}
	h.wantNoRules()
}

// A million messages of a few octets, each in a frame of its own, as fast as they can be read: half on one stream, half
// over a thousand. They cost nobody anything that stays.
func TestRulesSpareTinyMessages(t *testing.T) {
	h := newHonest(t, 2000, 0)
	received := 0
	h.core.endpoint = ws.NewEndpoint(ws.Funcs{Message: func(*ws.Conn, ws.Message) { received++ }}, ws.EndpointOptions{})
	h.openAll(1000)
	tiny := message(ws.OpText, "")
	for n := range 1_000_000 {
		id := uint32(3)
		if n%2 == 0 {
			id += uint32(n/2%1000) * 2
		}
		if h.say = frame.AppendData(h.say, id, 0, tiny); len(h.say) > 1<<16 {
			h.hear()
		}
	}
	h.hear()
	if received != 1_000_000 {
		t.Errorf("%d messages", received)
	}
	h.wantNoRules()
}

// A client with small buffers answers every DATA frame with two WINDOW_UPDATEs, whatever the rate.
func TestRulesSpareEagerCredit(t *testing.T) {
	h := newHonest(t, 100, 0)
	for range 100 {
		for range 1000 {
			h.sockets[0].Send(ws.Binary, make([]byte, 100))
			h.settle()
			h.say = frame.AppendWindowUpdate(frame.AppendWindowUpdate(h.say, 1, 106), 0, 106)
		}
		h.hear()
		h.later(10 * time.Millisecond)
	}
	h.wantNoRules()
}

// It does so too when it has not said anything of the kind for an hour: what it was sent since is not that old.
func TestRulesSpareCreditAfterAnHour(t *testing.T) {
	for _, streams := range []int{1, 100} {
		h := newHonest(t, 100, 0)
		h.openAll(streams - 1)
		h.later(time.Second)
		for range 3 {
			for range 1000 {
				for i, c := range h.sockets {
					c.Send(ws.Binary, make([]byte, 100))
					h.say = frame.AppendWindowUpdate(frame.AppendWindowUpdate(h.say, h.open[i], 106), 0, 106)
				}
				h.settle()
			}
			h.hear()
			h.later(time.Hour)
		}
		h.wantNoRules()
	}
}
