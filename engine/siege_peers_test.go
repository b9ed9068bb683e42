package engine

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"

	"h2ws/engine/frame"
	"h2ws/ws"
)

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
