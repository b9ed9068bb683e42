package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
	"h2ws/ws/wsconn"
)

// serveConns runs a server with a goroutine for each socket; none must be left at the end.
func serveConns(t *testing.T, h wsconn.Handler, l engine.Limits) *running {
	return serve(t, &engine.Server{Handler: h, Loops: 2, Limits: l})
}

// echoConn echoes until the socket is closed.
func echoConn(c *wsconn.Conn) {
	for {
		t, data, err := c.Read(context.Background())
		if err != nil {
			return
		}
		if c.Write(context.Background(), t, data) != nil {
			return
		}
	}
}

func TestWSConnEcho(t *testing.T) {
	const sockets, messages = 20, 50
	r := serveConns(t, wsconn.Handler{Serve: echoConn}, engine.Limits{})
	c := r.dial()
	var ids []uint32
	for range sockets {
		ids = append(ids, c.open("/"))
	}
	for i := range messages {
		for _, id := range ids {
			c.message(id, fmt.Sprintf("%d of %d", i, id))
		}
	}
	for _, id := range ids {
		for i := range messages {
			c.wantOf(id, "in order", fmt.Sprintf("message %d of %d", i, id))
		}
		c.close(id, frame.FlagEndStream, ws.CloseNormal)
		c.wantOf(id, "closed", "close 1000", "end")
	}
}

// Who does not read keeps the peer from sending, who reads lets it go on, and nothing is lost.
func TestWSConnPausesThePeer(t *testing.T) {
	const messages = 60
	read := make(chan struct{})
	got := make(chan string, messages)
	r := serveConns(t, wsconn.Handler{Buffer: 1000, Serve: func(c *wsconn.Conn) {
		<-read
		for {
			_, data, err := c.Read(c.Context())
			if err != nil {
				return
			}
			got <- string(data[:2])
		}
	}}, engine.Limits{})
	c := r.dial()
	id, other := c.open("/"), c.open("/")
	for i := range messages {
		c.message(id, fmt.Sprintf("%02d%s", i, strings.Repeat("x", 1000)))
	}
	c.echoed()
	if n := c.credit[id]; n > 0 {
		t.Errorf("%d octets of credit for what nobody reads", n)
	}
	close(read)
	for i := range messages {
		if text := <-got; text != fmt.Sprintf("%02d", i) {
			t.Fatalf("message %d is %s", i, text)
		}
	}
	until(t, "credit", func() bool { c.echoed(); return c.credit[id] > 32_000 })
	c.close(other, frame.FlagEndStream, ws.CloseNormal)
	c.wantOf(other, "another that does not read is closed all the same", "close 1000", "end")
}

// A Write waits for room, a context ends that wait and nothing else, and no message is torn.
func TestWSConnWriteWaits(t *testing.T) {
	const size = 10_000
	written, canceled := make(chan int), make(chan error)
	cancelNow := make(chan context.CancelFunc, 1)
	r := serveConns(t, wsconn.Handler{Serve: func(c *wsconn.Conn) {
		ctx, cancel := context.WithCancel(context.Background())
		cancelNow <- cancel
		for i := 0; ; i++ {
			err := c.Write(ctx, ws.Binary, bytes.Repeat([]byte{byte('a' + i)}, size))
			if err != nil {
				canceled <- err
				written <- i
				break
			}
		}
		if err := c.Write(context.Background(), ws.Text, []byte("behind")); err != nil {
			t.Error(err)
		}
		<-c.Context().Done()
	}}, engine.Limits{})
	c := dial(t, r.addr, frame.Setting{ID: frame.InitialWindowSize, Value: 0})
	id := c.open("/")
	cancel := <-cancelNow
	until(t, "the queue is full", func() bool {
		list := r.sockets()
		return len(list) == 1 && list[0].Buffered() > 64<<10
	})
	cancel()
	if err := <-canceled; err != context.Canceled {
		t.Errorf("Write: %v", err)
	}
	n := <-written
	if n != 7 {
		t.Errorf("%d messages fit into 64 KiB", n)
	}
	c.out = frame.AppendWindowUpdate(c.out, id, 1<<20)
	for i := range n {
		c.wantOf(id, "whole", "message "+strings.Repeat(string(rune('a'+i)), size))
	}
	c.wantOf(id, "the socket lives on", "message behind")
	if s := r.Stats(); s.SocketsSlow != 0 {
		t.Errorf("%+v", s)
	}
}

func TestWSConnEnds(t *testing.T) {
	var logged bytes.Buffer
	var mu sync.Mutex
	ends := make(chan error, 1)
	h := wsconn.Handler{
		Logger:    slog.New(slog.NewTextHandler(lockedWriter{&mu, &logged}, nil)),
		Handshake: func(r *ws.Request) { r.Accept(ws.AcceptOptions{Data: r.Path}) },
		Serve: func(c *wsconn.Conn) {
			switch c.Data() {
			case "/panic":
				panic("no more")
			case "/return":
				return
			case "/close":
				c.Close(4000, "enough")
				if _, _, err := c.Read(context.Background()); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Read behind Close: %v", err)
				}
				if err := c.Write(context.Background(), ws.Text, nil); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Write behind Close: %v", err)
				}
			case "/closeread":
				c.CloseRead()
				if err := c.Write(context.Background(), ws.Text, []byte("only writing")); err != nil {
					t.Error(err)
				}
			}
			<-c.Context().Done()
			_, _, err := c.Read(context.Background())
			if c.Data() == "/read" && err != context.Cause(c.Context()) {
				t.Errorf("Read says %v, the context %v", err, context.Cause(c.Context()))
			}
			ends <- context.Cause(c.Context())
		},
	}
	r := serveConns(t, h, engine.Limits{})
	c := r.dial()
	wantEnd := func(why string, code ws.CloseCode, local bool) {
		t.Helper()
		c.flush()
		var e *ws.CloseError
		if err := <-ends; !errors.As(err, &e) || e.Code != code || e.Local != local {
			t.Errorf("%s: %v", why, err)
		}
	}
	id := c.open("/panic")
	c.wantOf(id, "a panic closes the socket", "close 1011 internal error")
	c.close(id, frame.FlagEndStream, 1011)
	c.wantOf(id, "as we close one", "end")
	mu.Lock()
	if !strings.Contains(logged.String(), "no more") || !strings.Contains(logged.String(), "wsconn_linux_test.go") {
		t.Errorf("logged: %s", logged.String())
	}
	mu.Unlock()
	id = c.open("/return")
	c.wantOf(id, "so does the end of Serve", "close 1000")
	id = c.open("/close")
	c.wantOf(id, "and Close", "close 4000 enough")
	c.close(id, frame.FlagEndStream, 4000)
	wantEnd("ours", 4000, true)
	id = c.open("/closeread")
	for range 5 {
		c.message(id, strings.Repeat("x", 12_000))
	}
	c.wantOf(id, "who only writes", "message only writing")
	until(t, "what it does not read is consumed", func() bool { c.echoed(); return c.credit[id] > 32_000 })
	c.close(id, frame.FlagEndStream, 4001)
	wantEnd("the peer's", 4001, false)
	id = c.open("/read")
	c.out = frame.AppendRSTStream(c.out, id, frame.Cancel)
	wantEnd("a reset", ws.CloseAbnormal, false)
	c.open("/read")
	go r.Close()
	wantEnd("the server's end", ws.CloseAbnormal, false)
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func TestWSConnNetConn(t *testing.T) {
	deadlines := make(chan error, 3)
	text := make(chan error, 1)
	r := serveConns(t, wsconn.Handler{Serve: func(c *wsconn.Conn) {
		nc := c.NetConn()
		if nc.RemoteAddr().(*net.TCPAddr).Port == 0 || nc.LocalAddr().Network() != "websocket" {
			t.Errorf("%v, %v", nc.RemoteAddr(), nc.LocalAddr())
		}
		one := make([]byte, 1)
		nc.SetReadDeadline(time.Now())
		_, err := nc.Read(one)
		deadlines <- err
		nc.SetReadDeadline(time.Time{})
		if _, err := nc.Read(one); err != nil || one[0] != 'h' {
			t.Errorf("after a deadline: %q, %v", one, err)
		}
		nc.SetWriteDeadline(time.Now())
		_, err = nc.Write(one)
		deadlines <- err
		nc.SetDeadline(time.Time{})
		_, err = io.Copy(nc, nc)
		text <- err
	}}, engine.Limits{})
	c := r.dial()
	id := c.open("/")
	if err := <-deadlines; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read: %v", err)
	}
	c.message(id, "hello, ")
	c.message(id, "")
	c.message(id, "world")
	var got string
	for len(got) < len("ello, world") {
		h, err := c.hear()
		if err != nil || h.id != id {
			t.Fatal(h, err)
		}
		if h.what == "message" {
			got += h.text
		}
	}
	if got != "ello, world" {
		t.Errorf("octets come back: %q", got)
	}
	if err := <-deadlines; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write: %v", err)
	}
	c.data(id, 0, ws.OpText, "text")
	c.wantOf(id, "text is refused", "close 1003 binary only")
	if err := <-text; err == nil {
		t.Error("and an error")
	}

	eof := c.open("/")
	<-deadlines
	c.message(eof, "h")
	c.close(eof, frame.FlagEndStream, ws.CloseGoingAway)
	c.flush()
	if err := <-text; err != nil {
		t.Errorf("the peer goes: %v, want io.EOF, which ends io.Copy without an error", err)
	}
}

// Large writes come as several messages, at the pace of the peer.
func TestWSConnNetConnLargeWrite(t *testing.T) {
	const size = 1 << 20
	r := serveConns(t, wsconn.Handler{Serve: func(c *wsconn.Conn) {
		n, err := c.NetConn().Write(bytes.Repeat([]byte("0123456789abcdef"), size/16))
		if n != size || err != nil {
			t.Errorf("%d octets, %v", n, err)
		}
	}}, engine.Limits{})
	c := r.dial()
	id := c.open("/")
	total := 0
	for {
		h, err := c.hear()
		if err != nil {
			t.Fatal(err)
		}
		if h.id != id || h.what != "message" {
			if h.String() != fmt.Sprint(id, " close 1000") || total != size {
				t.Errorf("%v after %d octets", h, total)
			}
			return
		}
		if len(h.text)%16 != 0 || !strings.HasPrefix(h.text, "0123456789abcdef") {
			t.Fatal("octets are out of order")
		}
		total += len(h.text)
	}
}

// Readers, writers, closers, and peers that reset, all at once: no message is torn or out of order, every goroutine ends.
func TestWSConnRace(t *testing.T) {
	const sockets, messages = 24, 60
	h := wsconn.Handler{Buffer: 100, Serve: func(c *wsconn.Conn) {
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				for {
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(100))*time.Microsecond)
					_, data, err := c.Read(ctx)
					cancel()
					if err == context.DeadlineExceeded {
						continue
					}
					if err != nil {
						return
					}
					if s := string(data); s != strings.Repeat(s[:1], len(s)) {
						t.Errorf("torn: %q", s)
					}
					if err := c.Write(context.Background(), ws.Binary, data); err != nil {
						return
					}
				}
			})
		}
		all.Wait()
	}}
	r := serveConns(t, h, engine.Limits{Queue: ws.QueueLimits{MaxMessages: 4}})
	var clients sync.WaitGroup
	for n := range 4 {
		clients.Go(func() {
			c := r.dial()
			random := rand.New(rand.NewPCG(uint64(n), 0))
			var ids []uint32
			for range sockets {
				ids = append(ids, c.begin("/"))
			}
			for range messages {
				for _, id := range ids {
					c.message(id, strings.Repeat(string(rune('a'+random.IntN(26))), 1+random.IntN(900)))
				}
				if random.IntN(2) == 0 {
					c.echoed()
				}
				if random.IntN(4) == 0 && len(ids) > 1 {
					c.out = frame.AppendRSTStream(c.out, ids[0], frame.Cancel)
					ids = ids[1:]
				}
			}
			for _, id := range ids[1:] {
				c.close(id, frame.FlagEndStream, ws.CloseNormal)
			}
			c.echoed()
			if n%2 == 0 {
				c.cut()
			}
		})
	}
	clients.Wait()
}

// Over HTTP/1.1 pausing is not reading: it ends, and nothing is lost, however often it happens.
func TestWSConnOverHTTP1(t *testing.T) {
	const messages, size = 300, 5000
	r := serveConns(t, wsconn.Handler{Buffer: 1, Serve: echoConn}, engine.Limits{})
	s := r.upgrade("/")
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range messages {
			s.send(ws.OpBinary, strings.Repeat(string(rune('a'+i%26)), size))
		}
	}()
	for i := range messages {
		s.want("in order", ws.OpBinary, strings.Repeat(string(rune('a'+i%26)), size))
	}
	<-sent
	s.close()
}

// The decision may take its time over HTTP/1.1, too.
func TestDeferOverHTTP1(t *testing.T) {
	pendings := make(chan *ws.Pending, 1)
	r := serve(t, &engine.Server{Handler: ws.Funcs{
		Handshake: func(r *ws.Request) { pendings <- r.Defer() },
		Message:   func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) },
	}})
	go func() {
		p := <-pendings
		if p.Request().Path != "/later" || p.Request().RawQuery != "a=b" {
			t.Errorf("%+v", p.Request())
		}
		if err := p.Accept(ws.AcceptOptions{}); err != nil {
			t.Error(err)
		}
	}()
	s := r.upgrade("/later?a=b")
	s.echo("hello")
	s.close()

	nc := dialTCP(t, r.addr)
	if _, err := io.WriteString(nc, handshake("/")); err != nil {
		t.Fatal(err)
	}
	p := <-pendings
	nc.Close()
	<-p.Context().Done()
	if err := p.Accept(ws.AcceptOptions{}); !errors.Is(err, ws.ErrClosed) {
		t.Errorf("the client is gone: %v", err)
	}
}
