package ws

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var stateNames = []string{"New", "Open", "Asked", "Sent", "Closed"}

// reach brings a fresh script to a state and forgets how.
func reach(t *testing.T, to state) *script {
	t.Helper()
	s := newScript(t, small)
	if to >= stateOpen {
		s.c.Opened()
	}
	switch to {
	case stateAsked:
		s.c.Close(CloseGoingAway, "bye")
	case stateSent:
		s.c.CloseLocal(&s.r, CloseGoingAway, "bye")
	case stateClosed:
		s.feed(clientClose(1000, ""))
	}
	if s.c.current() != to {
		t.Fatalf("state is %s, want %s", stateNames[s.c.current()], stateNames[to])
	}
	s.log = nil
	return s
}

// happenings are everything that can happen to a Conn.
var happenings = map[string]func(s *script){
	"Opened":       func(s *script) { s.c.Opened() },
	"Send":         func(s *script) { s.answer(s.c.Send(Text, []byte("x"))) },
	"SendPrepared": func(s *script) { s.answer(s.c.SendPrepared(hello)) },
	"Close":        func(s *script) { s.answer(s.c.Close(CloseGoingAway, "bye")) },
	"CloseLocal":   func(s *script) { s.c.CloseLocal(&s.r, CloseGoingAway, "bye") },
	"Fail":         func(s *script) { s.c.Fail(&s.r, ClosePolicyViolation, "too slow", ErrSlow) },
	"Lost":         func(s *script) { s.c.Lost(&s.r, ErrReset) },
	"RecvEnd":      func(s *script) { s.c.RecvEnd(&s.r) },
	"message":      func(s *script) { s.feed(clientFrame(textWhole, "x")) },
	"fragments":    func(s *script) { s.feed(slices.Concat(clientFrame(textPart, "x"), clientFrame(contLast, "y"))) },
	"invalid text": func(s *script) { s.feed(clientFrame(textWhole, "\xff")) },
	"too big":      func(s *script) { s.feed(clientFrame(textWhole, repeat(201))) },
	"ping":         func(s *script) { s.feed(clientFrame(ping, "p")) },
	"pong":         func(s *script) { s.feed(clientFrame(pong, "p")) },
	"bad frame": func(s *script) {
		s.feed([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	},
	"Close frame":     func(s *script) { s.feed(clientClose(4000, "peer")) },
	"bare Close":      func(s *script) { s.feed(clientFrame(closeOp, "")) },
	"bad Close frame": func(s *script) { s.feed(clientClose(1005, "")) },
}

var hello, _ = Prepare(Text, []byte("hello"))

func (s *script) answer(err error) {
	if err != nil {
		s.say("%v", err)
	}
}

// transitions is the closing handshake of RFC 6455 §7 over a stream: for every
// state and happening the state afterwards and what is done.
var transitions = map[string]map[string]string{
	"New": {
		"Opened":          "Open: open",
		"Send":            "New: ws: closed",
		"SendPrepared":    "New: ws: closed",
		"Close":           "New: ws: closed",
		"CloseLocal":      "Sent: CLOSE 1001",
		"Fail":            "Closed: CLOSE+END 1008",
		"Lost":            "Closed:",
		"RecvEnd":         "Closed: END",
		"message":         "New: BUG",
		"fragments":       "New: BUG",
		"invalid text":    "New: BUG",
		"too big":         "New: BUG",
		"ping":            "New: BUG",
		"pong":            "New: BUG",
		"bad frame":       "New: BUG",
		"Close frame":     "New: BUG",
		"bare Close":      "New: BUG",
		"bad Close frame": "New: BUG",
	},
	"Open": {
		"Opened":          "Open: BUG",
		"Send":            `Open: SEND text "x"`,
		"SendPrepared":    `Open: SEND PREPARED text "hello"`,
		"Close":           "Asked: request 1001",
		"CloseLocal":      "Sent: CLOSE 1001",
		"Fail":            "Closed: CLOSE+END 1008; close 1008 local ErrSlow",
		"Lost":            "Closed: close 1006 ErrReset",
		"RecvEnd":         "Closed: END; close 1006 ErrUnexpectedEOF",
		"message":         `Open: text "x"`,
		"fragments":       `Open: text "xy"`,
		"invalid text":    "Closed: CLOSE+END 1007; close 1007 local ErrInvalidUTF8",
		"too big":         "Closed: CLOSE+END 1009; close 1009 local ErrTooBig",
		"ping":            `Open: PONG "p"`,
		"pong":            "Open:",
		"bad frame":       "Closed: CLOSE+END 1002; close 1002 local ErrProtocol",
		"Close frame":     `Closed: CLOSE+END 4000; close 4000 "peer"`,
		"bare Close":      `Closed: CLOSE+END 1005; close 1005 ""`,
		"bad Close frame": "Closed: CLOSE+END 1002; close 1002 local ErrProtocol",
	},
	"Asked": {
		"Opened":          "Asked: BUG",
		"Send":            "Asked: ws: closed",
		"SendPrepared":    "Asked: ws: closed",
		"Close":           "Asked: ws: closed",
		"CloseLocal":      "Sent: CLOSE 1001",
		"Fail":            "Closed: CLOSE+END 1008; close 1008 local ErrSlow",
		"Lost":            "Closed: close 1006 ErrReset",
		"RecvEnd":         "Closed: END; close 1006 ErrUnexpectedEOF",
		"message":         "Asked:",
		"fragments":       "Asked:",
		"invalid text":    "Asked:",
		"too big":         "Closed: CLOSE+END 1009; close 1009 local ErrTooBig",
		"ping":            `Asked: PONG "p"`,
		"pong":            "Asked:",
		"bad frame":       "Closed: CLOSE+END 1002; close 1002 local ErrProtocol",
		"Close frame":     `Closed: CLOSE+END 4000; close 4000 "peer"`,
		"bare Close":      `Closed: CLOSE+END 1005; close 1005 ""`,
		"bad Close frame": "Closed: CLOSE+END 1002; close 1002 local ErrProtocol",
	},
	"Sent": {
		"Opened":          "Sent: BUG",
		"Send":            "Sent: ws: closed",
		"SendPrepared":    "Sent: ws: closed",
		"Close":           "Sent: ws: closed",
		"CloseLocal":      "Sent:",
		"Fail":            "Closed: END; close 1008 local ErrSlow",
		"Lost":            "Closed: close 1006 local ErrReset",
		"RecvEnd":         "Closed: END; close 1006 ErrUnexpectedEOF",
		"message":         "Sent:",
		"fragments":       "Sent:",
		"invalid text":    "Sent:",
		"too big":         "Closed: END; close 1009 local ErrTooBig",
		"ping":            `Sent: PONG "p"`,
		"pong":            "Sent:",
		"bad frame":       "Closed: END; close 1002 local ErrProtocol",
		"Close frame":     `Closed: END; close 4000 "peer" local`,
		"bare Close":      `Closed: END; close 1005 "" local`,
		"bad Close frame": "Closed: END; close 1002 local ErrProtocol",
	},
	"Closed": {
		"Opened":          "Closed: BUG",
		"Send":            "Closed: ws: closed",
		"SendPrepared":    "Closed: ws: closed",
		"Close":           "Closed: ws: closed",
		"CloseLocal":      "Closed:",
		"Fail":            "Closed:",
		"Lost":            "Closed:",
		"RecvEnd":         "Closed:",
		"message":         "Closed:",
		"fragments":       "Closed:",
		"invalid text":    "Closed:",
		"too big":         "Closed:",
		"ping":            "Closed:",
		"pong":            "Closed:",
		"bad frame":       "Closed:",
		"Close frame":     "Closed:",
		"bare Close":      "Closed:",
		"bad Close frame": "Closed:",
	},
}

func TestStates(t *testing.T) {
	for from, name := range stateNames {
		if len(transitions[name]) != len(happenings) {
			t.Errorf("%s: the table has %d rows for %d happenings", name, len(transitions[name]), len(happenings))
		}
		for what, happen := range happenings {
			s := reach(t, state(from))
			s.try(happen)
			got := strings.TrimSpace(stateNames[s.c.current()] + ": " + strings.Join(s.log, "; "))
			if want := transitions[name][what]; got != want {
				t.Errorf("%s in state %s:\n got  %s\n want %s", what, name, got, want)
			}
		}
	}
}

// try writes down a panic that says BUG.
func (s *script) try(happen func(s *script)) {
	defer func() {
		if v := recover(); v != nil {
			if text, ok := v.(string); !ok || !strings.HasPrefix(text, "BUG: ws: ") {
				panic(v)
			}
			s.say("BUG")
		}
	}()
	happen(s)
}

// TestCloseSent: the engine throws away what is sent after the Close frame, not
// what was sent before and is still on its way.
func TestCloseSent(t *testing.T) {
	for from, name := range stateNames {
		if s := reach(t, state(from)); s.c.CloseSent() != (state(from) >= stateSent) {
			t.Errorf("state %s: CloseSent() = %t", name, s.c.CloseSent())
		}
	}
}

// TestRandomHappenings: whatever happens in whatever order, also from inside
// callbacks and with frames cut: OnClose comes once, is the last call, and the
// stream is ended at most once.
func TestRandomHappenings(t *testing.T) {
	var names []string
	for name := range happenings {
		if name != "Opened" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for seed := range uint64(1000) {
		random := rand.New(rand.NewPCG(seed, 0))
		s := open(t, small)
		s.onMessage = func(Message) {
			switch random.IntN(8) {
			case 0:
				panic("OnMessage")
			case 1:
				s.c.Close(CloseNormal, "")
			case 2:
				s.c.Send(Text, nil)
			}
		}
		s.onClose = func() {
			if s.c.Send(Text, nil) != ErrClosed || s.c.Close(CloseNormal, "") != ErrClosed {
				t.Errorf("seed %d: in OnClose the Conn is not closed", seed)
			}
			if random.IntN(2) == 0 {
				panic("OnClose")
			}
		}
		before := s.c.current()
		for range 30 {
			if random.IntN(3) == 0 {
				stream := randomStream(random)
				s.feed(stream[:min(len(stream), random.IntN(400))])
			} else {
				happenings[names[random.IntN(len(names))]](s)
			}
			if s.c.current() < before {
				t.Fatalf("seed %d: state went back to %s", seed, stateNames[s.c.current()])
			}
			before = s.c.current()
			s.checkBounds(small)
		}
		s.c.Lost(&s.r, ErrConnLost)
		s.checkOrder(seed)
	}
}

func (s *script) checkOrder(seed uint64) {
	closes, ended := 0, false
	for i, e := range s.log {
		switch {
		case s.closed != 1 || s.opened != 1:
			s.t.Fatalf("seed %d: %d OnOpen, %d OnClose: %q", seed, s.opened, s.closed, s.log)
		case strings.HasPrefix(e, "close") && i+1 < len(s.log) && s.log[i+1] != "panicked OnClose" && s.log[i+1] != "ws: closed":
			s.t.Fatalf("seed %d: something after OnClose: %q", seed, s.log)
		case ended && (strings.HasPrefix(e, "CLOSE") || e == "END"):
			s.t.Fatalf("seed %d: stream ended twice: %q", seed, s.log)
		}
		if strings.HasPrefix(e, "CLOSE") {
			closes++
		}
		ended = ended || e == "END" || strings.HasPrefix(e, "CLOSE+END")
	}
	if closes > 1 || s.endings > 1 {
		s.t.Fatalf("seed %d: %d Close frames, %d ends: %q", seed, closes, s.endings, s.log)
	}
}

func TestPanicInOnOpen(t *testing.T) {
	s := newScript(t, small)
	s.onOpen = func() { panic("at once") }
	s.c.Opened()
	s.want("a panic in OnOpen", "open", "panicked at once", "CLOSE+END 1011", "close 1011 local ErrPanic")
	s.feed(clientFrame(textWhole, "x"))
	s.wantIdle("afterwards")
}

func TestPanicInOnMessage(t *testing.T) {
	for how, parts := range map[string][][]byte{
		"whole":      {append(clientFrame(textWhole, "x"), clientFrame(textWhole, "y")...)},
		"fragmented": {append(clientFrame(textPart, ""), clientFrame(contLast, "x")...), clientFrame(textWhole, "y")},
		"cut":        {clientFrame(textWhole, "x")[:1], append(clientFrame(textWhole, "x")[1:], clientFrame(textWhole, "y")...)},
	} {
		s := open(t, small)
		s.onMessage = func(Message) { panic(fmt.Errorf("because")) }
		for _, p := range parts {
			s.feed(p)
		}
		s.want("a panic in OnMessage, "+how, `text "x"`, "panicked because", "CLOSE+END 1011", "close 1011 local ErrPanic")
		s.checkBounds(small)
	}
}

func TestPanicInOnMessageAfterClose(t *testing.T) {
	s := open(t, small)
	s.onMessage = func(Message) {
		s.c.Close(CloseNormal, "")
		panic("and then")
	}
	s.feed(clientFrame(textWhole, "x"))
	s.want("the panic wins", `text "x"`, "request 1000", "panicked and then", "CLOSE+END 1011", "close 1011 local ErrPanic")
	s.c.CloseLocal(&s.r, CloseNormal, "")
	s.wantIdle("the loop comes to the Close later")
}

func TestPanicInOnClose(t *testing.T) {
	s := open(t, small)
	s.onClose = func() { panic("too late") }
	s.feed(clientClose(1000, ""))
	s.want("a panic in OnClose is only logged", "CLOSE+END 1000", `close 1000 ""`, "panicked too late")
}

func TestPanicWithNil(t *testing.T) {
	s := open(t, small)
	s.onMessage = func(Message) { panic(nil) }
	s.feed(clientFrame(textWhole, "x"))
	s.want("panic(nil) is one too", `text "x"`, "panicked "+new(runtime.PanicNilError).Error(),
		"CLOSE+END 1011", "close 1011 local ErrPanic")
}

// TestCloseInsideOnMessage: nothing more is delivered, from the same slice or
// later, while control frames are still answered.
func TestCloseInsideOnMessage(t *testing.T) {
	s := open(t, small)
	s.onMessage = func(Message) { s.c.Close(4000, "enough") }
	s.feed(slices.Concat(clientFrame(textWhole, "1"), clientFrame(textWhole, "2"), clientFrame(ping, "p"), clientFrame(textPart, "3")))
	s.want("Close in the first of several messages", `text "1"`, "request 4000", `PONG "p"`)
	s.c.CloseLocal(&s.r, 4000, "enough")
	s.want("the loop comes to it", "CLOSE 4000")
	s.wantReason("enough")
	if s.c.Held() != 0 {
		t.Errorf("%d octets held of a message that nobody will see", s.c.Held())
	}
	s.feed(slices.Concat(clientFrame(contLast, "4"), clientClose(4000, "")))
	s.want("the peer answers", "END", `close 4000 "" local`)
	s.c.RecvEnd(&s.r)
	s.wantIdle("the peer ends its stream")
}

func TestCloseFailsBelow(t *testing.T) {
	s := open(t, small)
	s.sendErr = ErrConnLost
	if err := s.c.Close(CloseNormal, ""); err != ErrConnLost {
		t.Errorf("Close = %v", err)
	}
	s.want("Close", "request 1000")
	s.c.Lost(&s.r, ErrConnLost)
	s.want("the loop finds out", "close 1006 ErrConnLost")
}

func TestUnsendableClose(t *testing.T) {
	s := open(t, small)
	wantPanic(t, "BUG: ", func() { s.c.Fail(&s.r, CloseAbnormal, "", nil) })
	wantPanic(t, "BUG: ", func() { s.c.CloseLocal(&s.r, CloseNormal, repeat(124)) })
	s.wantIdle("neither is sent")
}

// TestCloseLocalFrees: what has arrived of a message is not kept while the
// peer takes its time.
func TestCloseLocalFrees(t *testing.T) {
	s := open(t, small)
	s.feed(clientFrame(textPart, "a\xe2"))
	if s.c.Held() == 0 {
		t.Fatal("nothing held inside a message")
	}
	s.c.CloseLocal(&s.r, CloseGoingAway, "")
	s.want("our Close inside the peer's message", "CLOSE 1001")
	if s.c.Held() != 0 {
		t.Errorf("%d octets held of a message that nobody will see", s.c.Held())
	}
	s.feed(slices.Concat(clientFrame(contLast, "\x82\xac"), clientFrame(ping, "p")))
	s.want("the rest is discarded, not judged", `PONG "p"`)
}
