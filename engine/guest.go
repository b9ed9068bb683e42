package engine

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// guest is a connection of the HTTP/1.1 server.
type guest struct {
	net.Conn        // of package net or, under TLS, a *tls.Conn
	ahead    []byte // what was read of it before it came here
	tls      *tls.ConnectionState
	home     *http1
	served   atomic.Bool // a request of it was understood
	expire   *time.Timer // of the request that is served
}

// guestKey is under which a request's context has its guest.
type guestKey struct{}

// Read begins with the octets that have been read already.
func (g *guest) Read(p []byte) (int, error) {
	if len(g.ahead) == 0 {
		return g.Conn.Read(p)
	}
	n := copy(p, g.ahead)
	if g.ahead = g.ahead[n:]; len(g.ahead) == 0 {
		g.ahead = nil
	}
	return n, nil
}

// Write gives each write the time that a loop gives to its peers.
func (g *guest) Write(p []byte) (int, error) {
	if d := g.home.limits.WriteTimeout; d != never {
		g.Conn.SetWriteDeadline(time.Now().Add(d))
	}
	return g.Conn.Write(p)
}

// SetWriteDeadline is how a handler changes the time for its request, by http.ResponseController.
func (g *guest) SetWriteDeadline(at time.Time) error {
	switch {
	case g.expire == nil:
	case at.IsZero():
		g.expire.Stop()
	default:
		g.expire.Reset(time.Until(at))
	}
	return nil
}

// CloseWrite is what net/http looks for, to say its last and wait for the peer's.
func (g *guest) CloseWrite() error {
	if c, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// Close counts the guest out.
func (g *guest) Close() error {
	if !g.home.forget(g) {
		return net.ErrClosed
	}
	if !g.served.Load() {
		g.home.unserved.Add(1)
	}
	return g.home.part(g)
}

// body is a request's: when it is read, its deadline does not stand in the way of a long answer.
type body struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
