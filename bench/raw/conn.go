// Package raw is a client's end of one HTTP/2 connection that says what it is told, legal or not, and hands
// over what comes back frame by frame. It keeps no state of the protocol and answers nothing by itself.
package raw

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"h2ws/engine/frame"
)

// Conn is one connection. Its methods are for one goroutine, but Send may be called from another than Recv.
type Conn struct {
	nc  net.Conn
	buf []byte // received and not yet handed over
	err error  // behind buf
}

// Dial connects and says nothing yet.
func Dial(ctx context.Context, t *Target) (*Conn, error) {
	nc, err := t.dial(ctx)
	if err != nil {
		return nil, err
	}
	return &Conn{nc: nc}, nil
}

// Close ends the connection with a TCP reset, so that it leaves no TIME_WAIT behind.
func (c *Conn) Close() error {
	nc := c.nc
	if s, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = s.NetConn()
	}
	if tcp, ok := nc.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	return nc.Close()
}

// LocalAddr is the client's.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// Send sends octets as they are, and returns when the kernel has them.
func (c *Conn) Send(p []byte, by time.Time) error {
	c.nc.SetWriteDeadline(by)
	_, err := c.nc.Write(p)
	return err
}

// Frame is one frame from the server.
type Frame struct {
	frame.Header
	Payload []byte // owned
}

// String is the frame in text notation.
func (f Frame) String() string { return Text(f.Header, f.Payload) }

// errTimeout is what Recv returns when the time is up. The connection stays usable.
var errTimeout = errors.New("nothing came in time")

// Timeout says whether err is that of a Recv or Send whose time was up.
func Timeout(err error) bool {
	return errors.Is(err, errTimeout) || errors.Is(err, os.ErrDeadlineExceeded)
}

// Recv returns the next frame, if it is whole until then. io.EOF is a connection that the server has ended.
func (c *Conn) Recv(by time.Time) (Frame, error) {
	for {
		if h, n := frame.ConsumeHeader(c.buf); n > 0 && len(c.buf)-n >= int(h.Length) {
			end := n + int(h.Length)
			f := Frame{h, slices.Clone(c.buf[n:end])}
			c.buf = c.buf[end:]
			return f, nil
		}
		if err := c.fill(by); err != nil {
			return Frame{}, err
		}
	}
}

// fill reads at least one octet.
func (c *Conn) fill(by time.Time) error {
	if c.err != nil {
		return c.err
	}
	const room = 16 << 10
	c.nc.SetReadDeadline(by)
	c.buf = slices.Grow(c.buf, room)
	n, err := c.nc.Read(c.buf[len(c.buf):cap(c.buf)])
	c.buf = c.buf[:len(c.buf)+n]
	switch {
	case n > 0:
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errTimeout
	case err == nil:
		err = io.ErrNoProgress
		fallthrough
	default:
		c.err = err
		return err
	}
	return nil
}

// textPayloadMax is how many octets of a payload are worth showing.
const textPayloadMax = 160

// Text is a frame in text notation, a long payload without its end.
func Text(h frame.Header, payload []byte) string {
	if len(payload) <= textPayloadMax {
		return string(frame.AppendText(nil, h, payload))
	}
	if h.Type == frame.Data && h.Flags&^frame.FlagEndStream == 0 {
		short := h
		short.Length = textPayloadMax
		return string(frame.AppendText(nil, short, payload[:textPayloadMax])) + more(len(payload)-textPayloadMax)
	}
	return string(frame.AppendText(nil, h, payload[:textPayloadMax])) + more(len(payload)-textPayloadMax)
}
