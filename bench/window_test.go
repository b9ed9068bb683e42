package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"h2ws/engine/frame"
)

// frameOf13 is a message whose masked frame has 13 octets.
var frameOf13 = []byte("1234567")

func TestStreamWindowHoldsBack(t *testing.T) {
	d := newDialogue(t, offer+" INITIAL_WINDOW_SIZE=20")
	d.open(2)
	d.c.send(0, opBinary, frameOf13, false)
	d.wantSent("13 of 20 octets", `MESSAGE 1 2 "1234567"`)
	d.c.send(0, opBinary, frameOf13, false)
	d.c.send(0, opBinary, []byte("x"), false)
	if got := sentOctets(d); got != 7 {
		t.Errorf("%d octets sent, the stream's window had 7", got)
	}
	d.c.send(1, opBinary, frameOf13, false)
	d.wantSent("the other stream is not held back", `MESSAGE 3 2 "1234567"`)
	d.recv("WINDOW_UPDATE 1 increment=6")
	if got := sentOctets(d); got != 6 {
		t.Errorf("%d octets sent, the rest of the message were 6", got)
	}
	d.recv("WINDOW_UPDATE 1 increment=100")
	d.wantSent("what came later is still behind it", `MESSAGE 1 2 "x"`)
}

func TestConnectionWindowHoldsBack(t *testing.T) {
	d := newDialogue(t, offer+" INITIAL_WINDOW_SIZE=1000000")
	d.open(2)
	d.c.sendWindow = 20
	d.c.send(0, opBinary, frameOf13, false)
	d.c.send(1, opBinary, frameOf13, false)
	d.c.send(0, opBinary, []byte("x"), false)
	if got := sentOctets(d); got != 20 {
		t.Errorf("%d octets sent, the connection's window had 20", got)
	}
	d.recv("WINDOW_UPDATE 1 increment=100")
	d.wantSent("credit for a stream does not help")
	d.recv("WINDOW_UPDATE 0 increment=6")
	if got := sentOctets(d); got != 6 {
		t.Errorf("%d octets sent, credit was 6", got)
	}
	d.recv("WINDOW_UPDATE 0 increment=1000")
	d.wantSent("the rest follows in order", `MESSAGE 1 2 "x"`)
}

func TestInitialWindowShrinksAndGrows(t *testing.T) {
	d := newDialogue(t, offer+" INITIAL_WINDOW_SIZE=100")
	d.open(1)
	d.c.send(0, opBinary, make([]byte, 74), false) // 80 octets
	d.recv("SETTINGS INITIAL_WINDOW_SIZE=10")
	d.c.out = nil
	if got := d.c.available(&d.c.streams[0]); got != -70 {
		t.Errorf("window is %d, want -70 (RFC 9113 §6.9.2)", got)
	}
	d.c.send(0, opBinary, frameOf13, false)
	d.recv("WINDOW_UPDATE 1 increment=70")
	d.wantSent("a window of 0 lets nothing through")
	d.recv("SETTINGS INITIAL_WINDOW_SIZE=23")
	d.wantSent("the setting grows: the acknowledgment, and 13 octets", "SETTINGS ACK", `MESSAGE 1 2 "1234567"`)
}

func TestLargeMessageIsCut(t *testing.T) {
	d := newDialogue(t, offer)
	d.open(1)
	d.c.send(0, opBinary, make([]byte, 40000), false)
	var sizes []uint32
	for len(d.c.out) > 0 {
		h, n := frame.ConsumeHeader(d.c.out)
		sizes = append(sizes, h.Length)
		d.c.out = d.c.out[n+int(h.Length):]
	}
	if fmt.Sprint(sizes) != "[16384 16384 7240]" {
		t.Errorf("DATA frames of %v, want 16384 at most (MAX_FRAME_SIZE) and 40008 in all", sizes)
	}
}

func TestEndStreamIsOnTheLastFrame(t *testing.T) {
	d := newDialogue(t, offer+" INITIAL_WINDOW_SIZE=5")
	d.open(1)
	d.c.close(0, 1000)
	d.recv("WINDOW_UPDATE 1 increment=100")
	var ends []bool
	for len(d.c.out) > 0 {
		h, n := frame.ConsumeHeader(d.c.out)
		ends = append(ends, h.Flags.Has(frame.FlagEndStream))
		d.c.out = d.c.out[n+int(h.Length):]
	}
	if fmt.Sprint(ends) != "[false true]" {
		t.Errorf("END_STREAM on %v, want it on the second of two DATA frames", ends)
	}
}

func TestCredit(t *testing.T) {
	d := newDialogue(t, offer)
	d.c.window = 100
	d.open(2)
	message := fmt.Sprintf("DATA 1 0x8230 %q", bytes.Repeat([]byte("a"), 48)) // 50 octets
	d.recv(message)
	d.wantSent("half of the window is used: it is filled up", "WINDOW_UPDATE 1 increment=50")
	d.recv(`DATA 3 0x8230 ` + message[len("DATA 1 0x8230 "):])
	d.wantSent("each stream has its own", "WINDOW_UPDATE 3 increment=50")
	d.recv("DATA 3 END_STREAM " + message[len("DATA 1 "):])
	d.wantSent("a stream that ends needs no credit")
	d.c.recvWindow = connWindow/2 + 40
	d.recv(message)
	d.wantSent("the connection's half is used", "WINDOW_UPDATE 0 increment=1073741834", "WINDOW_UPDATE 1 increment=50")
}

func TestServerExceedsWindow(t *testing.T) {
	d := newDialogue(t, offer)
	d.c.window = 10
	d.open(1)
	wantFault(t, d.tryRecv(`DATA 1 0x8209 "123456789"`), "window")
	d = newDialogue(t, offer)
	d.open(1)
	d.c.recvWindow = 10
	wantFault(t, d.tryRecv(`DATA 1 0x8209 "123456789"`), "window")
}

// TestSendWindowsAgainstModel sends random messages on a few streams while the server changes windows
// at random, and checks that no window is exceeded, that each stream carries its messages in
// order, and that nothing waits when there is room.
func TestSendWindowsAgainstModel(t *testing.T) {
	for seed := range uint64(300) {
		m := newWindowModel(t, seed)
		for range 200 {
			m.step()
		}
		m.grant(0, 1<<20)
		for i := range m.streams {
			m.grant(streamID(i), 1<<20)
		}
		m.observe()
		for i, s := range m.streams {
			if !bytes.Equal(s.got, s.want) {
				t.Fatalf("seed %d: stream %d carried %d octets of messages, want %d", seed, streamID(i), len(s.got), len(s.want))
			}
		}
	}
}

type windowModel struct {
	t       *testing.T
	seed    uint64
	random  *rand.Rand
	d       *dialogue
	window  int64 // of the connection
	initial int64
	streams [3]modelStream
}

type modelStream struct {
	window    int64
	want, got []byte // unmasked payloads, and what arrived
	raw       []byte // of a masked frame not yet whole
}

func newWindowModel(t *testing.T, seed uint64) *windowModel {
	m := &windowModel{t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 0)), window: initialWindow, initial: 50}
	m.d = newDialogue(t, offer+" INITIAL_WINDOW_SIZE=50")
	m.d.open(len(m.streams))
	if seed%2 == 0 { // or the connection's window is never what stands in the way
		m.window, m.d.c.sendWindow = 500, 500
	}
	for i := range m.streams {
		m.streams[i].window = m.initial
	}
	return m
}

func (m *windowModel) step() {
	i := m.random.IntN(len(m.streams))
	switch m.random.IntN(6) {
	case 0, 1:
		payload := bytes.Repeat([]byte{byte(m.random.Uint32())}, m.random.IntN(2000))
		m.streams[i].want = append(m.streams[i].want, payload...)
		m.d.c.send(i, opBinary, payload, false)
	case 2, 3:
		m.grant(streamID(i), 1+m.random.Uint32N(3000))
	case 4:
		m.grant(0, 1+m.random.Uint32N(3000))
	case 5:
		size := int64(m.random.IntN(500))
		for k := range m.streams {
			m.streams[k].window += size - m.initial
		}
		m.initial = size
		m.d.recv(fmt.Sprintf("SETTINGS INITIAL_WINDOW_SIZE=%d", size))
	}
	m.observe()
	for k := range m.streams {
		s := &m.streams[k]
		if m.window > 0 && s.window > 0 && len(m.d.c.stalled[uint32(k)]) > 0 {
			m.t.Fatalf("seed %d: stream %d waits with windows of %d and %d", m.seed, streamID(k), m.window, s.window)
		}
	}
	if m.window > 0 && m.d.c.waiting.len() > 0 {
		m.t.Fatalf("seed %d: output waits for a connection window of %d", m.seed, m.window)
	}
}

func (m *windowModel) grant(id, increment uint32) {
	if id == 0 {
		m.window += int64(increment)
	} else {
		m.streams[id/2].window += int64(increment)
	}
	m.d.recv(fmt.Sprintf("WINDOW_UPDATE %d increment=%d", id, increment))
}

// observe takes what the client sent.
func (m *windowModel) observe() {
	c := m.d.c
	for len(c.out) > 0 {
		h, n := frame.ConsumeHeader(c.out)
		payload := c.out[n : n+int(h.Length)]
		c.out = c.out[n+int(h.Length):]
		if h.Type != frame.Data {
			continue
		}
		s := &m.streams[h.StreamID/2]
		m.window -= int64(h.Length)
		s.window -= int64(h.Length)
		if m.window < 0 || s.window < 0 {
			m.t.Fatalf("seed %d: DATA of %d octets leaves windows of %d and %d", m.seed, h.Length, m.window, s.window)
		}
		s.raw = append(s.raw, payload...)
		if _, data, ok := unmask(s.raw); ok {
			s.got = append(s.got, data...)
			s.raw = nil
		}
	}
}

// sentOctets takes what the client sent and returns how much of it is DATA payload.
func sentOctets(d *dialogue) (n int) {
	for len(d.c.out) > 0 {
		h, k := frame.ConsumeHeader(d.c.out)
		if h.Type == frame.Data {
			n += int(h.Length)
		}
		d.c.out = d.c.out[k+int(h.Length):]
	}
	return n
}
