package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// A client that says 2,000 tiny messages at once and reads gets them all back, whatever they come over: also without
// having waited for the answer to its handshake.
func TestBurstOverSockets(t *testing.T) {
	const n = 2000
	http2 := func(t *testing.T, c *client, early bool) {
		id := c.begin("/")
		if !early {
			c.wantOf(id, "it is accepted", "status 200")
		}
		for i := range n {
			c.message(id, fmt.Sprint(i))
		}
		if early {
			c.wantOf(id, "it is accepted", "status 200")
		}
		for i := range n {
			c.wantOf(id, "an echo", fmt.Sprint("message ", i))
		}
		c.close(id, frame.FlagEndStream, ws.CloseNormal)
		c.wantOf(id, "the end", "close 1000", "end")
	}
	http1 := func(t *testing.T, s *socket) {
		var b []byte
		for i := range n {
			b = ws.AppendMasked(b, ws.OpBinary, 1, fmt.Append(nil, i))
		}
		if _, err := s.nc.Write(b); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			s.want("an echo", ws.OpBinary, fmt.Sprint(i))
		}
		s.close()
	}
	for name, run := range map[string]func(t *testing.T, r *running){
		"cleartext":               func(t *testing.T, r *running) { http2(t, r.dial(), false) },
		"cleartext, early":        func(t *testing.T, r *running) { http2(t, r.dial(), true) },
		"TLS":                     func(t *testing.T, r *running) { http2(t, newClient(t, r.shake(clientConfig("h2")), roomy...), false) },
		"TLS without ALPN, early": func(t *testing.T, r *running) { http2(t, newClient(t, r.shake(clientConfig()), roomy...), true) },
		"HTTP/1.1":                func(t *testing.T, r *running) { http1(t, r.upgrade("/")) },
		"HTTP/1.1 under TLS": func(t *testing.T, r *running) {
			http1(t, upgrade(t, r.shake(clientConfig("http/1.1")), "/", "Origin", "https://example.com"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &engine.Server{Handler: echo}
			if strings.Contains(name, "TLS") {
				s = secureServer(t, echo)
			}
			r := serve(t, s)
			run(t, r)
			r.await(t, 1, 1)
			if got := r.Stats(); got.SocketsSlow+got.MessagesDiscarded > 0 {
				t.Errorf("%d sockets are slow, %d messages discarded", got.SocketsSlow, got.MessagesDiscarded)
			}
		})
	}
}

// Bursts of many at once, on one loop that sends for each in the midst of reading: nobody is forgotten, also not those
// that were not read for a while.
func TestBurstsOfMany(t *testing.T) {
	const clients, bursts, n = 8, 5, 1000
	r := serve(t, &engine.Server{Handler: echo, Loops: 1, Limits: engine.Limits{ControlSize: 200, RuleScale: -1}})
	all := make([]*client, clients)
	ids := make([]uint32, clients)
	for i := range all {
		all[i] = r.dial()
		ids[i] = all[i].open("/")
	}
	for range bursts {
		for i, c := range all {
			for k := range n {
				c.message(ids[i], fmt.Sprint(k))
				if k%10 == 0 {
					c.out = frame.AppendPing(c.out, false, [8]byte{1}) // their ACKs stop the reading
				}
			}
			if err := c.flush(); err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range all {
			for k := range n {
				c.wantOf(ids[i], "an echo", fmt.Sprint("message ", k))
			}
		}
	}
	for _, c := range all {
		c.cut()
	}
	r.await(t, clients, clients)
	if got := r.Stats(); got.SocketsSlow > 0 {
		t.Errorf("%d sockets are slow", got.SocketsSlow)
	}
}
