package engine_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// dialogue is everything that a client says in a short life: two sockets, messages whole and in
// fragments, a ping, and one Close.
func dialogue(t *testing.T) []byte {
	c := newClient(t, discard{}, roomy...)
	c.out = frame.AppendSettingsAck(c.out)
	first, second := c.begin("/first"), c.begin("/second")
	c.message(first, "hello")
	c.out = frame.AppendData(c.out, second, 0, fragment(ws.OpText, false, "hel"))
	c.data(second, 0, ws.OpPing, "?")
	c.out = frame.AppendData(c.out, second, 0, fragment(ws.OpContinuation, true, "lo"))
	c.close(first, frame.FlagEndStream, ws.CloseNormal)
	return c.out
}

// fragment is a masked frame, which may be one of several of a message.
func fragment(op ws.Opcode, fin bool, payload string) []byte {
	b := ws.AppendMasked(nil, op, 0x01020304, []byte(payload))
	if !fin {
		b[0] &^= 0x80
	}
	return b
}

// discard is a connection that goes nowhere.
type discard struct{ net.Conn }

func (discard) Close() error                { return nil }
func (discard) SetDeadline(time.Time) error { return nil }

// onlyHello is an echo that knows what the dialogue sends: anything else is half of something.
func onlyHello(t *testing.T) ws.Funcs {
	return ws.Funcs{Message: func(c *ws.Conn, m ws.Message) {
		if string(m.Data) != "hello" {
			t.Errorf("a message was delivered in part: %q", m.Data)
		}
		c.Send(m.Type, m.Data)
	}}
}

// A connection may end behind any octet, in any way: its sockets are closed, once, and nothing is left.
func TestCutAtEveryOctet(t *testing.T) {
	for _, way := range []struct {
		name string
		end  func(t *testing.T, nc *net.TCPConn, answered bool)
	}{
		{"FIN", endWithFIN},
		{"RST", endWithRST},
		{"close without reading", func(_ *testing.T, nc *net.TCPConn, _ bool) { nc.Close() }},
	} {
		t.Run(way.name, func(t *testing.T) {
			r := serve(t, &engine.Server{Handler: onlyHello(t)})
			whole := dialogue(t)
			for n := range len(whole) + 1 {
				nc, err := net.Dial("tcp", r.addr.String())
				if err != nil {
					t.Fatal(err)
				}
				nc.SetDeadline(time.Now().Add(hangGuard))
				if _, err := nc.Write(whole[:n]); err != nil {
					t.Fatalf("after %d octets: %v", n, err)
				}
				way.end(t, nc.(*net.TCPConn), n >= len(frame.Preface))
			}
			until(t, "every connection is accepted, and gone", func() bool {
				s := r.Stats()
				return s.ConnectionsAccepted == uint64(len(whole)+1) && s.Connections == 0 && s.Sockets == 0
			})
			opened, closed := r.count()
			if opened != closed || way.name == "FIN" && opened == 0 {
				t.Errorf("%d sockets opened, %d closed", opened, closed)
			}
		})
	}
}

// endWithFIN says that no more comes, and reads to the end.
func endWithFIN(t *testing.T, nc *net.TCPConn, _ bool) {
	nc.CloseWrite()
	if _, err := io.Copy(io.Discard, nc); err != nil && !errors.Is(err, net.ErrClosed) && !isReset(err) {
		t.Errorf("reading to the end: %v", err)
	}
	nc.Close()
}

// endWithRST resets the connection, once the server has said something to a preface that is whole.
func endWithRST(t *testing.T, nc *net.TCPConn, answered bool) {
	if answered {
		if _, err := nc.Read(make([]byte, 1)); err != nil {
			t.Errorf("SETTINGS come first: %v", err)
		}
	}
	nc.SetLinger(0)
	nc.Close()
}

// Nothing depends on where the network cuts: the dialogue octet by octet, and in random pieces, is
// answered like the whole.
func TestOctetByOctet(t *testing.T) {
	r := serve(t, &engine.Server{Handler: onlyHello(t)})
	whole := dialogue(t)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for name, next := range map[string]func() int{
		"whole":                      func() int { return len(whole) },
		"octet by octet":             func() int { return 1 },
		fmt.Sprint("seed of ", seed): func() int { return 1 + random.IntN(20) },
	} {
		nc, err := net.Dial("tcp", r.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		nc.(*net.TCPConn).SetNoDelay(true)
		c := newClient(t, nc)
		c.out = c.out[:0]
		for rest := whole; len(rest) > 0; {
			n := min(next(), len(rest))
			if _, err := nc.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		c.wantOf(1, name, "status 200", "message hello", "close 1000", "end")
		c.wantOf(3, name, "status 200", "pong ?", "message hello")
		c.cut()
	}
	r.await(t, 6, 6)
}

// A half-open connection, whose peer has vanished without a FIN, is found out by PING.
func TestHalfOpen(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo, Limits: engine.Limits{
		PingInterval: time.Millisecond, PingTimeout: 50 * time.Millisecond,
	}})
	c := r.dial()
	for range 10 {
		c.begin("/")
	}
	c.flush()
	c.deaf = true // from here on it is not heard of any more
	c.wantGone("PING is not answered")
	r.await(t, 10, 10)
	for _, err := range r.errs() {
		if !errors.Is(err, ws.ErrConnLost) {
			t.Errorf("OnClose says %v", err)
		}
	}
}

// A silent peer that does answer PING stays.
func TestPingKeepsConnection(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo, Limits: engine.Limits{PingInterval: time.Millisecond}})
	c := r.dial()
	id := c.open("/")
	for range 20 {
		pings := 0
		for pings == 0 {
			var err error
			if pings, err = c.readPing(); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.echo(id, "still here")
}

// readPing reads one frame and returns how many PINGs that were to be answered.
func (c *client) readPing() (pings int, err error) {
	before := len(c.out)
	if err := c.readFrame(); err != nil {
		return 0, err
	}
	if len(c.out) > before {
		pings = 1
	}
	return pings, c.flush()
}

// A reset stream takes its socket with it, in any state, and its neighbours live on.
func TestResetStreams(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	c := r.dial()
	neighbour := c.open("/")
	for range 50 {
		id := c.begin("/")
		c.message(id, "echo this, if you can")
		c.out = frame.AppendRSTStream(c.out, id, frame.Cancel)
	}
	c.echo(neighbour, "still here")
	r.await(t, 51, 50)
	for _, err := range r.errs() {
		if !errors.Is(err, ws.ErrReset) {
			t.Errorf("OnClose says %v", err)
		}
	}
	until(t, "the figures have 50 resets", func() bool { return r.Stats().ResetsReceived == 50 })
}

// END_STREAM without a Close frame is the loss of the socket, not of the connection.
func TestEndOfStreamWithoutClose(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	c := r.dial()
	neighbour := c.open("/")
	id := c.open("/")
	c.out = frame.AppendData(c.out, id, frame.FlagEndStream, nil)
	c.wantOf(id, "our side ends too", "end")
	r.await(t, 2, 1)
	if err := r.errs()[0]; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("OnClose says %v", err)
	}
	c.echo(neighbour, "still here")
}
