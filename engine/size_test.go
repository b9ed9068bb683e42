package engine

import (
	"runtime"
	"testing"
	"unsafe"

	"h2ws/ws"
)

// TestSizes holds what there is one of per socket, message or connection to its budget, so that a field is added on
// purpose. Where it is an object of its own the maximum is a size class of the allocator, which above 512 octets
// adds 8 of its own.
func TestSizes(t *testing.T) {
	for _, x := range []struct {
		what      string
		size, max uintptr
	}{
		{"stream", unsafe.Sizeof(stream{}), 144},
		{"conn", unsafe.Sizeof(conn{}), 576 - 8},
		{"segment", unsafe.Sizeof(segment{}), 96},
		{"post", unsafe.Sizeof(post{}), 48},
		{"dueStream", unsafe.Sizeof(dueStream{}), 16},
		{"ref", unsafe.Sizeof(ref{}), 32},
	} {
		t.Logf("%s: %d octets", x.what, x.size)
		if x.size > x.max {
			t.Errorf("%s takes %d octets, want at most %d", x.what, x.size, x.max)
		}
	}
}

// TestIdleSocketSize: 100,000 sockets on one connection.
func TestIdleSocketSize(t *testing.T) {
	const sockets, budget = 100_000, 200
	r := newRig(t, ws.Funcs{}, 1000)
	r.sockets = nil
	before := objects()
	r.open(sockets + 1000)
	r.sockets = nil
	each := int(objects().HeapAlloc-before.HeapAlloc) / sockets
	t.Logf("%d octets per idle socket", each)
	if each > budget {
		t.Errorf("an idle socket takes %d octets of heap, want at most %d", each, budget)
	}
	runtime.KeepAlive(r)
}

// TestIdleConnectionSize: a thousand connections with one socket each. A 32nd is for the race detector, under
// which small strings do not share a block.
func TestIdleConnectionSize(t *testing.T) {
	const connections, budget = 1000, 1536
	r := newRig(t, ws.Funcs{Message: func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) }}, 1)
	in := dataOf(1, 64)
	conns := make([]*conn, 0, connections)
	var before runtime.MemStats
	for i := range connections + 100 {
		if i == 100 { // what the core itself needs is there
			conns, r.sockets = conns[:0], make([]*ws.Conn, 0, connections)
			before = objects()
		}
		r.connect()
		r.recv(in[:20])
		r.recv(in[20:]) // it was not always idle
		r.turn()
		conns = append(conns, r.conn)
	}
	each := int(objects().HeapAlloc-before.HeapAlloc) / connections
	t.Logf("%d octets per idle connection with one socket", each)
	if each > budget+budget/32 {
		t.Errorf("an idle connection with one socket takes %d octets of heap, want at most %d", each, budget)
	}
	for _, c := range conns {
		if c.state != connOpen || c.streams.len() != 1 {
			t.Fatalf("state %d, %d streams", c.state, c.streams.len())
		}
	}
	runtime.KeepAlive(r)
}
