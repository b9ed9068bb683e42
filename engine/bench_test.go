package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// What the core costs without its I/O. One operation is one echo, one delivery, one opening handshake. A turn
// takes benchTurn of them, as under load; sockets are used in their order and in no order, which is what the
// processor's caches see of a real peer at best and at worst.

const (
	benchTurn    = 256
	benchPayload = 64
)

// benchSizes are numbers of open sockets on one connection.
var benchSizes = []int{1, 10_000, 1_000_000}

// eachOrder runs f with the sockets' numbers in both orders.
func eachOrder(b *testing.B, n int, f func(b *testing.B, order []int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	b.Run(fmt.Sprintf("sockets=%d/order=opening", n), func(b *testing.B) { f(b, order) })
	if n == 1 {
		return
	}
	shuffled := rand.New(rand.NewPCG(1, 2)).Perm(n)
	b.Run(fmt.Sprintf("sockets=%d/order=random", n), func(b *testing.B) { f(b, shuffled) })
}

func BenchmarkEcho(b *testing.B) {
	for _, n := range benchSizes {
		r := newRig(b, ws.Funcs{Message: func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) }}, n)
		in := dataOf(1, benchPayload)
		eachOrder(b, n, func(b *testing.B, order []int) {
			b.ReportAllocs()
			sent := r.core.stats.MessagesSent
			i := 0
			for b.Loop() {
				id := uint32(order[i%n])*2 + 1
				frame.PutHeader(in, frame.Header{Length: uint32(len(in) - frame.HeaderLen), StreamID: id})
				r.recv(in)
				if i++; i%benchTurn == 0 {
					r.turn()
				}
			}
			r.turn()
			r.wantSent(b, sent, i)
		})
	}
}

func BenchmarkPrepared(b *testing.B) {
	p, err := ws.Prepare(ws.Binary, make([]byte, benchPayload))
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range benchSizes {
		r := newRig(b, ws.Funcs{}, n)
		eachOrder(b, n, func(b *testing.B, order []int) {
			b.ReportAllocs()
			sent := r.core.stats.MessagesSent
			i := 0
			for b.Loop() {
				r.sockets[order[i%n]].SendPrepared(p)
				if i++; i%benchTurn == 0 {
					r.turn()
				}
			}
			r.turn()
			r.wantSent(b, sent, i)
		})
	}
}

// wantSent makes sure that what was measured is what was meant.
func (r *rig) wantSent(b *testing.B, before uint64, n int) {
	if got := r.core.stats.MessagesSent - before; got != uint64(n) {
		b.Fatalf("%d messages sent of %d", got, n)
	}
}

// BenchmarkFanout publishes to all, to all but one, and to all of whom each is counted. One operation is one delivery.
func BenchmarkFanout(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		r, topic := newTopicRig(b, TopicOptions{}, n)
		counted := NewTopic("", TopicOptions{})
		rc := newRig(b, ws.Funcs{Handshake: func(q *ws.Request) {
			q.Accept(ws.AcceptOptions{Topics: []ws.Topic{counted}, Stats: new(ws.ConnStats)})
		}}, n)
		m, err := ws.Prepare(ws.Binary, make([]byte, benchPayload))
		if err != nil {
			b.Fatal(err)
		}
		for name, publish := range map[string]func(){
			"all":         func() { topic.Publish(m); r.turn() },
			"all but one": func() { topic.PublishExcept(m, r.sockets[n/2]); r.turn() },
			"counted":     func() { counted.Publish(m); rc.turn() },
		} {
			b.Run(fmt.Sprintf("members=%d/%s", n, name), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if i++; i%n == 0 {
						publish()
					}
				}
			})
		}
	}
}

// BenchmarkFanoutStalled publishes to all while the windows of some are used up and their queues are full. One
// operation is one delivery to one of the others. What is to be compared are none and 1 % of them.
func BenchmarkFanoutStalled(b *testing.B) {
	const n = 100_000
	m, err := ws.Prepare(ws.Binary, make([]byte, benchPayload))
	if err != nil {
		b.Fatal(err)
	}
	for _, policy := range []ws.Policy{ws.DropOldest, ws.DropNewest} {
		r, topic := newTopicRig(b, TopicOptions{Queue: &ws.QueueLimits{Policy: policy}}, n)
		for _, stalled := range []int{0, n / 100, n / 2} {
			for i := range stalled {
				s := r.sockets[i*(n/stalled)].Lower().(*stream)
				s.sendWindow.Take(int32(s.available()))
				s.waits() // so that the sweep looks at it
			}
			publish := func() {
				topic.Publish(m)
				r.turn()
			}
			for range 600 {
				publish()
			}
			b.Run(fmt.Sprintf("%v/stalled=%d", policy, stalled), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if i++; i%(n-stalled) == 0 {
						publish()
					}
				}
			})
		}
	}
}

// BenchmarkOpen opens sockets on one connection, up to a million, then on the next.
func BenchmarkOpen(b *testing.B) {
	r := newRig(b, ws.Funcs{}, 1)
	b.ReportAllocs()
	for b.Loop() {
		r.openNext()
		if n := r.conn.streams.len(); n%benchTurn == 0 {
			r.turn()
			r.sockets = r.sockets[:0]
			if n >= 1_000_000 {
				r.connect()
			}
		}
	}
}
