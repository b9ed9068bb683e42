package engine

import (
	"encoding/binary"

	"h2ws/engine/frame"
	"h2ws/flow"
)

// simSums are the frames on their way in one direction, summed for one stream or the connection.
type simSums struct{ data, credit int64 }

// checkWindows: both sides know the same of each window, but for what is on its way.
func (c *simClient) checkWindows(when string) {
	conn, l := c.conn, &c.s.core.limits
	up, down := c.upSums(), c.downSums(when)
	if got, want := int64(conn.recvWindow.Available()), c.sendWindow+up[0].data+down[0].credit; got != want {
		c.failf("%s: the server takes %d more, the client may send %d", when, got, want)
	}
	if got, want := conn.sendWindow.Available(flow.InitialSize), c.recvWindow-down[0].data-up[0].credit; got != want || got < 0 {
		c.failf("%s: the server may send %d, the client takes %d", when, got, want)
	}
	for _, st := range conn.streams.streams {
		if st == nil {
			continue
		}
		cs := c.find(st.id)
		want := cs.sendWindow + int64(l.StreamWindow) - c.peerInitial + up[st.id].data + down[st.id].credit
		if got := int64(st.recvWindow.Available()); got != want {
			c.failf("%s: stream %d: the server takes %d more, the client may send %d", when, st.id, got, want)
		}
		base := int64(conn.peerInitial)
		if got, want := st.sendWindow.Available(conn.peerInitial), base+cs.recvGrant-down[st.id].data-up[st.id].credit; got != want && !cs.bad {
			c.failf("%s: stream %d: the server may send %d, the client takes %d", when, st.id, got, want)
		}
	}
}

// upSums forgets the frames that the server has seen and sums the rest.
func (c *simClient) upSums() map[uint32]simSums {
	n := 0
	for n < len(c.flights) && c.flights[n].at <= c.consumed {
		n++
	}
	c.flights = c.flights[n:]
	sums := make(map[uint32]simSums)
	for _, f := range c.flights {
		all, one := sums[0], sums[f.id]
		all.data += f.data
		one.data += f.data
		one.credit += f.credit
		if f.id == 0 {
			one.data = all.data
		}
		sums[0], sums[f.id] = all, one
	}
	return sums
}

// downSums parses everything between the server's books and the client's. It must be whole frames.
func (c *simClient) downSums(when string) map[uint32]simSums {
	b := append(c.s.scratch[:0], c.in...)
	b = append(append(append(b, c.down...), c.rest...), c.conn.control...)
	c.s.scratch = b
	sums := make(map[uint32]simSums)
	for len(b) > 0 {
		h, n := frame.ConsumeHeader(b)
		if n == 0 || len(b) < n+int(h.Length) {
			c.failf("%s: the server's output ends within a frame", when)
		}
		all, one := sums[0], sums[h.StreamID]
		switch h.Type {
		case frame.Data:
			all.data += int64(h.Length)
			one.data += int64(h.Length)
			sums[0] = all
			sums[h.StreamID] = one
		case frame.WindowUpdate:
			one.credit += int64(binary.BigEndian.Uint32(b[n:]))
			sums[h.StreamID] = one
		}
		b = b[n+int(h.Length):]
	}
	return sums
}
