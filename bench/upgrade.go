package bench

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// This file is RFC 6455 §4.1: the opening handshake over HTTP/1.1, by which the client drives servers that
// do not speak HTTP/2. Such a connection is a conn with one stream, whose octets are no DATA and have no
// windows: from open and send they go straight to out, and what arrives goes straight to feed.

// upgrade is what a connection over HTTP/1.1 has instead of HTTP/2.
type upgrade struct {
	target *Target
	path   string
	key    string // Sec-WebSocket-Key of its socket
}

// newUpgradeConn returns a connection that has nothing to say until its socket is opened.
func newUpgradeConn(number int, wake *[]*conn, t *Target) *conn {
	return &conn{
		wake: wake, number: number, upgrade: &upgrade{target: t, path: t.Path},
		settled: true, maxStreams: 1,
		partials: map[uint32][]byte{}, fragments: map[uint32]fragments{},
		key: 0x9e3779b9 * uint32(number+1),
	}
}

// append appends the request, with a key of its own.
func (u *upgrade) append(out []byte) []byte {
	var nonce [16]byte
	rand.Read(nonce[:])
	u.key = base64.StdEncoding.EncodeToString(nonce[:])
	out = append(out, "GET "...)
	out = append(out, u.path...)
	out = append(out, " HTTP/1.1\r\nHost: "...)
	out = append(out, u.target.Host()...)
	out = append(out, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	out = append(out, u.key...)
	out = append(out, "\r\n"...)
	if len(u.target.Subprotocols) > 0 {
		out = fmt.Appendf(out, "Sec-WebSocket-Protocol: %s\r\n", strings.Join(u.target.Subprotocols, ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(u.target.Header)) {
		for _, v := range u.target.Header[name] {
			out = fmt.Appendf(out, "%s: %s\r\n", name, v)
		}
	}
	return append(out, "\r\n"...)
}

// recvUpgraded is recv of a connection over HTTP/1.1.
func (c *conn) recvUpgraded(p []byte) (n int, err error) {
	if len(c.streams) == 0 {
		return 0, faultf("%d octets before the request: %.40q", len(p), p)
	}
	s := &c.streams[0]
	if s.state == opening {
		if n, err = c.recvResponse(p); n == 0 || err != nil {
			return n, err
		}
	}
	if s.state != done {
		err = c.feed(0, p[n:])
	}
	return len(p), err
}

// recvResponse acts on the answer to the request. It returns 0 while some of it is missing.
func (c *conn) recvResponse(p []byte) (n int, err error) {
	end := bytes.Index(p, []byte("\r\n\r\n"))
	if end < 0 {
		if len(p) > headerBytesMax {
			return 0, faultf("response header above %d octets", headerBytesMax)
		}
		return 0, nil
	}
	n = end + len("\r\n\r\n")
	status, fields, err := parseResponse(p[:n])
	if err != nil {
		return n, faultf("response: %v", err)
	}
	if status != 101 {
		const bodyBytesMax = 512
		return n, &RefusedError{Status: status, Body: string(p[n:min(len(p), n+bodyBytesMax)])}
	}
	if err := c.upgrade.check(fields); err != nil {
		return n, err
	}
	c.streams[0].state = open
	return n, c.tell().opened(c, 0)
}

func parseResponse(p []byte) (status int, fields textproto.MIMEHeader, err error) {
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(p)))
	line, err := r.ReadLine()
	if err != nil {
		return 0, nil, err
	}
	rest, ok := strings.CutPrefix(line, "HTTP/1.1 ")
	word, _, _ := strings.Cut(rest, " ")
	status, err = strconv.Atoi(word)
	if !ok || err != nil {
		return 0, nil, errors.New("not a status line of HTTP/1.1: " + strconv.Quote(line[:min(len(line), 40)]))
	}
	fields, err = r.ReadMIMEHeader()
	return status, fields, err
}

// check is what a client MUST check in a 101 (RFC 6455 §4.1), which asked for no extension.
func (u *upgrade) check(fields textproto.MIMEHeader) error {
	switch {
	case !strings.EqualFold(fields.Get("Upgrade"), "websocket"):
		return faultf("101 with Upgrade: %.40q", fields.Get("Upgrade"))
	case !hasToken(fields.Values("Connection"), "upgrade"):
		return faultf("101 with Connection: %.40q", fields.Get("Connection"))
	case fields.Get("Sec-WebSocket-Accept") != acceptKey(u.key):
		return faultf("101 with Sec-WebSocket-Accept: %.40q for the key %s", fields.Get("Sec-WebSocket-Accept"), u.key)
	case fields.Get("Sec-WebSocket-Extensions") != "":
		return faultf("101 with an extension that was not offered: %.40q", fields.Get("Sec-WebSocket-Extensions"))
	case fields.Get("Sec-WebSocket-Protocol") != "" && !u.target.offers(fields.Get("Sec-WebSocket-Protocol")):
		return faultf("101 with a subprotocol that was not offered: %.40q", fields.Get("Sec-WebSocket-Protocol"))
	}
	return nil
}

// hasToken says whether one of the comma-separated lists has the token, in any case.
func hasToken(lists []string, token string) bool {
	for _, list := range lists {
		for word := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(word), token) {
				return true
			}
		}
	}
	return false
}

// acceptKey proves that the server has read the key.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// recvEOF is told that the server has closed the connection. Over HTTP/1.1 that is how the closing
// handshake ends ("The server MUST close the underlying TCP connection immediately", RFC 6455 §5.5.1), and
// ok is true.
func (c *conn) recvEOF() (ok bool, err error) {
	if c.upgrade == nil || len(c.streams) == 0 || !c.streams[0].closed || c.streams[0].state == done {
		return false, nil
	}
	return true, c.recvEndStream(0)
}
