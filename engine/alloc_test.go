package engine

import (
	"runtime"
	"testing"

	"h2ws/engine/frame"
	"h2ws/flow"
	"h2ws/ws"
)

// wantNoAllocs runs f often: less than one allocation in a thousand is none.
func wantNoAllocs(t *testing.T, why string, f func()) {
	t.Helper()
	for range 3000 {
		f() // pools and tables reach their size
	}
	thousand := func() {
		for range 1000 {
			f()
		}
	}
	if n := testing.AllocsPerRun(5, thousand); n != 0 {
		t.Errorf("%s: %v allocations in 1000, want 0", why, n)
	}
}

func TestAllocsInbound(t *testing.T) {
	received := 0
	r := newRig(t, ws.Funcs{Message: func(c *ws.Conn, m ws.Message) { received += len(m.Data) }}, 100)
	whole := dataOf(7, 64)
	wantNoAllocs(t, "a DATA frame with a whole message", func() {
		r.recv(whole)
		r.turn()
	})
	wantNoAllocs(t, "a DATA frame that comes octet by octet", func() {
		for i := range whole {
			r.recv(whole[i : i+1])
		}
		r.turn()
	})
	large := message(ws.OpBinary, string(make([]byte, 5000)))
	first := frame.AppendData(nil, 9, 0, large[:3000])
	second := frame.AppendData(nil, 9, 0, large[3000:])
	wantNoAllocs(t, "a message cut into two DATA frames", func() {
		r.recv(first)
		r.recv(second)
		r.turn()
	})
	text := message(ws.OpText, "fragment")
	text[0] &^= 0x80
	fragment := frame.AppendData(nil, 11, 0, text)
	last := frame.AppendData(nil, 11, 0, message(ws.OpContinuation, "ed"))
	wantNoAllocs(t, "a message in two WebSocket frames", func() {
		r.recv(fragment)
		r.recv(last)
		r.turn()
	})
	ping := frame.AppendData(nil, 13, 0, message(ws.OpPing, "are you there?"))
	wantNoAllocs(t, "a WebSocket ping and its pong", func() {
		r.recv(ping)
		r.turn()
	})
	if received == 0 || r.core.stats.ConnectionErrors != [len(r.core.stats.ConnectionErrors)]uint64{} {
		t.Errorf("%d octets received, %+v", received, r.core.stats)
	}
}

func TestAllocsOutbound(t *testing.T) {
	r := newRig(t, ws.Funcs{Message: func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) }}, 100)
	in := dataOf(7, 64)
	wantNoAllocs(t, "an echo", func() {
		r.recv(in)
		r.turn()
	})
	next := 0
	wantNoAllocs(t, "sixteen echoes in a turn", func() {
		for range 16 {
			frame.PutHeader(in, frame.Header{Length: uint32(len(in) - frame.HeaderLen), StreamID: uint32(next%100)*2 + 1})
			next++
			r.recv(in)
		}
		r.turn()
	})
	for _, size := range []int{64, 20_000} {
		p, err := ws.Prepare(ws.Binary, make([]byte, size))
		if err != nil {
			t.Fatal(err)
		}
		wantNoAllocs(t, "a prepared message to three sockets", func() {
			for _, c := range r.sockets[:3] {
				c.SendPrepared(p)
			}
			r.turn()
		})
	}
	if r.core.stats.MessagesSent < 1000 || r.core.stats.MessagesDiscarded+r.core.stats.SocketsSlow > 0 {
		t.Errorf("%+v", r.core.stats)
	}
}

func TestAllocsControl(t *testing.T) {
	r := newRig(t, ws.Funcs{}, 100)
	r.recv(frame.AppendRSTStream(nil, 5, frame.Cancel))
	for why, octets := range map[string][]byte{
		"PING":                                frame.AppendPing(nil, false, [8]byte{1}),
		"RST_STREAM on a closed stream":       frame.AppendRSTStream(nil, 5, frame.Cancel),
		"WINDOW_UPDATE on a closed stream":    frame.AppendWindowUpdate(nil, 5, 1),
		"PRIORITY":                            frame.AppendPriority(nil, 7, 0, false, 1),
		"an unknown frame":                    append(frame.AppendHeader(nil, frame.Header{Length: 3, Type: 0x77}), 1, 2, 3),
		"SETTINGS":                            frame.AppendSettings(nil, frame.Setting{ID: frame.InitialWindowSize, Value: 1}, frame.Setting{ID: frame.InitialWindowSize, Value: 2}),
		"DATA on a stream that we have reset": nil,
	} {
		if octets == nil {
			r.conn.resetStream(9, frame.Cancel, ws.ErrReset)
			octets = dataOf(9, 10)
		}
		wantNoAllocs(t, why, func() {
			r.recv(octets)
			r.turn()
		})
	}
	ups := [][]byte{frame.AppendWindowUpdate(nil, 0, 1), frame.AppendWindowUpdate(nil, 7, 1)}
	wantNoAllocs(t, "WINDOW_UPDATE", func() {
		for _, up := range ups {
			r.recv(up)
		}
		r.turn()
	})
	if r.conn.state != connOpen {
		t.Errorf("state %d: %v", r.conn.state, r.conn.cause)
	}
}

// TestInitialWindowSizeVisitsNobody: the peer may change INITIAL_WINDOW_SIZE as often as it likes, under however many
// open or blocked streams.
func TestInitialWindowSizeVisitsNobody(t *testing.T) {
	const streams = 100_000
	r := newRig(t, ws.Funcs{}, streams)
	c := r.conn
	none := frame.AppendSettings(nil, frame.Setting{ID: frame.InitialWindowSize, Value: 0})
	little := frame.AppendSettings(nil, frame.Setting{ID: frame.InitialWindowSize, Value: 1})
	up := frame.AppendSettings(nil, frame.Setting{ID: frame.InitialWindowSize, Value: 100})
	r.recv(none)
	for _, s := range r.sockets {
		s.Send(ws.Binary, make([]byte, 50))
	}
	r.turn()
	if c.blocked.Len() != streams || c.ready.Len() != 0 {
		t.Fatalf("%d streams blocked, %d ready", c.blocked.Len(), c.ready.Len())
	}
	wantNoAllocs(t, "SETTINGS under 100,000 blocked streams", func() {
		r.recv(none)
		r.recv(up)
		if c.blocked.Len() != streams || c.ready.Len() != 0 {
			t.Fatalf("SETTINGS have moved streams: %d blocked, %d ready", c.blocked.Len(), c.ready.Len())
		}
		c.control = c.control[:0]
	})

	// The gather, not SETTINGS, does the work, a bounded part of it at a time, and gives up what is not worth while.
	r.recv(little)
	for turns := 1; c.unblocked > 0; turns++ {
		before := c.unblocked
		r.gather.reset(gatherSize)
		c.pull(r.gather)
		if before-c.unblocked > visitsTurn || turns > streams/visitsTurn+1 {
			t.Fatalf("turn %d: %d streams looked at", turns, before-c.unblocked)
		}
	}
	if c.blocked.Len()+c.ready.Len() != streams || r.core.stats.MessagesSent != 0 {
		t.Fatalf("%d blocked, %d ready, %d messages in windows of 1", c.blocked.Len(), c.ready.Len(), r.core.stats.MessagesSent)
	}
	r.recv(up)
	r.turn()
	if c.blocked.Len() != 0 || r.core.stats.MessagesSent != streams {
		t.Errorf("%d blocked, %d messages in windows of 100", c.blocked.Len(), r.core.stats.MessagesSent)
	}
	wantNoAllocs(t, "SETTINGS over 100,000 open streams", func() {
		r.recv(none)
		r.recv(up)
		r.turn()
	})
	if got := c.streams.find(1).sendWindow.Available(c.peerInitial); got != 100-52 {
		t.Errorf("the first stream's window is %d", got)
	}
	if c.sendWindow.Available(flow.InitialSize) < 0 {
		t.Error("the connection's window is negative")
	}
}

// TestAllocsOpen: of an opening handshake with indexed fields one object lives on, the stream. The table's two
// arrays, doubled now and then, are the tolerance.
func TestAllocsOpen(t *testing.T) {
	const opens = 50_000
	r := newRig(t, ws.Funcs{}, 1000)
	r.sockets = make([]*ws.Conn, 0, 2*opens)
	before := objects()
	for range opens {
		r.openNext()
		if r.conn.streams.len()%100 == 0 {
			r.turn()
		}
	}
	r.turn()
	after := objects()
	if r.conn.streams.len() != opens+1000 {
		t.Fatalf("%d streams", r.conn.streams.len())
	}
	if live := float64(after.Mallocs-after.Frees-before.Mallocs+before.Frees) / opens; live > 1.001 {
		t.Errorf("%.4f objects live on after an opening handshake, want 1", live)
	}
	if all := float64(after.Mallocs-before.Mallocs) / opens; all > 2 {
		t.Errorf("%.4f allocations in an opening handshake, want no more than 2", all)
	}
	t.Logf("allocations per open: %.3f", float64(after.Mallocs-before.Mallocs)/opens)
}

// objects is what the heap holds, garbage excluded.
func objects() (m runtime.MemStats) {
	runtime.GC()
	runtime.GC() // what the first one's sweep has left
	runtime.ReadMemStats(&m)
	return m
}
