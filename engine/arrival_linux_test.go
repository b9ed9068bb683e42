package engine_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"testing"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// blocking is a handler that echoes, but for "block".
func blocking() (h ws.Handler, blocked, release chan struct{}) {
	blocked, release = make(chan struct{}), make(chan struct{})
	return ws.Funcs{Message: func(c *ws.Conn, m ws.Message) {
		if string(m.Data) == "block" {
			close(blocked)
			<-release
			return
		}
		c.Send(m.Type, m.Data)
	}}, blocked, release
}

// burst has c say n messages of one read, in the first of which the loop is blocked, and calls during that time.
func burst(t *testing.T, c *client, blocked, release chan struct{}, n int, during func()) {
	t.Helper()
	id := c.open("/")
	c.message(id, "block")
	for i := range n {
		c.message(id, fmt.Sprint(i))
	}
	if err := c.flush(); err != nil {
		t.Fatal(err)
	}
	<-blocked
	during()
	close(release)
	for i := range n {
		c.wantOf(id, "an echo", fmt.Sprint("message ", i))
	}
	c.close(id, frame.FlagEndStream, ws.CloseNormal)
	c.wantOf(id, "the end", "close 1000", "end")
}

// askUpgrades asks for WebSockets over HTTP/1.1, whose connections arrive at a loop that is blocked. end says close_notify
// with it.
func askUpgrades(t *testing.T, r *running, n int, end bool) (conns []*tls.Conn) {
	for range n {
		wire := &holder{Conn: dialTCP(t, r.addr)}
		nc := shake(t, wire, clientConfig("http/1.1"))
		wire.holds = true
		io.WriteString(nc, handshake("/", "Origin", "https://example.com"))
		if end {
			nc.CloseWrite()
		}
		if wire.holds = false; wire.letGo() != nil {
			t.Fatal("the server does not listen")
		}
		conns = append(conns, nc)
	}
	until(t, "they wait for the loop", func() bool { return r.Arriving() == n })
	return conns
}

// What is sent behind an opening handshake over HTTP/1.1, where it must not be, is nobody else's input: also when the
// connection arrives in the midst of a burst of another.
func TestArrivalInTheMidstOfABurst(t *testing.T) {
	h, blocked, release := blocking()
	s := secureServer(t, h)
	s.Loops, s.Limits.Queue.MaxMessages = 1, 2
	r := serve(t, s)
	c := newClient(t, r.shake(clientConfig("h2")), roomy...)
	burst(t, c, blocked, release, 100, func() {
		for _, nc := range askUpgrades(t, r, 3, false) {
			nc.Write(make([]byte, 8000))
		}
	})
	r.await(t, 1, 1)
}

// Those who ask for a WebSocket over HTTP/1.1 and say close_notify, with it or behind it, arrive together. What was theirs
// is not touched later.
func TestArrivalsBehindCloseNotify(t *testing.T) {
	bad := engine.CountBadCalls(t)
	for _, with := range []bool{false, true} {
		h, blocked, release := blocking()
		s := secureServer(t, h)
		s.Loops = 1
		r := serve(t, s)
		c := newClient(t, r.shake(clientConfig("h2")), roomy...)
		burst(t, c, blocked, release, 10, func() {
			for _, nc := range askUpgrades(t, r, 3, with) {
				if !with {
					nc.CloseWrite()
				}
			}
		})
		r.await(t, 1, 1)
		if n := r.Stats().Connections; n > 1 {
			t.Errorf("%d connections are left", n)
		}
	}
	if n := bad.Load(); n > 0 {
		t.Errorf("%d calls on descriptors that were closed", n)
	}
}
