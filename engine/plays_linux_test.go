package engine_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// plays are dialogues with everything in them: opening, messages large and small, a publish, closing by the peer, and
// the server's end. Each returns what its client has heard, and how far it came.
var plays = map[string]struct {
	play     func(r *running, nc net.Conn) (story, outcome)
	protocol string // by ALPN; none: cleartext
}{
	"cleartext":          {playHTTP2, ""},
	"TLS":                {playHTTP2, "h2"},
	"HTTP/1.1":           {playHTTP1, ""},
	"HTTP/1.1 under TLS": {playHTTP1, "http/1.1"},
}

// outcome is how far a play came.
type outcome string

const (
	cutShort outcome = "cut short"      // the server goes on without it
	cutAtEnd outcome = "cut at the end" // the server was shutting down
	complete outcome = "complete"
)

// story is what a client has heard, by stream.
type story map[uint32][]string

func (s story) add(h heard) { s[h.id] = append(s[h.id], h.String()) }

// begins reports whether s is how t begins, stream by stream.
func (s story) begins(t story) bool {
	for id, lines := range s {
		if len(lines) > len(t[id]) || !slices.Equal(lines, t[id][:len(lines)]) {
			return false
		}
	}
	return true
}

// playHTTP2 has three sockets and a plain request on one connection.
func playHTTP2(r *running, nc net.Conn) (told story, how outcome) {
	c := newClient(r.t, nc, roomy...)
	told = story{}
	hears := func(n int) bool {
		for range n {
			h, err := c.hear()
			if err != nil {
				return false
			}
			told.add(h)
		}
		return true
	}
	a, b, d := c.begin("/"), c.begin("/"), c.begin("/")
	if !hears(3) {
		return told, cutShort
	}
	c.message(a, "small")
	c.data(b, 0, ws.OpPing, "?")
	if !hears(2) {
		return told, cutShort
	}
	for part := range slices.Chunk(ws.AppendMasked(nil, ws.OpBinary, 0x01020304, playLarge), frame.MaxPayloadMin) {
		c.out = frame.AppendData(c.out, b, 0, part)
	}
	if !hears(1) {
		return told, cutShort
	}
	c.data(d, 0, ws.OpText, "!to all")
	c.request(frame.FlagEndStream, ":method", "GET", ":scheme", "http", ":authority", "example.com", ":path", "/")
	if !hears(6) {
		return told, cutShort
	}
	c.close(a, frame.FlagEndStream, ws.CloseNormal)
	if !hears(2) {
		return told, cutShort
	}
	done := r.shutdown()
	for {
		h, err := c.hear()
		if err != nil {
			return told, ended(<-done, err)
		}
		told.add(h)
		if h.what == "close" {
			c.close(h.id, frame.FlagEndStream, ws.CloseGoingAway)
		}
	}
}

// ended is the outcome of a Shutdown at whose end a client heard err.
func ended(shutdown, err error) outcome {
	if shutdown == nil && err == io.EOF {
		return complete
	}
	return cutAtEnd
}

// playLarge takes several DATA frames, and several gathers.
var playLarge = []byte(strings.Repeat("0123456789abcdef", 3000))

// playHTTP1 has one socket.
func playHTTP1(r *running, nc net.Conn) (told story, how outcome) {
	nc.SetDeadline(time.Now().Add(hangGuard))
	defer nc.Close()
	told = story{}
	io.WriteString(nc, handshake("/"))
	s := &socket{r.t, nc, bufio.NewReader(nc)}
	response, err := http.ReadResponse(s.in, nil)
	if err != nil {
		return told, cutShort
	}
	told[0] = append(told[0], response.Status)
	say := func(op ws.Opcode, payload []byte) error {
		nc.Write(ws.AppendMasked(nil, op, 0x01020304, payload)) // a connection that takes nothing may still say something
		op, answer, err := s.hear()
		if err == nil {
			told[1] = append(told[1], fmt.Sprint(op, " ", answer))
		}
		return err
	}
	for _, m := range []struct {
		op      ws.Opcode
		payload []byte
	}{{ws.OpBinary, []byte("small")}, {ws.OpPing, []byte("?")}, {ws.OpBinary, playLarge}, {ws.OpText, []byte("!to all")}} {
		if say(m.op, m.payload) != nil {
			return told, cutShort
		}
	}
	done := r.shutdown()
	if op, text, err := s.hear(); err == nil {
		told[1] = append(told[1], fmt.Sprint(op, " ", text))
	}
	err = say(ws.OpClose, ws.AppendClose(nil, ws.CloseGoingAway, ""))
	nc.Close() // or the server waits a while for it
	return told, ended(<-done, err)
}
