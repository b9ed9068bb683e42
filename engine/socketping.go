package engine

import (
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// pingCursor goes round a connection's streams once in Limits.SocketPingInterval, a share of the table at a time,
// and has each WebSocket it comes to sent a ping (RFC 6455 §5.5.2). So a socket needs no timer, the pings of a connection
// are spread over the interval, and no tick costs more than its share, however many sockets there are.
//
// A table that grows or shrinks has moved all streams: the round begins anew, and may come to some sockets
// twice, and to others almost twice the interval after the last time.
type pingCursor struct {
	at     time.Duration // of the next tick; never: there are no sockets
	after  time.Duration // no socket is given up before: the connection has not been read to its end
	cursor int           // places of the table that this round has not come to
	size   int           // of the table when the round began
}

// pingState is how far a socket is with the ping it was sent. There is one at a time, and one entry in
// streamWaits.pongs from pingSent until it is popped.
type pingState uint8

const (
	pingNone     pingState = iota
	pingQueued             // not framed yet: a peer that does not take it has no reason to answer
	pingSent               // nothing has come since
	pingAnswered           // something has
)

const (
	// pingShares is in how many shares a round is divided at most.
	pingShares = 512
	// pingShareMin is the least share, in places of the table: small connections have one tick a round.
	pingShareMin = 64
	// pongGrace is how long the peer of a connection that has not been read to its end is left in peace.
	pongGrace = 100 * time.Millisecond
)

// startPings has the cursor begin when there is a socket. Connections begin at different times, though
// they may have come all at once.
func (c *conn) startPings() {
	interval := c.core.limits.SocketPingInterval
	if interval == never || c.waitsFor().pings.at != never {
		return
	}
	fraction := uint32(c.place+1) * 0x9e3779b9 // neighbours are far apart
	c.waits.pings.at = c.core.now + time.Duration(float64(interval)*float64(fraction)/(1<<32))
}

// pingSockets is a tick.
func (c *conn) pingSockets() {
	p := &c.waits.pings
	if p.at > c.core.now {
		return
	}
	size := c.streams.size()
	if c.streams.len() == 0 {
		p.at, p.cursor = never, 0
		return
	}
	if p.cursor == 0 || p.size != size {
		p.cursor, p.size = size, size
	}
	share := min(size, max(pingShareMin, (size+pingShares-1)/pingShares))
	p.cursor = c.streams.visit(p.cursor, share, (*stream).sendPing)
	p.at = c.core.now + time.Duration(float64(c.core.limits.SocketPingInterval)*float64(share)/float64(size))
}

// sendPing queues a ping behind what waits, unless one is on its way already or the socket is being closed.
func (s *stream) sendPing() {
	if s.kind != streamSocket || s.ping != pingNone || s.ended() || s.ws.Closed() {
		return
	}
	s.ping = pingQueued
	s.pushPing(nil)
}

// sentPing gives the peer SocketPongTimeout to say anything on the stream.
func (c *conn) sentPing(s *stream) {
	by := after(c.core.now, c.core.limits.SocketPongTimeout)
	if by == never {
		s.ping = pingNone
		return
	}
	s.ping = pingSent
	c.waitsFor().pongs.push(by, s.id, c.known)
}

// expirePongs gives up the sockets that have said nothing since their ping. One that is paused can't be blamed.
func (c *conn) expirePongs() {
	if c.waits.pongs.next() <= c.core.now && c.wire.readable {
		c.waits.pings.after = c.core.now + pongGrace // what they said may be among what was not read yet
		return
	}
	for c.waits != nil {
		id, ok := c.waits.pongs.pop(c.core.now)
		if !ok {
			return
		}
		s := c.streams.find(id)
		if s == nil {
			continue
		}
		silent := s.ping == pingSent && !s.ws.Paused()
		s.ping = pingNone
		c.waits.pongs.live--
		if silent && s.kind == streamSocket && !s.ws.Closed() {
			c.core.stats.SocketsSilent++
			c.resetStream(id, frame.Cancel, ws.ErrPongTimeout)
		}
	}
}
