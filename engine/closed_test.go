package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// The log against a list of everything that was added.
func TestResetLog(t *testing.T) {
	random := rand.New(rand.NewPCG(23, 0))
	var log resetLog
	var all []uint32
	for range 1000 {
		id := uint32(random.IntN(100))*2 + 1
		log.add(id)
		all = append(all, id)
		kept := all[max(0, len(all)-resetsKept):]
		for id := uint32(1); id < 200; id += 2 {
			if log.has(id) != slices.Contains(kept, id) {
				t.Fatalf("stream %d of %v: %v", id, kept, log.has(id))
			}
		}
	}
	if len(log.ids) != resetsKept {
		t.Errorf("%d entries", len(log.ids))
	}
}

// No state is kept for closed streams, and frames on them cost nothing that stays.
func TestFramesOnManyClosedStreams(t *testing.T) {
	p := openTestPeer(t, Limits{RuleScale: -1}, ws.Nop{})
	const streams = 3000
	for i := range uint32(streams) {
		p.headers(2*i+1, 0, p.connectFields())
		p.data(2*i+1, frame.FlagEndStream, message(ws.OpClose, ""))
	}
	p.out = nil
	if n := p.conn.streams.len(); n != 0 {
		t.Fatalf("%d streams are open", n)
	}
	for i := range uint32(streams) {
		id := 2*i + 1
		p.send(fmt.Sprintf("WINDOW_UPDATE %d increment=1", id), fmt.Sprintf("RST_STREAM %d CANCEL", id),
			fmt.Sprintf("PRIORITY %d dep=0 weight=16", id))
		p.want("they are ignored")
		p.data(id, 0, []byte("x"))
		p.want("DATA is answered", fmt.Sprintf("RST_STREAM %d STREAM_CLOSED", id))
		p.data(id, 0, []byte("x"))
		p.want("once, while it is remembered")
	}
	if n := p.conn.streams.size(); n > streamTableMin {
		t.Errorf("the table has %d places for no stream", n)
	}
	if n := len(p.conn.resets.ids); n > resetsKept {
		t.Errorf("%d resets are remembered", n)
	}
	if n := cap(p.conn.control); n > 0 {
		t.Errorf("%d octets of control buffer are kept", n)
	}
}

// A stream may end while its DATA frame is being received: the rest of it is skipped.
func TestStreamEndsInsideItsDataFrame(t *testing.T) {
	for name, end := range map[string]func(p *testPeer){
		"time":  func(p *testPeer) { p.later(p.core.limits.CloseTimeout) },
		"drain": func(p *testPeer) { p.conn.startDrain(); p.settle(); p.later(p.core.limits.CloseTimeout) },
	} {
		t.Run(name, func(t *testing.T) {
			var all []*ws.Conn
			p := openTestPeer(t, Limits{}, quiet(&all))
			p.open(1)
			p.open(3)
			all[0].Close(ws.CloseNormal, "")
			p.settle()
			whole := string(frame.AppendData(nil, 1, frame.FlagEndStream, message(ws.OpText, "hello")))
			p.write(whole[:15])
			end(p)
			if p.conn.streams.find(1) != nil {
				t.Fatal("the stream has not ended")
			}
			p.frames()
			p.write(whole[15:])
			p.send("PING 0x0000000000000001")
			p.want("the next frame begins where this one ends", "PING ACK 0x0000000000000001")
		})
	}
}

// Whoever refuses or ignores a field block decodes it: the next one refers to its entries (RFC 9113 §4.3).
func TestFieldBlocksStayInStep(t *testing.T) {
	for name, test := range map[string]struct {
		limits  Limits
		prepare func(p *testPeer)
		id      uint32 // of the block that nobody wants
		flags   frame.Flags
	}{
		"refused":      {limits: Limits{MaxConcurrentStreams: 1}, prepare: func(p *testPeer) { p.open(1) }, id: 3},
		"reset by us":  {prepare: func(p *testPeer) { p.open(1); p.send("WINDOW_UPDATE 1 increment=0") }, id: 1},
		"trailers":     {prepare: func(p *testPeer) { p.open(1) }, id: 1, flags: frame.FlagEndStream},
		"bad trailers": {prepare: func(p *testPeer) { p.open(1) }, id: 1},
		"half-closed":  {prepare: func(p *testPeer) { p.send("SETTINGS INITIAL_WINDOW_SIZE=0"); p.plain(1) }, id: 1},
		"malformed":    {prepare: func(p *testPeer) {}, id: 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := openTestPeer(t, test.limits, nil)
			test.prepare(p)
			p.frames()
			p.headers(test.id, test.flags, p.fields("x-a", "1", "x-b", "2", "sec-websocket-version", "13"))
			if p.conn.state != connOpen {
				t.Fatalf("the connection ended: %q", p.frames())
			}
			p.send("RST_STREAM 1 CANCEL")
			p.frames()
			block := p.connectFields("x-a", "1", "x-b", "2")
			if len(block) > 60 {
				t.Fatalf("the test's block refers to nothing: %d octets", len(block))
			}
			p.headers(5, 0, block)
			p.want("entries of the block are known", "HEADERS 5 END_HEADERS 0x88")
		})
	}
}

// plain sends a plain request.
func (p *testPeer) plain(id uint32) {
	p.headers(id, frame.FlagEndStream, p.fields(":method", "GET", ":scheme", "http", ":authority", "example.com", ":path", "/"))
}
