package engine

import (
	"crypto/tls"
	"io"
	"slices"

	"h2ws/engine/frame"
)

// TLS between a loop's sockets and its connections.

// beginTLS takes over a connection whose handshake is done. What has been read ahead of it, or what its tls.Conn
// has, waits for the first read.
func (l *loop) beginTLS(c *conn, t *tlsWire, ahead []byte) {
	c.wire.tls = t
	t.ahead, t.fresh = ahead, true
	t.memory.out = &l.sealed.buf
	if c.proto == protoHTTP2 && !adequate(t.state) {
		c.fail(connError(frame.InadequateSecurity, "a cipher suite of RFC 9113, Appendix A"))
	}
	l.wantRead(c)
}

// adequate reports whether HTTP/2 may be spoken: RFC 9113 §9.2.2 leaves of TLS 1.2 the suites with an
// ephemeral key exchange and an AEAD.
func adequate(s *tls.ConnectionState) bool {
	return s.Version != tls.VersionTLS12 || slices.Contains(adequateSuites, s.CipherSuite)
}

var adequateSuites = []uint16{
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
}

// recvTLS gives the connection what the ciphertext says. What it does not say yet the tls.Conn keeps.
func (l *loop) recvTLS(c *conn, ciphertext []byte) {
	t := c.wire.tls
	t.memory.in = ciphertext
	l.sealed.reset(0)
	if ahead := t.ahead; len(ahead) > 0 {
		t.ahead = nil
		l.giveOpened(c, ahead)
	}
	for c.state < connLeaving {
		n, err := t.conn.Read(l.opened)
		if n > 0 {
			l.giveOpened(c, l.opened[:n])
		}
		if err == errDry {
			break
		}
		if err == io.EOF {
			l.sayEndBehind(c)
		}
		if err != nil {
			l.sayLast(c)
			l.lose(c, err)
		}
	}
	t.memory.in = nil
	l.keepSaid(c)
}

// giveOpened is give for plaintext. What reading has had the tls.Conn say is kept before output seals more.
func (l *loop) giveOpened(c *conn, p []byte) {
	for p = c.recv(p); len(p) > 0; p = c.recv(p) {
		l.keepSaid(c)
		l.output()
		l.sealed.reset(0)
	}
}

// sayEndBehind answers close_notify by ours, behind the answers to what came before it.
func (l *loop) sayEndBehind(c *conn) {
	l.keepSaid(c)
	l.output()
	l.sealed.reset(0)
	if c.state != connLost {
		c.wire.tls.conn.CloseWrite()
	}
}

// sayLast writes the alert that a tls.Conn gave up with, if the socket takes it.
func (l *loop) sayLast(c *conn) {
	if alert := l.sealed.buf; len(alert) > 0 && len(c.wire.rest) == 0 && c.state != connLost {
		write(c.wire.fd, alert)
	}
}

// keepSaid keeps what reading had the tls.Conn say, the answer to a KeyUpdate: it goes behind what was sealed before,
// and before what will be.
func (l *loop) keepSaid(c *conn) {
	said := l.sealed.buf
	if len(said) == 0 || c.state == connLost {
		return
	}
	c.wire.tls.said += len(said)
	l.keep(c, said)
	c.touch()
}

// seal pulls a gather in records of TLS. What a record says is pulled and sealed while it is in the cache, and all records
// but the last are full. seal returns nil when the connection is lost.
func (l *loop) seal(c *conn) (g *gather, more bool) {
	l.sealed.reset(int(c.burst))
	l.plain.reset(recordSize)
	for {
		more = c.pull(l.plain)
		n := l.plain.size
		full := n - n%recordSize
		last := !more || full == 0 || len(l.sealed.buf)+full >= l.sealed.limit
		if !last {
			n = full
		}
		if err := c.wire.tls.say(l.plain.buf[:n]); err != nil {
			l.lose(c, err)
			return nil, false
		}
		if last {
			l.sealed.size = len(l.sealed.buf)
			return l.sealed, more
		}
		l.plain.cut(n)
	}
}

// say seals p, which is nothing once close_notify was said.
func (t *tlsWire) say(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	_, err := t.conn.Write(p)
	return err
}

// sayEnd says close_notify, once: "Each party MUST send a "close_notify" alert before closing its write side of the
// connection" (RFC 8446 §6.1). It reports whether all of it is written.
func (l *loop) sayEnd(c *conn) bool {
	t := c.wire.tls
	if !t.ended {
		t.ended = true
		l.sealed.reset(0)
		t.conn.CloseWrite()
		l.sealed.size = len(l.sealed.buf)
		l.offer(c, l.sealed)
	}
	return c.state != connLost && len(c.wire.rest) == 0
}
