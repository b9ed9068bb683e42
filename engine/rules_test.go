package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// A bucket against the sum of what was counted, each part of it leaking by itself, oldest first.
func TestBucket(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 0))
	for range 100 {
		rate := 1 + 100*random.Float64()
		now := random.Uint32() // also one that wraps
		b := bucket{at: now}
		var model float64
		for range 1000 {
			wait := uint32(random.IntN(100))
			n := float64(random.IntN(10))
			now += wait
			model = max(0, model-rate*float64(wait)/1000) + n
			if got := float64(b.add(float32(n), float32(rate), now)); math.Abs(got-model) > 0.1+model/1e4 {
				t.Fatalf("level %v, model %v", got, model)
			}
		}
	}
}

func TestRuleNames(t *testing.T) {
	seen := map[string]bool{}
	for r := range RuleCount {
		if name := r.String(); name == "" || seen[name] {
			t.Errorf("rule %d is named %q", r, name)
		} else {
			seen[name] = true
		}
	}
	for r := range buckets {
		if rule := ruleTable[r]; rule.base <= trivial || rule.refill <= 0 || rule.ladder[2] == actNone {
			t.Errorf("rule %v: %+v", r, rule)
		}
	}
}

// floods has for each rule that ends connections what a peer floods it with: the n-th of many.
var floods = map[Rule]func(p *testPeer, n int) []byte{
	RulePing:     func(p *testPeer, n int) []byte { return frame.AppendPing(nil, false, [8]byte{byte(n)}) },
	RuleSettings: func(p *testPeer, n int) []byte { return frame.AppendSettings(nil) },
	RuleReset: func(p *testPeer, n int) []byte {
		id := uint32(2*n + 3)
		return frame.AppendRSTStream(frame.AppendHeaders(nil, id, frame.FlagEndHeaders, p.connectFields()), id, frame.Cancel)
	},
	RuleFault: func(p *testPeer, n int) []byte {
		id := uint32(2*n + 3)
		return frame.AppendWindowUpdate(frame.AppendHeaders(nil, id, frame.FlagEndHeaders, p.connectFields()), id, 0)
	},
	RuleWindowUpdate: func(p *testPeer, n int) []byte { return frame.AppendWindowUpdate(nil, uint32(n%2), 1) },
	RuleGlitch: func(p *testPeer, n int) []byte {
		return frame.AppendHeader(nil, frame.Header{Type: frame.Type(10 + n%246)})
	},
	RuleEmpty: func(p *testPeer, n int) []byte { return frame.AppendData(nil, 1, 0, nil) },
	RuleOverhead: func(p *testPeer, n int) []byte {
		return append(frame.AppendHeader(nil, frame.Header{Length: 16384, Type: 0xff}), make([]byte, 16384)...)
	},
	RuleRefused: func(p *testPeer, n int) []byte {
		return frame.AppendHeaders(nil, uint32(2*n+3), frame.FlagEndHeaders, p.connectFields())
	},
}

// What a connection was sent before it had a ledger may be as old as the connection: it is no budget for a flood.
func TestFloodBehindYearsOfFrames(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	p.open(1)
	for range 1000 {
		p.conn.sent(100_000)
	}
	for n := 0; p.conn.state == connOpen; n++ {
		if n == 20_000 {
			t.Fatalf("%d PINGs at once are no flood", n)
		}
		p.conn.recv(floods[RulePing](p, n))
		p.flush()
		p.out = nil
	}
}

// Each rule slows the peer down, tells it to open no more streams, and ends the connection, in this order, and
// says so. Nothing is left behind, and it takes no time.
func TestRulesEnd(t *testing.T) {
	for r := range buckets {
		flood := floods[r]
		if (flood != nil) != (ruleTable[r].ladder == strict) {
			t.Fatalf("%v: no flood, or one too many", r)
		}
		if flood == nil {
			continue
		}
		t.Run(r.String(), func(t *testing.T) {
			p := openTestPeer(t, Limits{MaxConcurrentStreams: 1, SettingsTimeout: -1}, ws.Nop{})
			p.open(1)
			if r == RuleReset || r == RuleFault {
				p.send("RST_STREAM 1 CANCEL")
			}
			var seen []string
			limit := 2 * int(ruleTable[r].base)
			for n := 0; n < limit && p.conn.state == connOpen; n++ {
				p.write(string(flood(p, n)))
				for _, line := range p.frames() {
					if strings.HasPrefix(line, "GOAWAY") {
						seen = append(seen, line)
					}
				}
				if p.conn.slowed() && !slices.Contains(seen, "slow") {
					seen = append(seen, "slow")
				}
			}
			want := []string{"slow", "GOAWAY last=2147483647 NO_ERROR", fmt.Sprintf(`GOAWAY last=%d ENHANCE_YOUR_CALM "rule %v"`, p.conn.lastPeerID, r)}
			if !slices.Equal(seen, want) {
				t.Errorf("got %q, want %q", seen, want)
			}
			if p.conn.slowed() {
				t.Error("what it sends is not read any more: the unread octets would reset the connection ahead of the GOAWAY")
			}
			if got, want := p.core.stats.Rules[r], (RuleStats{Slowed: 1, Drained: 1, Ended: 1}); got != want {
				t.Errorf("counted %+v, want %+v", got, want)
			}
			p.later(lingerTimeout)
			if !p.conn.gone() || p.core.stats.Sockets != 0 {
				t.Errorf("state %d, %d streams, %d sockets", p.conn.state, p.conn.streams.len(), p.core.stats.Sockets)
			}
		})
	}
}

// Half of each rate is nothing that anybody notices.
func TestRulesSpareHalfOfTheRate(t *testing.T) {
	for r, flood := range floods {
		if r == RuleRefused {
			continue // of 40 a second
		}
		t.Run(r.String(), func(t *testing.T) {
			p := openTestPeer(t, Limits{MaxConcurrentStreams: 1, SettingsTimeout: -1, PingInterval: -1, IdleTimeout: -1}, ws.Nop{})
			if r != RuleReset && r != RuleFault {
				p.open(1)
			}
			cost := float32(1)
			if r == RuleOverhead {
				cost = 16384 + 9
			}
			each := time.Duration(2 * cost * ruleTable[r].refill / ruleTable[r].base * float32(time.Second))
			for n := range 3000 {
				p.core.now += each
				p.write(string(flood(p, n)))
				p.out = nil
			}
			p.wantState("an honest rate", connOpen)
			p.wantNoRules()
		})
	}
}

// wantNoRules checks that no rule was met.
func (p *testPeer) wantNoRules() {
	p.t.Helper()
	wantNoRules(p.t, &p.core.stats)
}

func wantNoRules(t testing.TB, s *Stats) {
	t.Helper()
	for r, n := range s.Rules {
		if n != (RuleStats{}) {
			t.Errorf("rule %v was met: %+v", Rule(r), n)
		}
	}
}

// Whoever is slowed down is read again when it is within its budget, and is not late for what it could not be asked.
func TestSlowedConnectionIsReadAgain(t *testing.T) {
	p := openTestPeer(t, Limits{PingInterval: 150 * time.Millisecond, PingTimeout: 100 * time.Millisecond}, ws.Nop{})
	for n := 0; !p.conn.slowed(); n++ {
		if n > 101+trivial {
			t.Fatal("more than half of a budget, and nothing happens")
		}
		p.write(string(floods[RulePing](p, n)))
	}
	p.frames()
	p.wantDeadline("it is read again soon", slowMin)
	p.later(slowMin)
	if p.conn.slowed() {
		t.Fatal("it is not read again")
	}
	p.later(149 * time.Millisecond)
	p.want("the silence that counts began when it was read again")
	p.later(time.Millisecond)
	p.want("and is long now", "PING 0x616c6976653f0000")
	p.write(string(floods[RulePing](p, 0)))
	if p.conn.slowed() {
		t.Error("slowed down once more without coming down first")
	}
}

// The budget for what streams are opened beyond those that stay: reading goes on as it leaks, nothing is refused.
func TestChurnIsSlowedAndServed(t *testing.T) {
	p := openTestPeer(t, Limits{}, ws.Nop{})
	opened, start := 0, p.core.now
	for opened < 20_000 {
		for range 500 {
			id := uint32(2*opened + 1)
			p.headers(id, 0, p.connectFields())
			p.data(id, frame.FlagEndStream, message(ws.OpClose, ""))
			opened++
		}
		p.out = nil
		if p.conn.slowed() {
			p.later(p.conn.ledger.slowUntil - p.core.now)
		}
	}
	p.wantState("churn alone ends nothing", connOpen)
	s := &p.core.stats
	if s.SocketsOpened != uint64(opened) || s.Rules[RuleOpen].Slowed == 0 {
		t.Errorf("%d of %d opened, %+v", s.SocketsOpened, opened, s.Rules[RuleOpen])
	}
	rate := float64(opened) / (p.core.now - start).Seconds()
	if rate > 2000 {
		t.Errorf("%.0f a second", rate)
	}
}

// Of requests that have no handler those beyond the budget are refused. The sockets of the connection live on.
func TestPlainRequestsAreRefused(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	p.open(1)
	for n := range 10_000 {
		p.plain(uint32(2*n + 3))
	}
	p.out = nil
	s := &p.core.stats
	if s.RequestsPlain < 100 || s.RequestsPlain+s.Rules[RulePlain].Refused != 10_000 || s.RequestsPlain > 200 {
		t.Errorf("%d answered, %d refused", s.RequestsPlain, s.Rules[RulePlain].Refused)
	}
	p.data(1, 0, message(ws.OpText, "here"))
	p.want("echo", `DATA 1 0x8104 "here"`)
}

// A socket that floods its connection with pings is closed; the others, which ping as well, are not.
func TestSocketPingFlood(t *testing.T) {
	closed := map[*ws.Conn]bool{}
	var all []*ws.Conn
	p := openTestPeer(t, Limits{}, ws.Funcs{
		Open:  func(c *ws.Conn) { all = append(all, c) },
		Close: func(c *ws.Conn, err error) { closed[c] = true },
	})
	for i := range uint32(10) {
		p.open(2*i + 1)
	}
	flood := slices.Repeat(frame.AppendData(nil, 1, 0, message(ws.OpPing, "!")), 1000)
	for i := range 100 {
		p.write(string(flood))
		p.data(uint32(2*(1+i%9)+1), 0, message(ws.OpPing, "?"))
		p.out = nil
	}
	p.later(p.core.limits.CloseTimeout)
	for i, c := range all {
		if closed[c] != (i == 0) {
			t.Errorf("socket %d: closed %t", i, closed[c])
		}
	}
	p.wantState("a socket's pings", connOpen)
	if p.core.stats.Rules[RuleSocketPing].Refused == 0 {
		t.Error("not counted")
	}
}

// 10,000 pings that nobody waits for: the last is answered.
func TestSocketPingsAreCoalesced(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	p.open(1)
	p.room = 0
	for n := range 10_000 {
		p.data(1, 0, message(ws.OpPing, fmt.Sprintf("%04d", n)))
	}
	if n := p.core.segments.used; n > 2 {
		t.Errorf("%d segments for pongs", n)
	}
	p.room, p.out = -1, nil
	p.conn.touch()
	p.settle()
	if got := p.frames(); got[len(got)-1] != `DATA 1 0x8a04 "9999"` {
		t.Errorf("%q", got)
	}
	p.wantNoRules()
}
