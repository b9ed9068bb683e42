package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"h2ws/bench"
	"h2ws/bench/raw"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// SIGTERM reaches a server in the middle of its work. What it had accepted by then is delivered, be it an echo that waits
// for a window or a publish, then comes Close 1001, every connection has its GOAWAYs, and the process ends well.
func TestSIGTERMUnderLoad(t *testing.T) {
	server, err := startServer(t.Context(), &options{cfg: bench.DefaultConfig(), loops: 1}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	const messages, published = 100, 50
	var held, busy []*bearer
	for range 4 {
		held = append(held, bear(t, server.addr, 50, 0))
	}
	for range 2 {
		busy = append(busy, bear(t, server.addr, 20, math.MaxInt32))
	}
	observer := bear(t, server.addr, 1, math.MaxInt32)
	for _, b := range held {
		for range messages {
			b.sayAll()
		}
		b.sync()
	}
	observer.say(0, fmt.Sprintf("!B %d 64", published))
	observer.hear("what is published", func() bool { return observer.published[0] == published })

	var group sync.WaitGroup
	for _, b := range busy {
		b.busy = true
		for range 10 {
			b.sayAll()
		}
		b.sync()
		group.Go(b.hearOut)
	}
	if err := server.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for _, b := range append(held, observer) {
		group.Go(func() {
			b.hear("the first GOAWAY", func() bool { return len(b.goaways) > 0 })
			b.out = frame.AppendSettings(b.out, frame.Setting{ID: frame.InitialWindowSize, Value: math.MaxInt32})
			b.hearOut()
		})
	}
	group.Wait()
	if err := server.cmd.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	for _, b := range append(append(held, busy...), observer) {
		for i := range b.echoed {
			if !b.closed[i] || b.published[i] != published || b.echoed[i] < b.read[i] {
				t.Errorf("socket %d: closed %v, %d messages echoed of %d, %d of %d published ones delivered",
					i, b.closed[i], b.echoed[i], b.read[i], b.published[i], published)
			}
		}
		if n := len(b.goaways); n < 2 || b.goaways[0] != math.MaxInt32 || b.goaways[n-1] != uint32(2*len(b.echoed)-1) {
			t.Errorf("GOAWAY with the last streams %d, want first one that takes nothing back, and a final one", b.goaways)
		}
	}
}

// bearer is a connection with sockets that count what they say and hear. What they say are numbers.
type bearer struct {
	t    *testing.T
	c    *raw.Conn
	out  []byte
	rest map[int][]byte // of a message that is not whole

	said, echoed, published []int // by socket
	closed                  []bool
	opened, acks            int
	goaways                 []uint32 // last streams
	ended                   bool
	read                    []int // of said, what the server has read for certain
	busy                    bool  // an echo is answered with the next message
}

// bear connects and opens n sockets, with windows of a size.
func bear(t *testing.T, addr string, n int, window uint32) *bearer {
	t.Helper()
	target := &raw.Target{Addr: addr, Path: "/"}
	c, err := raw.Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	b := &bearer{t: t, c: c, rest: make(map[int][]byte), closed: make([]bool, n),
		said: make([]int, n), read: make([]int, n), echoed: make([]int, n), published: make([]int, n)}
	b.out = append(b.out, frame.Preface...)
	b.out = frame.AppendSettings(b.out, frame.Setting{ID: frame.InitialWindowSize, Value: window})
	b.out = frame.AppendWindowUpdate(b.out, 0, math.MaxInt32-65535)
	for i := range n {
		b.out = raw.AppendRequest(b.out, uint32(2*i+1), 0, target.Handshake())
	}
	b.hear("all handshakes are accepted", func() bool { return b.opened == n })
	return b
}

func (b *bearer) say(i int, text string) { b.message(i, 0, ws.OpText, text) }

func (b *bearer) message(i int, flags frame.Flags, op ws.Opcode, text string) {
	b.out = frame.AppendData(b.out, uint32(2*i+1), flags, ws.AppendMasked(nil, op, 0x01020304, []byte(text)))
}

// next says the socket's next number.
func (b *bearer) next(i int) {
	b.said[i]++
	b.say(i, strconv.Itoa(b.said[i]))
}

func (b *bearer) sayAll() {
	for i := range b.said {
		b.next(i)
	}
}

// sync waits until the server has read everything that was said.
func (b *bearer) sync() {
	b.out = frame.AppendPing(b.out, false, [8]byte{'h', 'e', 'a', 'r', 'd', '?'})
	b.read = slices.Clone(b.said)
	acks := b.acks
	b.hear("PING is acknowledged", func() bool { return b.acks > acks })
}

// hearOut listens to the end of the connection.
func (b *bearer) hearOut() { b.hear("the server ends the connection", func() bool { return b.ended }) }

// hangGuard is when a test is taken for hung.
const hangGuard = time.Minute

func (b *bearer) hear(why string, done func() bool) {
	b.t.Helper()
	by := time.Now().Add(hangGuard)
	for !done() {
		if len(b.out) > 0 {
			b.c.Send(b.out, by) // a connection that takes nothing may still have something to say
			b.out = b.out[:0]
		}
		f, err := b.c.Recv(by)
		switch {
		case err == io.EOF:
			b.ended = true
			b.c.Close()
			if !done() {
				b.t.Errorf("%s: the connection has ended", why)
			}
			return
		case err != nil:
			b.t.Errorf("%s: %v", why, err)
			return
		}
		b.recv(f)
	}
}

func (b *bearer) recv(f raw.Frame) {
	i := int(f.StreamID-1) / 2
	switch f.Type {
	case frame.Settings:
		if !f.Flags.Has(frame.FlagAck) {
			b.out = frame.AppendSettingsAck(b.out)
		}
	case frame.Ping:
		if f.Flags.Has(frame.FlagAck) {
			b.acks++
		} else {
			b.out = frame.AppendPing(b.out, true, frame.ParsePing(f.Payload))
		}
	case frame.Headers:
		if f.Payload[0] != 0x88 {
			b.t.Errorf("a handshake is answered with %v", f)
		}
		b.opened++
	case frame.Data:
		b.recvData(i, f.Payload)
	case frame.GoAway:
		last, code, debug := frame.ParseGoAway(f.Payload)
		if b.goaways = append(b.goaways, last); code != frame.NoError {
			b.t.Errorf("GOAWAY %v %s", code, debug)
		}
	case frame.RSTStream:
		b.t.Errorf("socket %d is reset", i)
	}
}

func (b *bearer) recvData(i int, p []byte) {
	rest := append(b.rest[i], p...)
	for {
		h, n := ws.ConsumeHeader(rest)
		if n == 0 || uint64(len(rest)-n) < h.Length {
			break
		}
		b.recvMessage(i, h.Opcode(), rest[n:n+int(h.Length)])
		rest = rest[n+int(h.Length):]
	}
	b.rest[i] = rest
}

func (b *bearer) recvMessage(i int, op ws.Opcode, p []byte) {
	if b.closed[i] {
		b.t.Errorf("socket %d: something comes behind Close", i)
	}
	switch op {
	case ws.OpText:
		if b.echoed[i]++; string(p) != strconv.Itoa(b.echoed[i]) {
			b.t.Errorf("socket %d: the echo of %q, want that of %d", i, p, b.echoed[i])
		}
		if b.busy {
			b.next(i)
		}
	case ws.OpBinary:
		if b.published[i]++; binary.BigEndian.Uint64(p) != uint64(b.published[i]) {
			b.t.Errorf("socket %d: published message %d, want %d", i, binary.BigEndian.Uint64(p), b.published[i])
		}
	case ws.OpClose:
		b.closed[i] = true
		if code := binary.BigEndian.Uint16(p); code != uint16(ws.CloseGoingAway) {
			b.t.Errorf("socket %d is closed with %d %s", i, code, p[2:])
		}
		b.message(i, frame.FlagEndStream, ws.OpClose, string(p[:2]))
	}
}
