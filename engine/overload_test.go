package engine

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"h2ws/engine/frame"
	"h2ws/ws"
)

func TestOverloadHysteresis(t *testing.T) {
	const size = 1000
	o := OverloadNone
	for _, step := range []struct {
		held int64
		want Overload
	}{
		{750, OverloadNone}, {751, OverloadConnections}, {701, OverloadConnections}, {700, OverloadNone},
		{900, OverloadConnections}, {901, OverloadStreams}, {851, OverloadStreams}, {850, OverloadConnections},
		{1000, OverloadStreams}, {1001, OverloadBacklogs}, {951, OverloadBacklogs}, {950, OverloadStreams},
		{0, OverloadNone}, {5000, OverloadBacklogs}, {710, OverloadConnections}, {-1, OverloadNone},
	} {
		if o = o.next(step.held, size); o != step.want {
			t.Errorf("%d of %d held: %v, want %v", step.held, size, o, step.want)
		}
	}
	for held, o := int64(0), OverloadNone; held < 2*size; held++ { // never less for more
		if n := o.next(held, size); n < o {
			t.Fatalf("%d: %v after %v", held, n, o)
		} else {
			o = n
		}
	}
}

// weigh is what a loop does after it has been busy with the connection, and once a turn.
func (p *testPeer) weigh() {
	p.conn.weigh()
	p.core.judge()
}

// A process that holds too much refuses streams, whoever is to blame, and takes them again when it does not; and finds
// queues full that are half full.
func TestOverloadRefusesStreams(t *testing.T) {
	base := memoryHeld()
	p := openTestPeer(t, Limits{MemorySize: 2*base + 400_000, Queue: ws.QueueLimits{MaxBytes: 10_000}}, nil)
	p.open(1)
	p.weigh()
	standing.Add(base + 370_000) // elsewhere
	p.weigh()
	p.headers(3, 0, p.connectFields())
	p.want("there is no memory for another stream", "RST_STREAM 3 REFUSED_STREAM")
	for i := range uint32(10_000) { // and nobody is blamed for asking
		p.headers(2*i+5, 0, p.connectFields())
	}
	p.out = nil
	p.wantNoRules()
	if got := p.core.stats; got.StreamsShed != 10_001 || got.Overload != OverloadStreams {
		t.Errorf("%d shed, %v", got.StreamsShed, got.Overload)
	}
	p.data(1, 0, message(ws.OpText, "here"))
	p.want("what is there is served", `DATA 1 0x8104 "here"`)
	standing.Add(-base - 370_000)
	p.weigh()
	p.open(p.conn.lastPeerID + 2)
	p.conn.lose(errIdle)
	p.settle()
	p.core.judge()
	if got := memoryHeld(); got != base {
		t.Errorf("%d octets are held for nobody", got-base)
	}
}

func TestOverloadShrinksQueues(t *testing.T) {
	for policy, want := range map[ws.Policy]Stats{
		ws.CloseSlow:  {SocketsSlow: 1, MessagesDiscarded: 7},
		ws.DropNewest: {MessagesDiscarded: 3},
		ws.DropOldest: {MessagesDiscarded: 3},
		ws.Conflate:   {MessagesDiscarded: 3},
	} {
		t.Run(policy.String(), func(t *testing.T) {
			var socket *ws.Conn
			p := openTestPeer(t, Limits{Queue: ws.QueueLimits{MaxBytes: 12_000, Policy: policy}}, ws.Funcs{Open: func(c *ws.Conn) { socket = c }})
			p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
			p.openUnseen(1)
			for range 9 {
				if p.core.overload = OverloadNone; socket.Buffered() > 5000 {
					p.core.overload = OverloadStreams
				}
				socket.Send(ws.Binary, make([]byte, 996))
				p.settle()
			}
			got := p.core.stats
			if got.SocketsSlow != want.SocketsSlow || got.MessagesDiscarded != want.MessagesDiscarded {
				t.Errorf("%d slow, %d discarded, %d octets queued", got.SocketsSlow, got.MessagesDiscarded, socket.Buffered())
			}
		})
	}
}

// openUnseen opens a WebSocket without a look at the answer.
func (p *testPeer) openUnseen(id uint32) {
	p.headers(id, 0, p.connectFields())
	p.out = nil
}

// The account of memory against the heap: connections in every state that a peer can hold them in.
func TestMemoryHeldIsTheHeap(t *testing.T) {
	const connections = 300
	for name, hold := range map[string]func(p *testPeer){
		"a socket":  func(p *testPeer) { p.openUnseen(1) },
		"a hundred": func(p *testPeer) { p.openEach(100) },
		"messages that wait": func(p *testPeer) {
			p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
			p.openUnseen(1)
			for n := range 20 {
				p.data(1, 0, message(ws.OpBinary, strings.Repeat("x", 100*n)))
			}
		},
		"incomplete messages": func(p *testPeer) {
			p.openEach(10)
			for i := range uint32(10) {
				p.data(2*i+1, 0, message(ws.OpBinary, strings.Repeat("x", 10_000))[:9000])
			}
		},
		"an incomplete field block": func(p *testPeer) {
			p.write(string(frame.AppendHeaders(nil, 1, 0, make([]byte, 16_000))))
			p.write(string(frame.AppendContinuation(nil, 1, 0, make([]byte, 15_000))))
		},
		"a cut frame": func(p *testPeer) { p.write(string(frame.AppendHeaders(nil, 1, 0, make([]byte, 16_000)))[:15_000]) },
		"answers not read": func(p *testPeer) {
			p.room = 0
			p.write(strings.Repeat(string(frame.AppendPing(nil, false, [8]byte{})), 2000))
		},
		"nothing but SETTINGS": func(p *testPeer) {},
	} {
		t.Run(name, func(t *testing.T) {
			p := newTestPeer(t, Limits{RuleScale: -1}, ws.Funcs{Message: func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) }})
			conns := make([]*conn, 0, connections)
			begin := func() {
				p.conn, p.rest, p.room, p.out = newConn(p.core, netip.MustParseAddrPort("192.0.2.1:1")), nil, -1, nil
				p.enc.SetMaxDynamicTableSize(0)
				p.write(frame.Preface)
				p.send("SETTINGS", "SETTINGS ACK")
				hold(p)
				p.core.keep(len(p.rest)) // as the loop's write does
				p.conn.wire.rest, p.out = p.rest, nil
				p.conn.weigh()
				conns = append(conns, p.conn)
			}
			for range 3 {
				begin() // what the core itself needs is there
			}
			p.core.judge()
			before, held := objects(), memoryHeld()
			for range connections {
				begin()
			}
			p.core.judge()
			after := objects()
			heap, account := int64(after.HeapAlloc-before.HeapAlloc), memoryHeld()-held
			t.Logf("%d octets of heap, %d in the account: %.2f", heap/connections, account/connections, float64(heap)/float64(account))
			if heap > account*3/2 || account > heap*3/2 {
				t.Errorf("%d octets of heap and %d in the account", heap, account)
			}
			runtime.KeepAlive(conns)
			for _, c := range conns {
				p.core.keep(-len(c.wire.rest))
				c.wire.rest = nil
				c.lose(errIdle)
			}
			p.settle()
			p.core.judge()
			if p.core.weight != 0 || p.core.holding != 0 {
				t.Errorf("%d octets of nothing, %d of messages", p.core.weight, p.core.holding)
			}
		})
	}
}

func (p *testPeer) openEach(n int) {
	for i := range uint32(n) {
		p.openUnseen(2*i + 1)
	}
}

func TestAdmission(t *testing.T) {
	a := newAdmission(Limits{Connections: 5, ConnectionsAddr: 2})
	enter := func(addr string) bool { return a.enter(addressed{addr: addr}) }
	for i, step := range []struct {
		addr string
		want bool
	}{
		{"192.0.2.1", true}, {"192.0.2.1", true}, {"192.0.2.1", false}, {"::ffff:192.0.2.1", false}, {"192.0.2.2", true},
		{"2001:db8::1", true}, {"2001:db8::ffff:2", true}, {"2001:db8::3", false}, {"2001:db8:0:1::1", false}, // the sixth
	} {
		if got := enter(step.addr); got != step.want {
			t.Errorf("%d: %s enters: %t", i, step.addr, got)
		}
	}
	a.leave(netip.MustParseAddr("2001:db8::1"))
	if !enter("2001:db8::4") {
		t.Error("there is room again")
	}
	for _, addr := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::4", "2001:db8::5"} {
		a.leave(netip.MustParseAddr(addr))
	}
	var s Stats
	a.addTo(&s)
	if a.open != 0 || len(a.byAddr) != 0 || s.ConnectionsRefused != 4 {
		t.Errorf("%d open, %d addresses, %+v", a.open, len(a.byAddr), fmt.Sprint(s.ConnectionsRefused))
	}
}

// addressed is a net.Conn of which only the peer's address is of interest.
type addressed struct {
	net.Conn
	addr string
}

func (a addressed) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(a.addr), 1))
}
