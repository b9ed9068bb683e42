package wsconn

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"h2ws/ws"
)

// NetConn returns the WebSocket as a stream of octets: what is read are the
// payloads of binary messages, without their borders, and what is written is cut
// into binary messages. A text message from the peer closes the WebSocket with
// 1003. An end with 1000 or 1001 is io.EOF. A deadline that passes, as
// os.ErrDeadlineExceeded, leaves the WebSocket alone. Close is that of the Conn,
// with 1000. To be called once.
func (c *Conn) NetConn() net.Conn { return &netConn{c: c} }

// netMessageMax is the largest message that a netConn writes, in octets.
const netMessageMax = 16 << 10

type netConn struct {
	c                *Conn
	reading, writing deadline

	readMu  sync.Mutex
	writeMu sync.Mutex
	rest    []byte // of the message that is being read
}

func (n *netConn) Read(p []byte) (int, error) {
	n.readMu.Lock()
	defer n.readMu.Unlock()
	if n.reading.isOver() {
		return 0, os.ErrDeadlineExceeded
	}
	for len(n.rest) == 0 && len(p) > 0 {
		t, data, err := n.c.read(n.reading.passed())
		if err != nil {
			return 0, netError(err)
		}
		if t != ws.Binary {
			n.c.Close(ws.CloseUnsupportedData, "binary only")
			return 0, errText
		}
		n.rest = data
	}
	m := copy(p, n.rest)
	n.rest = n.rest[m:]
	return m, nil
}

var errText = errors.New("wsconn: a text message, where octets are expected")

func (n *netConn) Write(p []byte) (written int, err error) {
	n.writeMu.Lock()
	defer n.writeMu.Unlock()
	if n.writing.isOver() {
		return 0, os.ErrDeadlineExceeded
	}
	for len(p) > 0 {
		m := min(len(p), netMessageMax)
		if err := n.c.write(n.writing.passed(), ws.Binary, p[:m]); err != nil {
			return written, netError(err)
		}
		p = p[m:]
		written += m
	}
	return written, nil
}

// netError is an error as users of net.Conn expect it.
func netError(err error) error {
	var closed *ws.CloseError
	switch {
	case err == errDone:
		return os.ErrDeadlineExceeded
	case errors.As(err, &closed) && closed.Err == nil && (closed.Code == ws.CloseNormal || closed.Code == ws.CloseGoingAway):
		return io.EOF
	}
	return err
}

func (n *netConn) Close() error {
	return n.c.Close(ws.CloseNormal, "")
}

// LocalAddr returns a name: the address is the connection's, and not known here.
func (n *netConn) LocalAddr() net.Addr { return localAddr{} }

func (n *netConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(n.c.socket.RemoteAddr())
}

type localAddr struct{}

func (localAddr) Network() string { return "websocket" }
func (localAddr) String() string  { return "websocket" }

func (n *netConn) SetDeadline(t time.Time) error {
	n.reading.set(t)
	n.writing.set(t)
	return nil
}

func (n *netConn) SetReadDeadline(t time.Time) error {
	n.reading.set(t)
	return nil
}

func (n *netConn) SetWriteDeadline(t time.Time) error {
	n.writing.set(t)
	return nil
}

// deadline is a time that may be moved also while somebody waits for it.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer   // nil: none runs
	over  chan struct{} // closed when the time has come; nil: nobody has asked yet
}

// passed is closed when the time has come.
func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over == nil {
		d.over = make(chan struct{})
	}
	return d.over
}

func (d *deadline) isOver() bool { return isClosed(d.passed()) }

// set moves the time; none is zero. Who waits goes on to wait, for the new one.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over == nil || isClosed(d.over) || d.timer != nil && !d.timer.Stop() {
		d.over = make(chan struct{}) // the old one is closed, or about to be
	}
	d.timer = nil
	switch left := time.Until(t); {
	case t.IsZero():
	case left <= 0:
		close(d.over)
	default:
		over := d.over
		d.timer = time.AfterFunc(left, func() { close(over) })
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
