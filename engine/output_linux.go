package engine

import (
	"slices"

	"golang.org/x/sys/unix"
)

// gathersTurn is how many gathers one connection may write before the others have their turn.
const gathersTurn = 4

// flushAll offers the output of all dirty connections to their sockets.
func (l *loop) flushAll() {
	k := l.core
	dirty := k.dirty
	k.dirty = l.spare[:0]
	if len(dirty) >= warmDirty {
		l.poller.leave()
	}
	for i, c := range dirty {
		if len(dirty) >= warmDirty && i%warmConns == 0 {
			k.warm(dirty[i:min(i+warmConns, len(dirty))])
		}
		l.heart.beat()
		c.dirty = false
		if l.flush(c) {
			c.touch()
		}
		l.follow(c)
		l.unclog(c)
	}
	clear(dirty)
	l.spare = dirty[:0]
}

// flush writes until the socket is full or nothing is left, but no longer than a turn. It
// reports whether more could be written at once.
func (l *loop) flush(c *conn) (more bool) {
	for range gathersTurn {
		if c.state == connLost || !c.wire.writable || !l.writeRest(c) {
			return false
		}
		var g *gather
		if g, more = l.frame(c); g == nil {
			return false
		}
		l.offer(c, g)
		if !more {
			break
		}
	}
	if !more {
		l.shutdown(c)
	}
	return more && c.wire.writable
}

// writeRest writes what an earlier write left and reports whether the socket took all of it.
func (l *loop) writeRest(c *conn) bool {
	for len(c.wire.rest) > 0 {
		n, err := write(c.wire.fd, c.wire.rest)
		if !l.wrote(c, n, err) {
			return false
		}
		c.wire.rest = c.wire.rest[n:]
		c.progress(n)
		l.core.keep(-n)
	}
	c.wire.rest = nil
	if c.wire.tls != nil {
		c.wire.tls.said = 0
	}
	return true
}

// frame pulls a gather, under TLS sealed. It is nil when the connection is lost.
func (l *loop) frame(c *conn) (g *gather, more bool) {
	if c.wire.tls != nil {
		return l.seal(c)
	}
	g = l.gather
	g.reset(int(c.burst))
	return g, c.pull(g)
}

// offer writes g as far as the socket takes it. What it does not take is copied: it stays in order and before
// anything framed later, and the connection frames nothing more until it is gone.
func (l *loop) offer(c *conn, g *gather) {
	sent := 0
	for sent < g.size {
		l.vectors = g.vectors(l.vectors[:0], sent)
		n, err := writev(c.wire.fd, l.vectors, l.iov)
		if !l.wrote(c, n, err) {
			break
		}
		sent += n
	}
	if c.state == connLost {
		return
	}
	if sent == g.size {
		if sent > 0 {
			c.burst = min(2*c.burst, gatherSize)
		}
		return
	}
	c.burst = int32(max(gatherSizeMin, sent))
	l.keep(c, g.vectors(l.vectors[:0], sent)...)
}

// keep puts octets behind the rest.
func (l *loop) keep(c *conn, vectors ...[]byte) {
	n := 0
	for _, v := range vectors {
		n += len(v)
	}
	c.wire.rest = slices.Grow(c.wire.rest, n)
	for _, v := range vectors {
		c.wire.rest = append(c.wire.rest, v...)
	}
	l.core.keep(n)
}

// wrote accounts for one write and reports whether another may follow.
func (l *loop) wrote(c *conn, n int, err error) bool {
	if err == unix.EAGAIN {
		c.wire.writable = false
		c.wait()
		return false
	}
	if err != nil {
		l.lose(c, err)
		return false
	}
	l.core.stats.OctetsSent += uint64(n)
	return true
}

// shutdown closes our side of a connection that has said its last, once all of it is written.
func (l *loop) shutdown(c *conn) {
	if c.state == connLeaving && !c.wire.shut && len(c.control) == 0 && len(c.wire.rest) == 0 {
		if c.wire.tls != nil && !l.sayEnd(c) {
			return
		}
		c.wire.shut = true
		unix.Shutdown(c.wire.fd, unix.SHUT_WR)
		c.lingerBy = min(c.lingerBy, l.core.now+lingerTimeout)
	}
}
