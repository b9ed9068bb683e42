package engine

import (
	"fmt"
	"io"
	"testing"

	"h2ws/ws"
)

// What a turn has to do for a connection that is lost with many sockets is bounded, however many these are and however
// much waits in their queues: BenchmarkLost says how long that takes.
func TestTurnsOfALoss(t *testing.T) {
	for queued, n := range map[int]int{0: 100_000, 1: 20_000, 16: 20_000, 200: 2000} {
		t.Run(fmt.Sprint(queued, " in each queue"), func(t *testing.T) {
			closed := 0
			r := newRig(t, ws.Funcs{Close: func(*ws.Conn, error) { closed++ }}, n)
			r.queueEach(queued)
			places, turns := r.conn.streams.size(), 0
			r.lose(func(turn func()) {
				turns++
				before := closed - r.core.segments.used
				turn()
				if work := closed - r.core.segments.used - before; work > streamsTurn+streamTableMin*(1+queued) {
					t.Errorf("turn %d: %d sockets and messages, want at most about %d", turns, work, streamsTurn)
				}
				if now := r.conn.streams.size(); now != places && now != 0 {
					t.Errorf("turn %d: the table has moved, from %d places to %d", turns, places, now)
				}
			})
			if most := 2 + (2*places+n*queued)/streamsTurn; closed != n || turns > most {
				t.Errorf("%d of %d sockets closed, in %d turns, want at most %d", closed, n, turns, most)
			}
		})
	}
}

// queueEach puts n messages into the queue of each socket, none of which is framed.
func (r *rig) queueEach(n int) {
	m, err := ws.Prepare(ws.Binary, make([]byte, benchPayload))
	if err != nil {
		r.tb.Fatal(err)
	}
	for range n {
		for _, c := range r.sockets {
			c.SendPrepared(m)
		}
		for r.core.deliver() {
		}
		r.core.settle()
	}
}

// lose loses the connection and has its turns taken one by one, until nothing is left of it.
func (r *rig) lose(take func(turn func())) {
	c, k := r.conn, r.core
	take(func() { c.lose(io.EOF) })
	for len(k.leaving) > 0 {
		take(func() {
			k.sweep()
			k.judge()
		})
	}
	if c.streams.len() != 0 || k.stats.Sockets != 0 || c.backlog != 0 {
		r.tb.Fatalf("%d streams, %d sockets, %d octets are left", c.streams.len(), k.stats.Sockets, c.backlog)
	}
}
