package engine

import (
	"crypto/tls"
	"net"
	"time"
)

// tlsWire is TLS on a connection. One tls.Conn serves it from its first octet to its last: over the socket in
// the handshake's goroutine and for HTTP/1.1, and over memory on a loop, where nothing blocks.
type tlsWire struct {
	net.Conn // what the tls.Conn reads and writes: the socket, or memory
	conn     *tls.Conn
	state    *tls.ConnectionState // since the handshake
	memory   memory
	ahead    []byte // plaintext that was read in the handshake's goroutine
	fresh    bool   // the loop has not read from it
	said     int    // octets that reading has caused, of those not yet written
	ended    bool   // close_notify was said
}

func newTLSWire(socket net.Conn, config *tls.Config) *tlsWire {
	t := &tlsWire{Conn: socket}
	t.conn = tls.Server(t, config)
	return t
}

// leave returns the socket. From now on the tls.Conn is a loop's, which gives memory an out.
func (t *tlsWire) leave() (socket net.Conn) {
	socket, t.Conn = t.Conn, &t.memory
	return socket
}

// memory is the net.Conn of a tls.Conn on a loop. What the loop has read is in, until it has been taken; what is
// written goes behind out, which is the loop's.
type memory struct {
	in  []byte // borrowed
	out *[]byte
}

// errDry says that everything read has been taken. As it is temporary, the tls.Conn goes on later where it was, be that
// in the middle of a record.
var errDry net.Error = dryError{}

type dryError struct{}

func (dryError) Error() string   { return "engine: nothing to be read" }
func (dryError) Timeout() bool   { return true }
func (dryError) Temporary() bool { return true }

func (m *memory) Read(p []byte) (int, error) {
	if len(m.in) == 0 {
		return 0, errDry
	}
	n := copy(p, m.in)
	m.in = m.in[n:]
	return n, nil
}

func (m *memory) Write(p []byte) (int, error) {
	*m.out = append(*m.out, p...)
	return len(p), nil
}

func (m *memory) Close() error                     { return nil }
func (m *memory) LocalAddr() net.Addr              { return nil }
func (m *memory) RemoteAddr() net.Addr             { return nil }
func (m *memory) SetDeadline(time.Time) error      { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }

// tlsState is what the handshake has agreed on, or nil.
func (c *conn) tlsState() *tls.ConnectionState {
	if c.wire.tls == nil {
		return nil
	}
	return c.wire.tls.state
}
