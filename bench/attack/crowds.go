package attack

import (
	"fmt"
	"time"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
)

// crowds are many connections.
func crowds() []attack {
	return []attack{
		{name: "connections/many", about: "2,000 connections, each with a WebSocket, lost at once", want: bears, grows: 128 << 20, run: func(a *assault) *observed {
			return a.crowd(a.n(2000), crowd{socket: true})
		}},
		{name: "connections/silent", about: "2,000 connections that say nothing", want: bears, run: func(a *assault) *observed {
			return a.crowd(a.n(2000), crowd{})
		}},
		{name: "connections/overflow", about: "WINDOW_UPDATE beyond 2^31-1 on 1,000 connections (CVE-2026-21714)", want: ends, run: func(a *assault) *observed {
			return a.crowd(a.n(1000), crowd{octets: frame.AppendWindowUpdate(frame.AppendSettings([]byte(frame.Preface)), 0, 1<<31-1), end: true})
		}},
		{name: "connections/half-requests", about: "1,000 connections that are lost inside of a frame", want: bears, run: func(a *assault) *observed {
			return a.crowd(a.n(1000), crowd{octets: raw.AppendRequest(frame.AppendSettings([]byte(frame.Preface)), 1, 0, a.target.Handshake())[:80]})
		}},
	}
}

// crowd is what each of many connections does.
type crowd struct {
	socket bool   // it opens a WebSocket
	octets []byte // or it says these
	end    bool   // and waits for its end
}

// crowd connects n times.
func (a *assault) crowd(n int, c crowd) *observed {
	begin := time.Now()
	o := &observed{}
	for range n {
		f, err := dial(a.ctx, a.target, manner{silent: !c.socket})
		if err != nil {
			continue // refused, which is an answer
		}
		a.foes = append(a.foes, f)
		if c.socket {
			f.open(1)
		} else if c.octets != nil {
			f.send(c.octets)
		}
	}
	for _, f := range a.foes {
		if c.end {
			f.awaitSoon(func(t *tally) bool { return t.closed || t.goAways > 0 })
		}
		o.take(f, begin)
	}
	for _, f := range a.foes {
		if c.socket {
			f.close()
		}
	}
	o.tally = tally{}
	if o.conns, o.sent = len(a.foes), len(a.foes); n > o.conns {
		o.figure = fmt.Sprintf("%d refused", n-o.conns)
	}
	return o
}
