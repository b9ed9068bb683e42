package engine

import (
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// fuzzLimits make every limit reachable with few octets.
var fuzzLimits = Limits{
	MaxConcurrentStreams: 4,
	MessageSize:          300,
	AssemblySize:         400,
	Queue:                ws.QueueLimits{MaxBytes: 2000, MaxMessages: 6},
	HeaderBlockSize:      1000,
	Continuations:        3,
	RequestBody:          50,
	RuleScale:            0.1,
	StreamTimeout:        2 * time.Second,
	MessageTimeout:       2 * time.Second,
	SocketPingInterval:   3 * time.Second,
}

// FuzzConn gives a fresh connection whatever comes to mind. The input is a script of steps: an octet that says what
// happens, and what belongs to it. The server never panics, writes nothing but whole frames within its windows, tells
// the handler of each socket's end exactly once, and holds no more than its limits allow.
//
// Its seeds are the golden transcripts, and testdata/fuzz/FuzzConn what the fuzzer has found beyond them.
func FuzzConn(f *testing.F) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal("no transcripts", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for i, d := range parseTranscript(string(text)) {
			f.Add(d.seedFuzz(f, i%4))
			f.Add(append([]byte{fuzzServe | byte(i%32)<<3}, d.seedFuzz(f, i%4)...))
		}
	}
	for _, script := range fuzzScripts(f) {
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) { playFuzz(t, script) })
}

// What the first octet of a step says, with its upper bits as an argument.
const (
	fuzzOctets = iota // a length in two octets and octets, given whole
	fuzzCut           // the same, given in cuts of the argument plus one
	fuzzTime          // time passes: 2^argument milliseconds
	fuzzRoom          // the socket takes 2^argument-1 octets from now on; 31: any number
	fuzzDrain
	fuzzServe   // plain requests have handlers from now on, and the argument says what these do
	fuzzPublish // the application publishes, see fuzzApp.publish
	fuzzDecide  // and decides a handshake that it deferred
)

func playFuzz(t *testing.T, script []byte) {
	app := newFuzzApp(t)
	newTestPeer(t, fuzzLimits, app).playFuzz(app, script)
}

func (p *testPeer) playFuzz(app *fuzzApp, script []byte) {
	handlers := fuzzHandlers{p: p, before: held.Load()}
	for len(script) > 0 && p.conn.state != connLost {
		step, argument := int(script[0]&7), int(script[0]>>3)
		script = script[1:]
		switch step {
		case fuzzOctets, fuzzCut:
			if len(script) < 2 {
				script = nil
				break
			}
			n := min(int(binary.BigEndian.Uint16(script)), len(script)-2)
			octets := script[2 : 2+n]
			script = script[2+n:]
			if step == fuzzOctets {
				argument = len(octets)
			}
			for len(octets) > 0 {
				n := min(argument+1, len(octets))
				p.write(string(octets[:n]))
				octets = octets[n:]
			}
		case fuzzTime:
			p.later(time.Millisecond << argument)
		case fuzzRoom:
			if p.room = 1<<argument - 1; argument == 31 {
				p.room = -1
			}
			p.conn.touch()
			p.settle()
		case fuzzDrain:
			p.core.box.call(p.conn.startDrain)
			p.settle()
		case fuzzServe:
			handlers.serve(argument)
		case fuzzPublish:
			app.publish(argument)
			p.settle()
		case fuzzDecide:
			app.decide(argument)
			p.settle()
		}
		handlers.play()
		p.checkFuzz()
		app.check()
	}
	p.endFuzz(app, &handlers)
}

// endFuzz loses the connection. Nothing may be left of it.
func (p *testPeer) endFuzz(app *fuzzApp, handlers *fuzzHandlers) {
	t := p.t
	p.conn.lose(net.ErrClosed)
	p.settle()
	handlers.end(t)
	p.core.now += time.Hour
	p.core.expirePending()
	p.settle()
	app.end()
	p.conn.weigh()
	if s := &p.core.stats; s.Sockets != 0 || p.conn.streams.len() != 0 || p.conn.assembly != 0 || p.core.borrowed != 0 || p.core.weight != 0 {
		t.Errorf("left behind: %d sockets, %d streams, %d octets of messages, %d borrowed segments, a weight of %d",
			s.Sockets, p.conn.streams.len(), p.conn.assembly, p.core.borrowed, p.core.weight)
	}
	if n := len(p.core.pendings); n != 0 || p.core.stats.HandshakesPending != 0 {
		t.Errorf("%d handshakes are left, %d counted", n, p.core.stats.HandshakesPending)
	}
	if at := p.core.nextMessage(); at != never {
		t.Errorf("a message of nobody is due at %v", at)
	}
}

// checkRules checks what the rules and the account of memory know of the connection.
func (p *testPeer) checkRules() {
	t, c := p.t, p.conn
	if c.weigh(); c.weight < 0 || c.weight > 1<<20 {
		t.Errorf("a connection of %d octets", c.weight)
	}
	if c.state >= connLeaving || c.ledger == nil {
		return
	}
	for r := range buckets {
		if level := c.ledger.buckets[r].level; !(level >= 0 && level <= ruleScaleMax) {
			t.Errorf("rule %v: %v", r, level)
		}
	}
	if by := c.ledger.slowUntil; by != never && by > p.core.now+slowMax {
		t.Errorf("not read for %v", by-p.core.now)
	}
}

// checkFuzz checks what must hold between any two steps.
func (p *testPeer) checkFuzz() {
	t, c := p.t, p.conn
	if c.proto != protoHTTP2 {
		p.out = nil
	}
	for len(p.out) > 0 { // what is not whole may be on its way
		h, n := frame.ConsumeHeader(p.out)
		if n == 0 || len(p.out) < n+int(h.Length) {
			break
		}
		if err := frame.Check(h, frame.MaxPayloadMin); err != nil {
			t.Fatalf("the server wrote %v: %v", h, err)
		}
		if h.Type > frame.Continuation || h.Type == frame.PushPromise || h.Type == frame.Priority {
			t.Fatalf("the server wrote %v", h)
		}
		p.out = p.out[n+int(h.Length):]
	}
	if n := c.streams.len(); n > int(fuzzLimits.MaxConcurrentStreams) {
		t.Errorf("%d streams", n)
	}
	n := cap(c.held)
	if c.block != nil {
		n += cap(c.block.b)
	}
	if n > frame.MaxPayloadMin*4 {
		t.Errorf("%d octets are held of cut frames", n)
	}
	held := 0
	c.streams.visit(c.streams.size(), c.streams.size(), func(s *stream) {
		switch s.kind {
		case streamSocket:
			held += s.ws.Held()
		case streamPending:
			held += cap(p.core.pendings[s].early)
		}
		if n := s.Buffered(); n > fuzzLimits.Queue.MaxBytes+fuzzPublishMax+4 {
			t.Errorf("stream %d queues %d octets", s.id, n)
		}
	})
	if held != c.assembly {
		t.Errorf("%d octets of incomplete messages, and %d accounted", held, c.assembly)
	}
	if c.state < connLeaving {
		p.checkRings()
	}
	p.checkRules()
	if w := c.waits; w != nil && !(w.closing.holds() && w.ended.holds() && w.pongs.holds()) {
		t.Errorf("%+v", *w)
	}
}

// seedFuzz turns a dialogue of the golden transcripts into a script.
func (d dialogue) seedFuzz(t testing.TB, cut int) (script []byte) {
	octets := func(b []byte) {
		step := byte(fuzzOctets)
		if cut > 0 {
			step = fuzzCut | byte(cut-1)<<3
		}
		script = append(binary.BigEndian.AppendUint16(append(script, step), uint16(len(b))), b...)
	}
	for _, line := range d.lines {
		switch {
		case strings.HasPrefix(line, "[open]"):
			opening := frame.AppendSettings([]byte(frame.Preface))
			octets(frame.AppendSettingsAck(opening))
		case strings.HasPrefix(line, ">"):
			octets(parsePeerLine(t, strings.TrimLeft(line, ">")))
		case strings.HasPrefix(line, "+"):
			d := parseDuration(t, line[1:])
			argument := 0
			for time.Millisecond<<argument < d {
				argument++
			}
			script = append(script, fuzzTime|byte(argument)<<3)
		case line == "@drain":
			script = append(script, fuzzDrain)
		case strings.HasPrefix(line, "@"):
			what, number, _ := strings.Cut(line[1:], " ")
			n, _ := strconv.Atoi(number)
			if n = 2 * (n - 1); what == "reject" {
				n++
			}
			script = append(script, fuzzDecide|byte(n)<<3)
		}
	}
	return script
}
