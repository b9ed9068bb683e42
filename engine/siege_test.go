package engine

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// TestSiege has honest peers and attackers on one core. Whatever the attackers do, the honest get every answer in the turn
// of their question, are never refused, slowed or closed, and what the core holds stays within its limits. Everything is
// derived from the seed:
//
//	go test ./engine -run TestSiege -sim.seed=N
func TestSiege(t *testing.T) {
	first, n := uint64(1), uint64(30)
	switch {
	case *simSeed != 0:
		first, n = *simSeed, 1
	case *simSeeds != 0:
		n = *simSeeds
	case testing.Short():
		n = 10
	}
	steps, frames, met := 0, uint64(0), map[Rule]bool{}
	for seed := first; seed < first+n && !t.Failed(); seed++ {
		s := newSiege(t, seed)
		for s.step = range 400 {
			s.act()
			s.turn()
			s.check()
		}
		s.end()
		steps += 400
		frames += s.core.stats.FramesReceived
		for r := range RuleCount {
			if s.core.stats.Rules[r] != (RuleStats{}) {
				met[r] = true
			}
		}
		if t.Failed() {
			t.Logf("replay: go test ./engine -run TestSiege -sim.seed=%d", seed)
		}
	}
	t.Logf("%d turns, %d frames, %d of %d rules met", steps, frames, len(met), RuleCount)
}

// siege is one run.
type siege struct {
	t         *testing.T
	seed      uint64
	step      int
	r         *rand.Rand
	core      *core
	gather    *gather
	base      int64
	honest    []*burgher
	attackers []*attacker

	events   map[*ws.Conn]int // the sockets that are open
	accepted uint64           // messages by Send
}

// siegeLimits are small, so that what they bound is bounded at little.
var siegeLimits = Limits{
	MaxConcurrentStreams: 30,
	MessageSize:          5000,
	AssemblySize:         60_000,
	Queue:                ws.QueueLimits{MaxBytes: 10_000, MaxMessages: 20},
	ControlSize:          8 << 10,
	PrefaceTimeout:       time.Second,
	HeaderTimeout:        time.Second,
	CloseTimeout:         time.Second,
	WriteTimeout:         3 * time.Second,
	StreamTimeout:        3 * time.Second,
	MessageTimeout:       3 * time.Second,
	SocketPingInterval:   -1,
}

// siegeConnMax is what one connection may hold within them: incomplete messages, a field block, a cut frame, answers to
// what one read asks for, a gather, queues and messages that overshoot them.
const siegeConnMax = 2*60_000 + 64<<10 + 32<<10 + 8<<10 + 3*64<<10 + gatherSize + 30*(2*10_000+5000+300) + 4096

func newSiege(t *testing.T, seed uint64) *siege {
	s := &siege{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 7)), gather: newGather(gatherSize), base: memoryHeld(), events: map[*ws.Conn]int{}}
	l := siegeLimits.withDefaults()
	l.MemorySize = s.base + 1<<30
	h := ws.Funcs{
		Open: func(c *ws.Conn) { s.events[c]++ },
		Message: func(c *ws.Conn, m ws.Message) {
			if s.events[c] != 1 {
				s.failf("a message on a socket that is not open")
			}
			if c.Send(m.Type, m.Data) == nil {
				s.accepted++
			}
		},
		Close: func(c *ws.Conn, _ error) {
			if s.events[c] != 1 {
				s.failf("OnClose of a socket that is not open")
			}
			delete(s.events, c)
		},
	}
	s.core = newCore(l, ws.NewEndpoint(h, ws.EndpointOptions{MessageBytesMax: l.MessageSize, Queue: l.Queue}), slog.New(slog.NewTextHandler(io.Discard, nil)))
	s.core.now = time.Duration(s.r.Int64N(int64(100 * time.Hour)))
	for range 1 + s.r.IntN(3) {
		s.honest = append(s.honest, s.newBurgher())
	}
	for range 1 + s.r.IntN(4) {
		s.attackers = append(s.attackers, s.newAttacker())
	}
	return s
}

func (s *siege) failf(format string, args ...any) {
	s.t.Helper()
	s.t.Errorf("seed %d, step %d: %s", s.seed, s.step, fmt.Sprintf(format, args...))
}

// besieger is what both have: a connection, what is on its way to it, and how much of what it says is taken.
type besieger struct {
	*testPeer
	up []byte
}

func (s *siege) connect() besieger {
	b := besieger{testPeer: &testPeer{t: s.t, core: s.core, room: -1, gather: s.gather}}
	b.conn = newConn(s.core, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(s.r.IntN(250))}), 1))
	b.enc = hpack.NewEncoder(&b.encb)
	b.up = append(b.up, frame.Preface...)
	return b
}

// hear gives the connection some of what was said, as a loop reads.
func (s *siege) hear(b *besieger, all bool) {
	for c := b.conn; len(b.up) > 0 && c.state != connLost && len(c.control) <= s.core.limits.ControlSize && !c.slowed(); {
		n := min(len(b.up), readSize)
		if !all && s.r.IntN(3) == 0 {
			n = 1 + s.r.IntN(n)
		}
		rest := c.recv(append([]byte(nil), b.up[:n]...))
		b.up = b.up[n-len(rest):]
		if len(rest) > 0 {
			s.output()
		}
		if !all {
			return
		}
	}
}

// output is loop.output.
func (s *siege) output() {
	for more := true; more; {
		more = s.core.deliver()
		s.all(func(b *besieger) { b.flush1() })
	}
	s.core.settle()
}

func (s *siege) all(f func(b *besieger)) {
	for _, h := range s.honest {
		f(&h.besieger)
	}
	for _, a := range s.attackers {
		f(&a.besieger)
	}
}

// act is one step of the world outside.
func (s *siege) act() {
	for _, h := range s.honest {
		for range s.r.IntN(4) {
			h.act(s.r)
		}
	}
	for _, a := range s.attackers {
		a.act(s.r)
	}
	d := time.Duration(s.r.Int64N(int64(20 * time.Millisecond)))
	if s.r.IntN(30) == 0 {
		d *= 50
	}
	s.core.now += d
}

// turn is a turn of the loop.
func (s *siege) turn() {
	k := s.core
	for _, h := range s.honest {
		s.hear(&h.besieger, true)
	}
	for _, a := range s.attackers {
		s.hear(&a.besieger, false)
	}
	s.output()
	k.judge()
	k.relieve()
	k.tellDrops()
	k.sweep()
	k.expireMessages()
	s.all(func(b *besieger) {
		if b.conn.state != connLost && b.conn.deadline() <= k.now {
			b.conn.expire()
		}
		b.flush1()
		k.keep(len(b.rest) - len(b.conn.wire.rest))
		b.conn.wire.rest = b.rest
		b.conn.weigh()
	})
	k.dirty = k.dirty[:0]
	for _, h := range s.honest {
		h.listen()
	}
	for i, a := range s.attackers {
		if a.out = nil; a.conn.state >= connLeaving {
			s.lose(&a.besieger)
			s.attackers[i] = s.newAttacker()
		}
	}
	k.judge()
}

// flush1 offers what the connection has to say.
func (b *besieger) flush1() {
	b.conn.dirty = false
	b.flushConn()
}

// lose is the end of a connection's socket.
func (s *siege) lose(b *besieger) {
	b.conn.lose(errIdle)
	s.core.keep(-len(b.conn.wire.rest))
	b.conn.wire.rest, b.conn.control = nil, nil
	for s.core.sweep() {
	}
	b.conn.weigh()
}

func (s *siege) check() {
	for i, h := range s.honest {
		if h.conn.state != connOpen || h.conn.slowed() || h.conn.drain != drainNone {
			s.failf("honest %d: state %d, slowed %t: %v", i, h.conn.state, h.conn.slowed(), h.conn.cause)
		}
		for id, text := range h.asked {
			if text != "" {
				s.failf("honest %d: no answer on stream %d", i, id)
			}
		}
	}
	most := int64(len(s.honest)+len(s.attackers)) * siegeConnMax
	if n := memoryHeld() - s.base; n > most {
		s.failf("%d octets are held, the limits allow %d", n, most)
	}
	sockets, queued := int64(0), uint64(0)
	for _, c := range s.core.conns {
		n, _ := c.checkStreams(len(c.wire.rest), func(format string, args ...any) { s.failf(format, args...) })
		sockets += n
		for _, st := range c.streams.streams {
			if st == nil {
				continue
			}
			says := st.queued.Load() &^ queuedSlow
			if truth := st.queueTruth(); says != truth {
				s.failf("stream %d: queued says %#x, truth %#x", st.id, says, truth)
			}
			queued += says / queuedMessage
		}
	}
	stats := &s.core.stats
	if sockets > stats.Sockets || int64(len(s.events)) > stats.Sockets {
		s.failf("Stats.Sockets %d, %d are in tables, OnOpen without OnClose %d", stats.Sockets, sockets, len(s.events))
	}
	if len(s.core.leaving) == 0 && s.accepted != stats.MessagesSent+stats.MessagesDiscarded+queued {
		s.failf("%d accepted, %d sent, %d discarded, %d queued", s.accepted, stats.MessagesSent, stats.MessagesDiscarded, queued)
	}
}

func (s *siege) end() {
	s.all(s.lose)
	s.turn()
	if k := s.core; k.stats.Sockets != 0 || k.weight != 0 || k.holding != 0 || memoryHeld() != s.base || k.nextMessage() != never {
		s.failf("left behind: %d sockets, %d and %d octets, %d in all", k.stats.Sockets, k.weight, k.holding, memoryHeld()-s.base)
	}
}
