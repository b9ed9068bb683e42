package engine_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// Whatever a connection speaks and however it ends, it is counted until then and not longer.
func TestConnectionsAreCounted(t *testing.T) {
	const limit = 3
	end := func(nc net.Conn) {
		nc.SetDeadline(time.Now().Add(hangGuard))
		io.Copy(io.Discard, nc)
		nc.Close()
	}
	for name, test := range map[string]struct {
		secure bool
		visit  func(r *running)
	}{
		"HTTP/2": {visit: func(r *running) {
			c := r.dial()
			c.open("/")
			c.nc.Close()
		}},
		"HTTP/2, reset": {visit: func(r *running) {
			c := r.dial()
			c.open("/")
			c.cut()
		}},
		"HTTP/1.1":            {visit: func(r *running) { converse(r.t, r, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") }},
		"HTTP/1.1, WebSocket": {visit: func(r *running) { r.upgrade("/").close() }},
		"nothing": {visit: func(r *running) {
			nc := dialTCP(r.t, r.addr)
			until(r.t, "it is accepted", func() bool { return r.Stats().Connections == 1 })
			nc.Close()
		}},
		"something": {visit: func(r *running) { end(say(r.t, r, []byte("\x16\x03\x01 is not for here"))) }},
		"TLS, HTTP/2": {secure: true, visit: func(r *running) {
			c := newClient(r.t, r.shake(clientConfig("h2")), roomy...)
			c.open("/")
			c.nc.Close()
		}},
		"TLS, HTTP/1.1": {secure: true, visit: func(r *running) {
			upgrade(r.t, r.shake(clientConfig("http/1.1")), "/", "Origin", "https://example.com").close()
		}},
		"TLS, no": {secure: true, visit: func(r *running) { end(say(r.t, r, []byte("GET / HTTP/1.1\r\n\r\n"))) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := &engine.Server{Handler: echo}
			if test.secure {
				s = secureServer(t, echo)
			}
			s.Limits.ConnectionsAddr = limit
			r := serve(t, s)
			for range 3 * limit {
				test.visit(r)
				until(t, "nobody is there", func() bool {
					s := r.Stats()
					return s.Connections == 0 && s.HTTPConnections == 0 && s.TLSHandshakes == 0
				})
			}
			if n := r.Stats().ConnectionsRefused; n != 0 {
				t.Errorf("%d refused", n)
			}
		})
	}
}

func TestTooManyConnections(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo, Limits: engine.Limits{Connections: 3}})
	var held []*client
	for range 3 {
		c := r.dial()
		c.open("/")
		held = append(held, c)
	}
	for range 5 {
		if nc, err := net.Dial("tcp", r.addr.String()); err == nil {
			newClient(t, nc).wantGone("the fourth")
		} else if !isReset(err) {
			t.Fatal(err)
		}
	}
	held[1].echo(1, "still here")
	held[0].cut()
	until(t, "there is room again", func() bool { return r.Stats().Connections == 2 })
	r.dial().open("/")
	if n := r.Stats().ConnectionsRefused; n != 5 {
		t.Errorf("%d refused", n)
	}
}

// As long as the process holds too much no connection is accepted; those that wait are when it does not any more.
func TestOverloadStopsAccepting(t *testing.T) {
	base := new(engine.Server).Stats().MemoryHeld
	r := serve(t, &engine.Server{Handler: echo, Limits: engine.Limits{MemorySize: (base + 600_000) / 3 * 4}})
	hog := r.dial()
	whole := ws.AppendMasked(nil, ws.OpBinary, 1, []byte(strings.Repeat("x", 60_000)))
	for range 10 { // they are held in buffers of 65,536 octets
		id := hog.open("/")
		for at := 0; at < 48_000; at += 16_000 {
			hog.out = frame.AppendData(hog.out, id, 0, whole[at:at+16_000])
		}
	}
	hog.flush()
	until(t, "it is held", func() bool { return r.Stats().Overload == engine.OverloadConnections })
	r.dial().open("/") // accepting had begun
	until(t, "accepting waits", func() bool { return r.Stats().AcceptPauses == 1 })
	waiting := r.dial()
	waiting.begin("/")
	waiting.flush()
	hog.echo(hog.open("/"), "those that are there are served")
	if n := r.Stats().Connections; n != 2 {
		t.Errorf("%d connections", n)
	}
	for i := range uint32(10) {
		hog.out = frame.AppendData(hog.out, 2*i+1, 0, whole[48_000:])
	}
	hog.flush()
	waiting.wantOf(1, "its turn has come", "status 200")
	hog.nc.Close()
}
