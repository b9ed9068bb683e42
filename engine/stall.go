package engine

import "time"

// stallOctets is the progress that output must make in Limits.WriteTimeout. Less would be a deadline that a peer
// moves octet by octet.
const stallOctets = 1 << 10

// stall is the deadline of a connection's output while it waits: for room in the socket, or for the connection's
// window. Octets that the socket takes, or that are framed into the window, move it. Control frames,
// which a peer can ask for at will, do not, as long as they are all that goes through.
//
// by == never, or 0 < left <= stallOctets.
type stall struct {
	by   time.Duration // never: nothing waits
	left int32         // octets still to be made by then
}

func (s *stall) begin(now, timeout time.Duration) { s.by, s.left = after(now, timeout), stallOctets }

func (s *stall) end() { s.by = never }

// wait notes that output waits for the peer.
func (c *conn) wait() {
	if c.stall.by == never {
		c.stall.begin(c.core.now, c.core.limits.WriteTimeout)
	}
}

// progress notes that n octets of the output that waits have gone.
func (c *conn) progress(n int) {
	if c.stall.by == never {
		return
	}
	if n < int(c.stall.left) {
		c.stall.left -= int32(n)
		return
	}
	c.stall.begin(c.core.now, c.core.limits.WriteTimeout)
}
