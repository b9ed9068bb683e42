package ws

import (
	"testing"
	"unsafe"
)

func TestSizes(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 64 {
		t.Errorf("a Conn has %d octets, budget 64", size)
	}
	if size := unsafe.Sizeof(partial{}); size > 160 {
		t.Errorf("a partial has %d octets, budget 160", size)
	}
}

// echoer is a Lower that frames into one buffer and a Handler that echoes.
type echoer struct {
	quiet
	out []byte
}

func (e *echoer) OnMessage(c *Conn, m Message) { c.Send(m.Type, m.Data) }

func (e *echoer) Send(t MessageType, p []byte) error {
	e.out = append(AppendHeader(e.out[:0], true, Opcode(t), len(p)), p...)
	return nil
}

func (e *echoer) SendPrepared(p *Prepared) error {
	e.out = append(e.out[:0], p.Frame()...)
	return nil
}

func (e *echoer) WriteControl(op Opcode, payload []byte) {
	e.out = append(AppendHeader(e.out[:0], true, op, len(payload)), payload...)
}

type echoConn struct {
	echoer
	c Conn
	r Receiver
}

func newEcho() *echoConn {
	e := new(echoConn)
	e.c.Init(NewEndpoint(&e.echoer, EndpointOptions{}), &e.echoer, nil)
	e.c.Opened()
	return e
}

// frames whose handling must not allocate. They are masked with zero, so that
// they are the same however often they are unmasked.
var steady = map[string][]byte{
	"text of 64":      AppendMasked(nil, OpText, 0, []byte(repeat(64))),
	"binary of 16384": AppendMasked(nil, OpBinary, 0, []byte(repeat(16384))),
	"ping":            AppendMasked(nil, OpPing, 0, []byte("ping")),
	"pong":            AppendMasked(nil, OpPong, 0, nil),
	"fragments": append(append([]byte{textPart, maskBit | 2, 0, 0, 0, 0, 'a', 'b'}, AppendMasked(nil, OpPing, 0, nil)...),
		contLast, maskBit|2, 0, 0, 0, 0, 'c', 'd'),
}

func TestAllocs(t *testing.T) {
	for name, wire := range steady {
		for _, step := range []int{1, 5, 100, len(wire)} {
			e := newEcho()
			got := testing.AllocsPerRun(100, func() {
				for at := 0; at < len(wire); at += step {
					e.c.feedAll(&e.r, wire[at:min(at+step, len(wire))])
				}
			})
			if got != 0 {
				t.Errorf("%s, in slices of %d: %v allocations", name, step, got)
			}
		}
	}
}

// TestAllocsManyConns: partials and buffers move between the Conns of a loop.
func TestAllocsManyConns(t *testing.T) {
	conns := make([]*echoConn, 100)
	for i := range conns {
		conns[i] = newEcho()
	}
	var r Receiver
	wire := steady["text of 64"]
	got := testing.AllocsPerRun(100, func() {
		for _, e := range conns {
			e.c.feedAll(&r, wire[:20])
		}
		for _, e := range conns {
			e.c.feedAll(&r, wire[20:])
		}
	})
	if got != 0 {
		t.Errorf("%v allocations for 100 messages cut in two", got)
	}
}

func TestAllocsSend(t *testing.T) {
	e := newEcho()
	p := []byte(repeat(64))
	if got := testing.AllocsPerRun(100, func() { e.c.Send(Text, p); e.c.SendPrepared(hello) }); got != 0 {
		t.Errorf("Send and SendPrepared: %v allocations", got)
	}
}

func TestAllocsHandshake(t *testing.T) {
	e := NewEndpoint(Nop{}, EndpointOptions{})
	r := requestWith("sec-websocket-version", "13", "origin", "https://example.com", "user-agent", "x")
	if got := testing.AllocsPerRun(100, func() { e.Handshake(r) }); got != 0 {
		t.Errorf("a handshake from the same origin: %v allocations", got)
	}
}
