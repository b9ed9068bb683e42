package engine

import (
	"bytes"
	"errors"
	"net/netip"

	"h2ws/engine/frame"
)

// errGuest is why a connection leaves that speaks HTTP/1.1: its loop gives the socket to the HTTP/1.1 server,
// and what was read of it, which is in held.
var errGuest = errors.New("the peer speaks HTTP/1.1")

// sniffSize is what is read at once of a connection that may be the HTTP/1.1 server's: no more than that would read.
const sniffSize = 4 << 10

// newUnknownConn begins a cleartext connection. A client with prior knowledge says so at once: "the client connection
// preface is sent as the first application data octets of a connection" (RFC 9113 §3.4). Until then we say nothing, as
// somebody who speaks HTTP/1.1 would not understand it.
func newUnknownConn(k *core, remote netip.AddrPort) *conn {
	c := newBareConn(k, remote)
	k.stats.ConnectionsAccepted++
	c.proto, c.recvPhase = protoUnknown, recvSniff
	c.prefaceBy = after(k.now, k.limits.PrefaceTimeout)
	return c
}

// recvSniff compares the first octets with HTTP/2's preface. The last of it brings our SETTINGS.
func (c *conn) recvSniff(p []byte) (n int) {
	n = min(len(p), len(frame.Preface)-len(c.held))
	if string(p[:n]) != frame.Preface[len(c.held):len(c.held)+n] {
		c.recvForeign(p)
		return len(p)
	}
	c.held = append(c.held, p[:n]...)
	if len(c.held) == len(frame.Preface) {
		c.held = nil
		c.proto, c.recvPhase = protoHTTP2, recvHeader
		c.sendSettings()
	}
	return n
}

// recvForeign takes leave of a peer that does not speak HTTP/2, when its first line is here. What can't be HTTP/1.1
// either, as it does not begin with a method or its first line names no version (RFC 9112 §3), is an invalid
// preface (RFC 9113 §3.4) and not worth a goroutine.
func (c *conn) recvForeign(p []byte) {
	c.recvPhase = recvForeign
	c.held = append(c.held, p...)
	end := bytes.IndexByte(c.held, '\n')
	switch {
	case !letter(c.held[0]):
		c.control = append(c.controls(), "HTTP/1.1 400 \r\nConnection: close\r\n\r\n"...)
		c.fail(errNeither)
	case end < 0 && len(c.held) < sniffSize:
	case end >= 0 && !bytes.Contains(c.held[:end], []byte(" HTTP/1.")):
		c.fail(errNeither)
	default:
		octets := c.held
		c.lose(errGuest)
		c.held = octets
	}
}

var errNeither = connError(frame.ProtocolError, "neither HTTP/2 nor HTTP/1.1")

func letter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }
