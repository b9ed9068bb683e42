package engine

import (
	"testing"

	"h2ws/ws"
)

// The loop that notices that the process holds too much is not the one to lose something, if another holds more.
func TestReliefOfTheLargestHolder(t *testing.T) {
	base := held.Load()
	l := Limits{MemorySize: base + 100_000, Queue: ws.QueueLimits{MaxBytes: 1 << 20, Policy: ws.DropOldest}}
	var peers [2]*testPeer
	var topics [2]*Topic
	for i := range peers {
		p, all := openQuiet(t, l, 1)
		p.core.enlist()
		defer p.core.delist()
		topics[i] = NewTopic("", TopicOptions{})
		join(t, topics[i], all...)
		p.settle()
		p.out, p.room = nil, 0 // the socket is full
		peers[i] = p
	}
	modest, hog := peers[0], peers[1]
	publish := func(i, octets int) {
		topics[i].Publish(prepared(t, string(make([]byte, octets))))
		peers[i].settle()
		peers[i].core.holdSegments() // as at the end of a turn
	}
	for range 4 {
		publish(0, 10_000)
	}
	for range 5 {
		publish(1, 10_000)
	}
	hog.core.limits.MemorySize = never.Nanoseconds() // it does not look by itself, as if it were asleep
	publish(1, 20_000)
	hog.core.limits.MemorySize = modest.core.limits.MemorySize

	if held.Load() <= l.MemorySize {
		t.Fatalf("%d octets are held, too few for the test", held.Load()-base)
	}
	modest.core.relieve()
	hog.settle()
	if n := held.Load(); n > l.MemorySize {
		t.Errorf("%d octets are still held", n-base)
	}
	for i, drops := range []bool{false, true} {
		if s := topics[i].Stats(); (s.Dropped > 0) != drops {
			t.Errorf("loop %d: %+v", i, s)
		}
	}
}
