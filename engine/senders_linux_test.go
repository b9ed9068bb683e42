package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// Send, SendPrepared, Close and Buffered are for any goroutine at any time. Here many use them on the same
// sockets, while peers open, close, reset and vanish. What a peer receives from one sender on one
// socket is what that sender was told is accepted: from the first message on, in order, without a gap.

// sender is one goroutine that sends to whatever sockets there are.
type sender struct {
	name     int
	random   *rand.Rand
	accepted map[*ws.Conn]int // messages, numbered from 0
	closed   map[*ws.Conn]bool
}

func (s *sender) turn(t *testing.T, c *ws.Conn) {
	n := s.accepted[c]
	text := fmt.Appendf(nil, "%d %d", s.name, n)
	var err error
	switch s.random.IntN(8) {
	case 0:
		prepared, prepareErr := ws.Prepare(ws.Binary, text)
		if prepareErr != nil {
			t.Error(prepareErr)
		}
		err = c.SendPrepared(prepared)
	case 1:
		if c.Buffered() < 0 {
			t.Errorf("Buffered: %d", c.Buffered())
		}
		fallthrough
	default:
		err = c.Send(ws.Text, text)
	}
	switch {
	case err == nil && s.closed[c]:
		t.Errorf("sender %d: a message was accepted after net.ErrClosed", s.name)
	case err == nil:
		s.accepted[c]++
	case errors.Is(err, net.ErrClosed):
		s.closed[c] = true
	case !errors.Is(err, ws.ErrSlow):
		t.Errorf("Send: %v", err)
	}
	if s.random.IntN(500) == 0 {
		if err := c.Close(4000, fmt.Sprint(s.name)); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close: %v", err)
		}
		s.closed[c] = true
	}
}

// chaoticPeer opens, closes and resets sockets on one connection after another, and checks what it hears.
type chaoticPeer struct {
	*client
	random *rand.Rand
	open   []uint32
	next   map[[2]int]int // of stream and sender: the number of its next message
}

func (p *chaoticPeer) turn() error {
	if len(p.open) < 4 {
		p.open = append(p.open, p.begin("/"))
	}
	at := p.random.IntN(len(p.open))
	id := p.open[at]
	switch p.random.IntN(40) {
	case 0:
		p.close(id, frame.FlagEndStream, ws.CloseNormal)
		p.open = append(p.open[:at], p.open[at+1:]...)
	case 1:
		p.out = frame.AppendRSTStream(p.out, id, frame.Cancel)
		p.open = append(p.open[:at], p.open[at+1:]...)
	default:
		p.message(id, "-1 0")
	}
	return p.listen()
}

// listen hears at least one thing, and checks everything that is there.
func (p *chaoticPeer) listen() error {
	for more := true; more; more = len(p.news) > 0 {
		h, err := p.hear()
		if err != nil {
			return nil // the server may close
		}
		if err := p.checkHeard(h); err != nil {
			return err
		}
	}
	return nil
}

func (p *chaoticPeer) checkHeard(h heard) error {
	switch h.what {
	case "message":
		var from, number int
		if _, err := fmt.Sscan(h.text, &from, &number); err != nil {
			return fmt.Errorf("heard %v: %w", h, err)
		}
		if from < 0 {
			return nil // the echo of ours
		}
		key := [2]int{int(h.id), from}
		if number != p.next[key] {
			return fmt.Errorf("stream %d: message %d of sender %d, want %d", h.id, number, from, p.next[key])
		}
		p.next[key]++
	case "close":
		if at := indexOf(p.open, h.id); at >= 0 {
			p.open = append(p.open[:at], p.open[at+1:]...)
			p.close(h.id, frame.FlagEndStream, ws.CloseCode(h.code))
		}
	}
	return nil
}

func indexOf(list []uint32, id uint32) int {
	for i, v := range list {
		if v == id {
			return i
		}
	}
	return -1
}

func TestConcurrentSenders(t *testing.T) {
	const senders, peers, lives, turns = 4, 4, 5, 150
	r := serve(t, &engine.Server{Handler: echo, Loops: 2})
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	var stop atomic.Bool
	var sending, receiving sync.WaitGroup
	for i := range senders {
		s := &sender{i, rand.New(rand.NewPCG(seed, uint64(i))), make(map[*ws.Conn]int), make(map[*ws.Conn]bool)}
		sending.Go(func() {
			for !stop.Load() {
				for _, c := range r.sockets() {
					s.turn(t, c)
				}
				runtime.Gosched()
			}
		})
	}
	for i := range peers {
		receiving.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(1000+i)))
			for life := range lives {
				p := &chaoticPeer{client: r.dial(), random: random, next: make(map[[2]int]int)}
				for range turns {
					if err := p.turn(); err != nil {
						t.Error(err)
					}
				}
				if life%2 == 0 {
					p.cut()
				}
				p.nc.Close()
			}
		})
	}
	receiving.Wait()
	stop.Store(true)
	sending.Wait()
}

// After the end of a socket, however it came, every call says so, and nothing of it is left.
func TestSendAfterClose(t *testing.T) {
	prepared, err := ws.Prepare(ws.Text, []byte("late"))
	if err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(c *client, id uint32, socket *ws.Conn){
		"the peer closes":    func(c *client, id uint32, _ *ws.Conn) { c.close(id, frame.FlagEndStream, ws.CloseNormal) },
		"the peer resets":    func(c *client, id uint32, _ *ws.Conn) { c.out = frame.AppendRSTStream(c.out, id, frame.Cancel) },
		"the peer vanishes":  func(c *client, _ uint32, _ *ws.Conn) { c.cut() },
		"the peer errs":      func(c *client, id uint32, _ *ws.Conn) { c.out = frame.AppendData(c.out, id, 0, []byte{0x81, 0}) },
		"the server does it": func(c *client, id uint32, s *ws.Conn) { s.Close(4000, ""); c.close(id, 0, 4000) },
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t, &engine.Server{Handler: echo})
			c := r.dial()
			id := c.open("/")
			socket := r.sockets()[0]
			end(c, id, socket)
			c.flush()
			r.await(t, 1, 1)
			for what, err := range map[string]error{
				"Send":         socket.Send(ws.Text, []byte("late")),
				"SendPrepared": socket.SendPrepared(prepared),
				"Close":        socket.Close(ws.CloseNormal, "late"),
			} {
				if !errors.Is(err, net.ErrClosed) || !errors.Is(err, ws.ErrClosed) {
					t.Errorf("%s after the end: %v", what, err)
				}
			}
			if n := socket.Buffered(); n != 0 {
				t.Errorf("%d octets are buffered after the end", n)
			}
		})
	}
}

// Close counts once, whoever calls it: the peer hears one code, and messages accepted before.
func TestCloseOnce(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	c := r.dial()
	for round := range 20 {
		id := c.open("/")
		socket := r.sockets()[0]
		var group sync.WaitGroup
		var winners atomic.Int64
		var code atomic.Int64
		socket.Send(ws.Text, []byte("before"))
		for i := range 8 {
			group.Go(func() {
				err := socket.Close(ws.CloseCode(4000+i), "")
				if err == nil {
					winners.Add(1)
					code.Store(int64(4000 + i))
				} else if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Close: %v", err)
				}
			})
		}
		group.Wait()
		if winners.Load() != 1 {
			t.Errorf("%d calls of Close were the first", winners.Load())
		}
		c.wantOf(id, "one Close, behind the message", "message before", fmt.Sprint("close ", code.Load()))
		c.close(id, frame.FlagEndStream, ws.CloseCode(code.Load()))
		c.wantOf(id, "the stream ends", "end")
		r.await(t, round+1, round+1)
	}
}

// What is buffered goes down to nothing as the peer reads, and a goroutine can pace itself by it.
func TestBufferedDrains(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	c := r.dial()
	id := c.open("/")
	socket := r.sockets()[0]
	text := strings.Repeat("x", 1000)
	const messages = 2000
	go func() {
		for range messages {
			for socket.Buffered() > 32<<10 {
				runtime.Gosched()
			}
			if err := socket.Send(ws.Text, []byte(text)); err != nil {
				t.Errorf("Send: %v", err)
				return
			}
		}
	}()
	for range messages {
		c.wantOf(id, "the next message", "message "+text)
	}
	until(t, "nothing is buffered", func() bool { return socket.Buffered() == 0 })
}
