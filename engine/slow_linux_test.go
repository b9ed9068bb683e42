package engine_test

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// A connection given up for its memory is closed at once, though no deadline and no event comes after that.
func TestPeerThatHoldsTooMuch(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo, Loops: 1, Limits: engine.Limits{
		WriteTimeout: -1, PrefaceTimeout: -1, PingInterval: -1, SettingsTimeout: -1, IdleTimeout: -1,
	}})
	client := r.dial()
	client.open("/")
	socket := r.sockets()[0]
	r.SetMemorySize(1000)
	for err := error(nil); !errors.Is(err, net.ErrClosed); {
		if socket.Buffered() == 0 {
			err = socket.Send(ws.Binary, make([]byte, 8<<10))
		}
	}
	r.await(t, 1, 1)
	until(t, "its descriptor is closed", func() bool { return r.Stats().Connections == 0 })
}

// heap is what is in use, without garbage.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A peer that stops reading holds no more than its limits, is closed after WriteTimeout, and delays nobody.
func TestPeerThatDoesNotRead(t *testing.T) {
	const sockets, queueSize = 50, 64 << 10
	r := serve(t, &engine.Server{Handler: echo, Loops: 1, Limits: engine.Limits{
		Queue: ws.QueueLimits{MaxBytes: queueSize}, WriteTimeout: 300 * time.Millisecond,
	}})
	slow := r.dial()
	for range sockets {
		slow.open("/")
	}
	list := r.sockets()
	patient, hasty := list[0], list[1:]
	quick := r.dial()
	id := quick.open("/")

	prepared, err := ws.Prepare(ws.Binary, make([]byte, 8<<10))
	if err != nil {
		t.Fatal(err)
	}
	// The patient sender fills what the kernel takes, and waits then. The hasty ones don't care.
	// Each socket may hold its queue and one message more, and the connection what it has framed.
	const most = sockets*(queueSize+8<<10) + 4<<20
	before, refused := heap(), 0
	for i := 0; !errors.Is(err, net.ErrClosed); i++ {
		if patient.Buffered() == 0 { // or closed
			err = patient.SendPrepared(prepared)
		}
		if hasty[i%len(hasty)].Send(ws.Binary, prepared.Data()) != nil {
			refused++
		}
		if i%1000 == 0 {
			quick.echo(id, fmt.Sprint("still quick ", i))
		}
		if i%10_000 == 0 {
			if after := heap(); after > before+most {
				t.Errorf("%d octets are held for a peer that does not read, more than %d", after-before, most)
			}
		}
	}
	if refused == 0 {
		t.Error("a peer that does not read was sent everything")
	}
	r.await(t, sockets+1, sockets)
	until(t, "the connection is given up", func() bool {
		s := r.Stats()
		return s.Rules[engine.RuleStall].Ended == 1 && s.Connections == 1
	})
	quick.echo(id, "quick to the end")
	for _, err := range r.errs() {
		if !errors.Is(err, ws.ErrSlow) && !errors.Is(err, ws.ErrConnLost) {
			t.Errorf("OnClose says %v", err)
		}
	}
	slow.wantGone("it is closed for the peer too")
}

// A peer that asks and asks, and does not read the answers, is not read any more either, and then closed.
func TestPeerThatOnlyAsks(t *testing.T) {
	for name, ask := range map[string]func(b []byte) []byte{
		"PING":     func(b []byte) []byte { return frame.AppendPing(b, false, [8]byte{}) },
		"SETTINGS": func(b []byte) []byte { return frame.AppendSettings(b) },
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t, &engine.Server{Handler: echo, Loops: 1, Limits: engine.Limits{
				WriteTimeout: 100 * time.Millisecond, ControlSize: 4 << 10,
			}})
			quick := r.dial()
			id := quick.open("/")
			c := r.dial()
			c.open("/")
			before := heap()
			for c.flush() == nil {
				for len(c.out) < 64<<10 {
					c.out = ask(c.out)
				}
			}
			if after := heap(); after > before+4<<20 {
				t.Errorf("%d octets are held", after-before)
			}
			r.await(t, 2, 1)
			quick.echo(id, "still here")
		})
	}
}

// Messages and pings whose answers are not read cost no memory beyond the socket's limits.
func TestPeerThatOnlyTalks(t *testing.T) {
	for name, say := range map[string]func(c *client, id uint32){
		"messages": func(c *client, id uint32) { c.message(id, strings.Repeat("x", 100)) },
		"pings":    func(c *client, id uint32) { c.data(id, 0, ws.OpPing, "?") },
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t, &engine.Server{Handler: echo, Loops: 1, Limits: engine.Limits{WriteTimeout: 100 * time.Millisecond}})
			quick := r.dial()
			id := quick.open("/")
			c := r.dial()
			its := c.open("/")
			before := heap()
			for written := 0; written < 4<<20 && c.flush() == nil; written += len(c.out) {
				for len(c.out) < 64<<10 {
					say(c, its)
				}
			}
			quick.echo(id, "still here")
			if after := heap(); after > before+4<<20 {
				t.Errorf("%d octets are held", after-before)
			}
		})
	}
}

// A socket whose window is shut is closed as slow. Its neighbours on the same connection do not notice.
func TestSocketWithoutWindow(t *testing.T) {
	r := serve(t, &engine.Server{Handler: ws.Funcs{
		Handshake: func(q *ws.Request) { q.Accept(ws.AcceptOptions{Data: q.Path}) },
		Message:   func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) },
	}, Limits: engine.Limits{Queue: ws.QueueLimits{MaxMessages: 10}, CloseTimeout: 100 * time.Millisecond}})
	c := dial(t, r.addr, frame.Setting{ID: frame.InitialWindowSize, Value: 0})
	slow := c.open("/slow")
	neighbour := c.open("/neighbour")
	c.out = frame.AppendWindowUpdate(c.out, neighbour, 1<<20)
	c.echo(neighbour, "before")

	var socket *ws.Conn
	for _, s := range r.sockets() {
		if s.Data() == "/slow" {
			socket = s
		}
	}
	accepted := 0
	for ; accepted <= 10; accepted++ {
		if err := socket.Send(ws.Text, []byte("x")); errors.Is(err, ws.ErrSlow) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if accepted != 10 {
		t.Errorf("%d messages were accepted without a window, want QueueMessages", accepted)
	}
	r.await(t, 2, 1)
	var e *ws.CloseError
	if err := r.errs()[0]; !errors.Is(err, ws.ErrSlow) || !errors.As(err, &e) || e.Code != ws.ClosePolicyViolation {
		t.Errorf("OnClose says %v, want 1008 and ErrSlow", err)
	}
	if err := socket.Send(ws.Text, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send after that: %v", err)
	}
	c.echo(neighbour, "meanwhile")
	c.wantOf(slow, "Close does not fit the window either, and after CloseTimeout the stream is reset", "reset CANCEL")
	c.echo(neighbour, "after")
	until(t, "the figures tell", func() bool {
		s := r.Stats()
		return s.SocketsSlow == 1 && s.MessagesDiscarded == uint64(accepted) && s.Sockets == 1
	})
}

// A window that opens octet by octet does not make the server dribble: messages come whole.
func TestSocketWithWindowThatDribbles(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	c := dial(t, r.addr, frame.Setting{ID: frame.InitialWindowSize, Value: 0})
	id := c.open("/")
	text := strings.Repeat("x", 500)
	c.message(id, text)
	for range len(text) + 4 {
		c.out = frame.AppendWindowUpdate(c.out, id, 1)
	}
	c.wantOf(id, "one message", "message "+text)
	until(t, "it came in one frame", func() bool { return r.Stats().FramesSent == 1 })
}

// A connection whose window is shut holds its queues, and goes on where it stopped when it opens.
func TestConnectionWithoutWindow(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	nc, err := net.Dial("tcp", r.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, nc, roomy...)
	c.out = frame.AppendSettings([]byte(frame.Preface), roomy...) // no credit for the connection
	var ids []uint32
	for range 10 {
		ids = append(ids, c.open("/"))
	}
	text := strings.Repeat("x", 1000)
	const messages = 40 // 40 KiB a socket: 400 in all, and the window has 64
	for range messages {
		for _, socket := range r.sockets() {
			if err := socket.Send(ws.Text, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range messages {
		for _, id := range ids {
			c.wantOf(id, "the next message", "message "+text)
		}
	}
}
