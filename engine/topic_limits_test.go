package engine

import (
	"testing"
	"time"

	"h2ws/ws"
)

// The limits of a topic are those of what it has in the queue, also where no new message asks for them.

func TestMaxAgeOfATopic(t *testing.T) {
	p := openSlow(t, Limits{PingInterval: -1}, TopicOptions{Queue: &ws.QueueLimits{MaxAge: time.Second, Policy: ws.DropOldest}}, 1)
	p.publish("a")
	p.later(time.Second / 2)
	p.publish("b")
	p.settled("neither is too old", 0, 0, 0, 2)
	p.later(time.Second/2 + 1)
	p.settled("the first is", 0, 1, 0, 1)
	p.all[0].Send(ws.Text, []byte("its own"))
	p.settle()
	p.later(time.Hour)
	p.settled("the second is", 0, 2, 0, 0)
	p.drain()
	p.hears("what the socket was sent may wait", "1 its own")
}

func TestReliefByThePolicyOfATopic(t *testing.T) {
	base := held.Load()
	limits := Limits{MemorySize: base + 10_000, Queue: ws.QueueLimits{MaxBytes: 1 << 20}}
	p := openSlow(t, limits, TopicOptions{Queue: &ws.QueueLimits{MaxBytes: 1 << 20, Policy: ws.DropOldest}}, 1)
	p.publish(long("a", 5000), long("b", 5000))
	p.settled("what is too much is dropped", 0, 2, 0, 0)
	p.publish("c")
	p.drain()
	p.hears("and the socket lives on", "1 c")
}

// A message that may wait comes first, and goes: then the next one's age counts.
func TestMaxAgeBehindADroppedMessage(t *testing.T) {
	limits := Limits{PingInterval: -1, Queue: ws.QueueLimits{MaxMessages: 2, Policy: ws.DropOldest}}
	p := openSlow(t, limits, TopicOptions{Queue: &ws.QueueLimits{MaxAge: time.Second, Policy: ws.DropOldest}}, 1)
	p.all[0].Send(ws.Text, []byte("first"))
	p.publish("a")
	p.all[0].Send(ws.Text, []byte("last"))
	p.settle()
	p.later(time.Second + 1)
	p.settled("too old", 0, 1, 0, 0)
	p.drain()
	p.hears("what is left", "1 last")
}
