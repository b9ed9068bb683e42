package ws

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// A script is the world around one Conn: it is the Handler and the Lower, and
// writes down in order what the Conn does to both. Callbacks are in lower
// case, what goes to the peer in upper case.
type script struct {
	t  testing.TB
	c  Conn
	r  Receiver
	ep *Endpoint

	log    []string // not yet taken by want
	reason string   // of the Close frame we sent

	onOpen    func()
	onMessage func(m Message)
	onClose   func()
	sendErr   error
	opened    int
	closed    int
	endings   int // ways in which our half of the stream ended
}

func newScript(t testing.TB, o EndpointOptions) *script {
	s := &script{t: t}
	s.ep = NewEndpoint(s, o)
	s.c.Init(s.ep, s, nil)
	return s
}

// open returns a script whose Conn is open.
func open(t testing.TB, o EndpointOptions) *script {
	t.Helper()
	s := newScript(t, o)
	s.c.Opened()
	s.want("OnOpen is the first call", "open")
	return s
}

func (s *script) say(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

// feed hands a copy of p to the Conn, between octets that are not its own, and
// spoils it afterwards: what is kept must have been copied.
func (s *script) feed(p []byte) {
	const guard = 0xa5
	room := slices.Concat([]byte{guard}, p, []byte{guard, guard, guard, guard, guard, guard, guard, guard})
	s.c.feedAll(&s.r, room[1:1+len(p)])
	for i := range room {
		if (i == 0 || i > len(p)) && room[i] != guard {
			s.t.Fatalf("Feed wrote outside its slice of %d octets, at %d", len(p), i-1)
		}
		room[i] = 0xee
	}
}

// feedAll hands all of p to the Conn, as the engine does that has room for what comes of it.
func (c *Conn) feedAll(r *Receiver, p []byte) {
	for len(p) > 0 {
		p = c.Feed(r, p)
	}
}

// want compares what happened since the last want.
func (s *script) want(why string, events ...string) {
	s.t.Helper()
	if !slices.Equal(s.log, events) {
		s.t.Fatalf("%s:\n got  %s\n want %s", why, strings.Join(s.log, "; "), strings.Join(events, "; "))
	}
	s.log = s.log[:0]
}

func (s *script) wantIdle(why string) {
	s.t.Helper()
	s.want(why)
}

// wantReason compares the reason of the Close frame we sent.
func (s *script) wantReason(part string) {
	s.t.Helper()
	if !strings.Contains(s.reason, part) {
		s.t.Errorf("reason sent to the peer: %q, want it to contain %q", s.reason, part)
	}
}

func (s *script) OnOpen(c *Conn) {
	s.opened++
	s.say("open")
	if s.onOpen != nil {
		s.onOpen()
	}
}

func (s *script) OnMessage(c *Conn, m Message) {
	if s.opened != 1 || s.closed != 0 {
		s.t.Errorf("OnMessage after %d OnOpen and %d OnClose", s.opened, s.closed)
	}
	s.say("%s", message(m.Type, m.Data))
	if s.onMessage != nil {
		s.onMessage(m)
	}
}

func (s *script) OnClose(c *Conn, err error) {
	s.closed++
	s.say("%s", closing(err))
	if !c.Closed() || c.Held() != 0 || c.partial != nil {
		s.t.Errorf("in OnClose: Closed %t, Held %d, Incomplete %t", c.Closed(), c.Held(), c.partial != nil)
	}
	if s.onClose != nil {
		s.onClose()
	}
}

func (s *script) Send(t MessageType, p []byte) error {
	s.say("SEND %s", message(t, p))
	return s.sendErr
}

func (s *script) SendPrepared(p *Prepared) error {
	s.say("SEND PREPARED %s", message(p.Type(), p.Data()))
	return s.sendErr
}

func (s *script) RequestClose(code CloseCode, reason string) error {
	s.say("request %d", code)
	return s.sendErr
}

func (s *script) TrySend(t MessageType, p []byte) error {
	s.say("TRY %s", message(t, p))
	return s.sendErr
}

func (s *script) Resume()                    { s.say("RESUME") }
func (s *script) AwaitDrain()                { s.say("AWAIT DRAIN") }
func (s *script) RemoteAddr() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.1:4711") }
func (s *script) Buffered() int              { return 42 }

func (s *script) WriteControl(op Opcode, payload []byte) {
	if op != OpPong {
		s.t.Errorf("WriteControl(%#x), want a Pong", op)
	}
	s.say("PONG %q", payload)
}

func (s *script) WriteClose(payload []byte, end bool) {
	what := "CLOSE"
	if end {
		what = "CLOSE+END"
		s.endings++
	}
	if len(payload) > ControlLenMax {
		s.t.Errorf("Close frame of %d octets", len(payload))
	}
	code, reason, fail, rule := parseClose(payload)
	if fail != 0 {
		s.t.Errorf("we sent a Close frame % x: %s", payload, rule)
	}
	s.reason = reason
	s.say("%s %d", what, code)
}

func (s *script) EndStream() {
	s.endings++
	s.say("END")
}

func (s *script) Panicked(v any, stack []byte) {
	if !strings.Contains(string(stack), "_test.go") {
		s.t.Errorf("the stack of a panic does not show the handler:\n%s", stack)
	}
	s.say("panicked %v", v)
}

func message(t MessageType, data []byte) string {
	return fmt.Sprintf("%s %q", t, data)
}

// closing is OnClose in words. Our own reason is left out.
func closing(err error) string {
	var e *CloseError
	if !errors.As(err, &e) {
		return fmt.Sprintf("close with %T", err)
	}
	s := fmt.Sprintf("close %d", e.Code)
	if e.Err == nil {
		s = fmt.Sprintf("close %d %q", e.Code, e.Reason)
	}
	if e.Local {
		s += " local"
	}
	for _, cause := range causes {
		if errors.Is(err, cause.err) {
			s += " " + cause.name
		}
	}
	return s
}

var causes = []struct {
	err  error
	name string
}{
	{ErrProtocol, "ErrProtocol"},
	{ErrInvalidUTF8, "ErrInvalidUTF8"},
	{ErrTooBig, "ErrTooBig"},
	{ErrFragments, "ErrFragments"},
	{ErrSlow, "ErrSlow"},
	{ErrPanic, "ErrPanic"},
	{ErrReset, "ErrReset"},
	{ErrConnLost, "ErrConnLost"},
	{ErrCloseTimeout, "ErrCloseTimeout"},
	{io.ErrUnexpectedEOF, "ErrUnexpectedEOF"},
}

// What a client sends.

const testKey = 0x3d21fa37 // 37 fa 21 3d on the wire, as in RFC 6455 §5.7

// clientFrame builds a frame octet by octet, independently of the package.
func clientFrame(first byte, payload string) []byte {
	var b []byte
	switch n := len(payload); {
	case n <= 125:
		b = []byte{first, 0x80 | byte(n)}
	case n <= 65535:
		b = []byte{first, 0x80 | 126, byte(n >> 8), byte(n)}
	default:
		b = []byte{first, 0x80 | 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	}
	key := []byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, key...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

const (
	fin       = 0x80
	textWhole = fin | byte(OpText)
	binWhole  = fin | byte(OpBinary)
	textPart  = byte(OpText)
	binPart   = byte(OpBinary)
	contPart  = byte(OpContinuation)
	contLast  = fin | byte(OpContinuation)
	closeOp   = fin | byte(OpClose)
	ping      = fin | byte(OpPing)
	pong      = fin | byte(OpPong)
)

// clientClose builds a Close frame.
func clientClose(code int, reason string) []byte {
	return clientFrame(closeOp, string([]byte{byte(code >> 8), byte(code)})+reason)
}

// octets turns a diagram of bits, spaced at will, into octets.
func octets(diagram string) []byte {
	diagram = strings.Join(strings.Fields(diagram), "")
	if len(diagram)%8 != 0 {
		panic("diagram ends inside an octet: " + diagram)
	}
	b := make([]byte, len(diagram)/8)
	for i, c := range diagram {
		b[i/8] = b[i/8]<<1 | byte(c-'0')
	}
	return b
}
