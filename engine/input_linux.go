package engine

import (
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// endingTurn is how many connections whose peers have ended are read in a turn, and one in endingShare of them in any case.
// To close a socket takes as long as many messages, and who has lost thousands at once is to serve the others meanwhile.
const (
	endingTurn  = 8
	endingShare = 64
)

// manyReads is how many connections take as long to be read as others should not have to wait for the runtime's poller.
const manyReads = 32

// readAll reads once from each connection that may have something, and keeps those that may have more.
func (l *loop) readAll() {
	n := min(max(endingTurn, len(l.ending)/endingShare), len(l.ending))
	reading := append(l.reading, l.ending[:n]...)
	if l.ending = l.ending[n:]; len(l.ending) == 0 {
		l.ending = nil
	}
	l.reading = l.readBefore[:0]
	if len(reading) >= manyReads {
		l.poller.leave()
	}
	for _, c := range reading {
		l.heart.beat()
		if !c.withheld() {
			l.readConn(c)
		}
		l.follow(c)
		c.wire.paused = l.clogged(c)
		if c.wire.reading = c.wire.readable && !c.wire.paused && c.state != connLost; c.wire.reading {
			l.list(c)
		}
	}
	clear(reading)
	l.readBefore = reading
}

// unclog has a connection read again that is not clogged any more.
func (l *loop) unclog(c *conn) {
	if c.wire.paused && !l.clogged(c) {
		c.wire.paused = false
		l.wantRead(c)
	}
}

func (l *loop) readConn(c *conn) {
	if c.state == connLost {
		return
	}
	if t := c.wire.tls; t != nil && t.fresh {
		t.fresh = false
		if l.recvTLS(c, nil); c.state == connLost {
			return
		}
	}
	buf := l.buf
	switch {
	case c.proto == protoUnknown:
		buf = buf[:sniffSize]
	case l.open > 1:
		buf = buf[:c.wire.readNext()]
	}
	n, err := read(c.wire.fd, buf)
	switch {
	case err == unix.EAGAIN:
		c.wire.readable = false
	case err != nil:
		l.lose(c, err)
	case n == 0:
		l.lose(c, io.EOF)
	default:
		// A short read has emptied the socket, and the next octet makes a new event; but
		// the end of the stream is no octet.
		c.wire.readable = n == len(buf) || c.wire.hangup
		l.recvTimed(c, buf[:n], n == len(buf))
	}
}

// recvTimed handles what a read returned. If it returned all that it might, more is to come, and how long this part takes
// says how much of it the others should have to wait for at a time.
func (l *loop) recvTimed(c *conn, p []byte, full bool) {
	if !full || l.open == 1 {
		l.recv(c, p)
		return
	}
	began := time.Now()
	l.recv(c, p)
	c.wire.took(time.Since(began))
}

func (l *loop) recv(c *conn, p []byte) {
	if c.wire.tls != nil {
		l.recvTLS(c, p)
	} else {
		l.give(c, p)
	}
}

// give has the connection receive all of p, and what must be sent first sent in between.
func (l *loop) give(c *conn, p []byte) {
	for p = c.recv(p); len(p) > 0; p = c.recv(p) {
		l.output()
	}
}

// clogged reports whether the connection is not to be read now: it is to slow down, so many answers wait to be written that
// no more questions are to be read, or the application wants none.
func (l *loop) clogged(c *conn) bool {
	n := len(c.control)
	if c.wire.tls != nil {
		n += c.wire.tls.said
	}
	return n > l.core.limits.ControlSize || c.withheld() || c.slowed()
}
