package engine

import (
	"fmt"
	"net"
	"testing"

	"h2ws/ws"
)

// Found in review.

// A loop whose queues hold large messages, by reference, holds them: another's logs are not in their stead to go.
func TestFoundReferencesAreHeldByTheirLoop(t *testing.T) {
	base := held.Load()
	l := Limits{MemorySize: base + 100_000, Queue: ws.QueueLimits{MaxBytes: 1 << 20, Policy: ws.DropOldest}}
	modest, ofModest := openQuiet(t, l, 1)
	hog, ofHog := openQuiet(t, l, 1)
	topic := NewTopic("", TopicOptions{})
	join(t, topic, ofModest...)
	modest.settle()
	for _, p := range []*testPeer{modest, hog} {
		p.core.enlist()
		defer p.core.delist()
	}
	modest.out, modest.room = nil, 0 // its log is what waits
	modest.send("PING 0x0000000000000001")
	for range 4 {
		topic.Publish(prepared(t, string(make([]byte, 5_000))))
	}
	modest.settle()
	modest.core.holdSegments()
	for range 12 {
		ofHog[0].SendPrepared(prepared(t, string(make([]byte, 10_000))))
	}
	hog.settle()
	modest.settle()
	hog.settle()
	if n := held.Load(); n > l.MemorySize {
		t.Errorf("%d octets are still held", n-base)
	}
	if s := topic.Stats(); s.DroppedLog > 0 {
		t.Errorf("the other loop lost %d of %d", s.DroppedLog, s.Owed)
	}
	for _, p := range []*testPeer{modest, hog} {
		p.conn.lose(net.ErrClosed)
		p.settle()
		p.core.holdSegments()
	}
	if n := held.Load(); n != base {
		t.Errorf("%d octets are held for nobody", n-base)
	}
}

// What has begun can't be dropped: a peer that takes the beginning of a message on each of its streams and no more is in
// the way as a whole.
func TestFoundBegunMessagesAreRelieved(t *testing.T) {
	base := held.Load()
	const streams = 40
	l := Limits{MemorySize: base + 100_000, Queue: ws.QueueLimits{MaxBytes: 1 << 20, Policy: ws.DropOldest}}
	p, all := openQuiet(t, l, streams)
	for i, c := range all {
		c.Send(ws.Binary, make([]byte, 10_000))
		p.send(fmt.Sprintf("WINDOW_UPDATE %d increment=1024", 2*i+1))
	}
	p.settle()
	if n := held.Load(); n > l.MemorySize {
		t.Errorf("%d octets are held, %d reliefs came to nothing", n-base, p.core.stats.MemoryReliefs)
	}
	p.conn.lose(net.ErrClosed)
	p.settle()
	p.core.holdSegments()
}

// A connection that is lost for what waits for its socket is enough: what it holds goes at once.
func TestFoundOneConnectionIsEnough(t *testing.T) {
	base := held.Load()
	p := newTestPeer(t, Limits{MemorySize: base + 100_000}, nil)
	for range 4 {
		p.connect()
		p.conn.wire.rest = make([]byte, 30_000)
		p.core.keep(30_000)
	}
	p.core.relieve()
	if n := held.Load() - base; n != 90_000 || len(p.core.conns) != 4 {
		t.Errorf("%d octets are held, %d connections are left of 5", n, len(p.core.conns))
	}
	p.core.keep(-90_000)
}
