package engine

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
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

// burgher opens sockets, asks for echoes on them and closes them, credits what it gets, and has its peer prove that it lives.
type burgher struct {
	besieger
	next   uint32
	asked  map[uint32]string // by open stream; "": nothing
	in     map[uint32][]byte
	closed map[uint32]bool
}

func (s *siege) newBurgher() *burgher {
	h := &burgher{besieger: s.connect(), next: 1, asked: map[uint32]string{}, in: map[uint32][]byte{}, closed: map[uint32]bool{}}
	h.up = frame.AppendSettings(h.up, frame.Setting{ID: frame.InitialWindowSize, Value: 1 << 20})
	h.up = frame.AppendSettingsAck(h.up)
	return h
}

func (h *burgher) act(r *rand.Rand) {
	id := h.any(r)
	switch n := r.IntN(20); {
	case id == 0 || n < 2 && len(h.asked) < 20:
		h.up = frame.AppendHeaders(h.up, h.next, frame.FlagEndHeaders, h.connectFields())
		h.asked[h.next] = ""
		h.next += 2
	case n == 2:
		h.closed[id] = true
		h.up = frame.AppendData(h.up, id, frame.FlagEndStream, message(ws.OpClose, ""))
		delete(h.asked, id)
	case n == 3:
		h.closed[id] = true
		h.up = frame.AppendRSTStream(h.up, id, frame.Cancel)
		delete(h.asked, id)
	case n == 4 && r.IntN(20) == 0:
		h.up = frame.AppendPing(h.up, false, [8]byte{7})
	case n == 5:
		h.up = frame.AppendData(h.up, id, 0, message(ws.OpPing, "?"))
	case h.asked[id] == "":
		h.asked[id] = strings.Repeat(string(rune('a'+r.IntN(26))), 1+r.IntN(2000))
		octets := message(ws.OpBinary, h.asked[id])
		cut := r.IntN(len(octets))
		if cut > 0 {
			h.up = frame.AppendData(h.up, id, 0, octets[:cut])
		}
		h.up = frame.AppendData(h.up, id, 0, octets[cut:])
	}
}

// any is one of the open streams, or 0. Not that of a map, or the seed would not be all.
func (h *burgher) any(r *rand.Rand) uint32 {
	var ids []uint32
	for id := uint32(1); id < h.next; id += 2 {
		if _, open := h.asked[id]; open {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return 0
	}
	return ids[r.IntN(len(ids))]
}

// listen takes what the server says.
func (h *burgher) listen() {
	for len(h.out) > 0 {
		f, n := frame.ConsumeHeader(h.out)
		if n == 0 || len(h.out) < n+int(f.Length) {
			h.t.Fatal("half a frame")
		}
		p := h.out[n : n+int(f.Length)]
		switch {
		case f.Type == frame.GoAway || f.Type == frame.RSTStream && !h.closed[f.StreamID]:
			h.t.Errorf("an honest peer is told %s", frame.AppendText(nil, f, p))
		case f.Type == frame.Ping && !f.Flags.Has(frame.FlagAck):
			h.up = frame.AppendPing(h.up, true, frame.ParsePing(p))
		case f.Type == frame.Data && len(p) > 0:
			h.up = frame.AppendWindowUpdate(frame.AppendWindowUpdate(h.up, 0, f.Length), f.StreamID, f.Length)
			h.recvData(f.StreamID, p)
		}
		h.out = h.out[n+int(f.Length):]
	}
	h.out = nil
}

func (h *burgher) recvData(id uint32, p []byte) {
	in := append(h.in[id], p...)
	for {
		f, n := ws.ConsumeHeader(in)
		if n == 0 || f.Length > uint64(len(in)-n) {
			break
		}
		payload := in[n : n+int(f.Length)]
		in = in[n+int(f.Length):]
		switch text, open := h.asked[id]; {
		case f.Opcode() == ws.OpBinary && open && string(payload) == text:
			h.asked[id] = ""
		case f.Opcode() == ws.OpPong || h.closed[id]:
		default:
			h.t.Errorf("stream %d: frame %+v", id, f)
		}
	}
	h.in[id] = in
}

// attacker throws one thing, or one after the other, until its connection ends; then it comes again.
type attacker struct {
	besieger
	do func(a *attacker, r *rand.Rand)
	n  int
}

func (s *siege) newAttacker() *attacker {
	a := &attacker{besieger: s.connect(), do: pick(s.r, attacks...)}
	if s.r.IntN(10) > 0 {
		a.up = frame.AppendSettings(a.up, frame.Setting{ID: frame.InitialWindowSize, Value: pick[uint32](s.r, 0, 1, 100, 65535, 1<<31-1)})
	}
	if s.r.IntN(3) > 0 {
		a.up = frame.AppendSettingsAck(a.up)
	}
	return a
}

func (a *attacker) act(r *rand.Rand) {
	switch r.IntN(50) {
	case 0:
		a.room = r.IntN(3000)
	case 1:
		a.do = pick(r, attacks...)
	case 2:
		a.up = nil // it loses the thread
	}
	if len(a.up) < 1<<17 {
		a.do(a, r)
	}
}

var attacks = append([]func(*attacker, *rand.Rand){
	(*attacker).openAndHold, (*attacker).drip, (*attacker).bomb, (*attacker).babble, (*attacker).dribble, (*attacker).churn,
}, floodAttacks()...)

// floodAttacks are those of which the rules know, in any number.
func floodAttacks() (list []func(*attacker, *rand.Rand)) {
	for r := range buckets {
		if flood := floods[r]; flood != nil {
			list = append(list, func(a *attacker, r *rand.Rand) {
				for range r.IntN(400) {
					a.up = append(a.up, flood(a.testPeer, a.n)...)
					a.n++
				}
			})
		}
	}
	return list
}

// openAndHold has messages echoed into windows that it does not open.
func (a *attacker) openAndHold(r *rand.Rand) {
	id := uint32(2*r.IntN(40) + 1)
	if id > a.conn.lastPeerID {
		a.up = frame.AppendHeaders(a.up, id, frame.FlagEndHeaders, a.connectFields())
	}
	for range r.IntN(30) {
		a.up = frame.AppendData(a.up, id, 0, message(ws.OpBinary, strings.Repeat("x", r.IntN(3000))))
	}
}

// drip begins messages and does not end them.
func (a *attacker) drip(r *rand.Rand) {
	id := uint32(2*r.IntN(40) + 1)
	if id > a.conn.lastPeerID {
		a.up = frame.AppendHeaders(a.up, id, frame.FlagEndHeaders, a.connectFields())
	}
	part := message(ws.OpText, strings.Repeat("x", r.IntN(3000)))
	part[0] &^= 0x80
	if r.IntN(2) == 0 {
		part[0] &= 0xf0 // a continuation
	}
	a.up = frame.AppendData(a.up, id, 0, part[:1+r.IntN(len(part))])
}

// bomb sends field blocks that are not completed, or decode to much.
func (a *attacker) bomb(r *rand.Rand) {
	id := a.conn.lastPeerID + uint32(2*(1+r.IntN(2)))
	id |= 1
	switch r.IntN(4) {
	case 0:
		a.up = frame.AppendHeaders(a.up, id, 0, make([]byte, r.IntN(16384)))
	case 1:
		a.up = frame.AppendContinuation(a.up, id, 0, make([]byte, r.IntN(16384)))
	case 2:
		a.up = frame.AppendHeaders(a.up, id, frame.FlagEndHeaders, []byte(strings.Repeat("\x90", r.IntN(500))))
	default:
		a.up = frame.AppendHeaders(a.up, id, frame.FlagEndHeaders, a.connectFields("x", strings.Repeat("y", r.IntN(9000))))
	}
}

// babble is not HTTP/2, or nearly.
func (a *attacker) babble(r *rand.Rand) {
	for range r.IntN(100) {
		a.up = binary.BigEndian.AppendUint64(a.up, r.Uint64())
	}
	if r.IntN(2) == 0 {
		h := frame.Header{Length: uint32(r.IntN(20)), Type: frame.Type(r.IntN(12)), Flags: frame.Flags(r.Uint32()), StreamID: uint32(r.IntN(50))}
		a.up = append(frame.AppendHeader(a.up, h), make([]byte, h.Length)...)
	}
}

// dribble opens windows octet by octet.
func (a *attacker) dribble(r *rand.Rand) {
	a.openAndHold(r)
	for range r.IntN(50) {
		a.up = frame.AppendWindowUpdate(a.up, uint32(2*r.IntN(20)+1), 1)
	}
	a.up = frame.AppendSettings(a.up, frame.Setting{ID: frame.InitialWindowSize, Value: uint32(r.IntN(2000))})
}

// churn opens and closes.
func (a *attacker) churn(r *rand.Rand) {
	for range r.IntN(100) {
		a.n++
		id := uint32(2*a.n + 101)
		a.up = frame.AppendHeaders(a.up, id, frame.FlagEndHeaders, a.connectFields())
		a.up = frame.AppendData(a.up, id, frame.Flags(r.IntN(2)), message(ws.OpClose, ""))
	}
}
