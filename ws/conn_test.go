package ws

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
)

func TestSend(t *testing.T) {
	s := open(t, small)
	for _, x := range []struct {
		typ  MessageType
		data string
		err  error
	}{
		{Text, "", nil},
		{Text, "é", nil},
		{Binary, "\xff", nil},
		{Text, "\xff", ErrInvalidUTF8},
		{Text, "\xe2\x82", ErrInvalidUTF8},
		{0, "x", ErrMessageType},
		{MessageType(OpClose), "x", ErrMessageType},
	} {
		if err := s.c.Send(x.typ, []byte(x.data)); err != x.err {
			t.Errorf("Send(%v, %q) = %v, want %v", x.typ, x.data, err, x.err)
		}
		if x.err == nil {
			s.want("Send passes it on", "SEND "+message(x.typ, []byte(x.data)))
		} else {
			s.wantIdle("nothing is sent")
		}
	}
}

func TestSendSlow(t *testing.T) {
	s := open(t, small)
	s.sendErr = ErrSlow
	if err := s.c.Send(Text, nil); err != ErrSlow {
		t.Errorf("Send = %v", err)
	}
	if err := s.c.SendPrepared(hello); err != ErrSlow {
		t.Errorf("SendPrepared = %v", err)
	}
	if s.c.Closed() {
		t.Error("ErrSlow closed the Conn")
	}
}

func TestErrClosed(t *testing.T) {
	if !errors.Is(ErrClosed, net.ErrClosed) {
		t.Error("ErrClosed is not net.ErrClosed")
	}
}

func TestData(t *testing.T) {
	var c Conn
	s := &script{t: t}
	c.Init(NewEndpoint(s, small), s, "from Accept")
	if c.Data() != "from Accept" {
		t.Errorf("Data() = %v", c.Data())
	}
	c.SetData(7)
	if c.Data() != 7 {
		t.Errorf("Data() = %v", c.Data())
	}
	if c.Buffered() != 42 {
		t.Errorf("Buffered() = %d", c.Buffered())
	}
}

func TestPrepare(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		data := []byte(repeat(n))
		p, err := Prepare(Binary, data)
		if err != nil {
			t.Fatal(err)
		}
		clear(data)
		want := append(AppendHeader(nil, true, OpBinary, n), repeat(n)...)
		if !bytes.Equal(p.Frame(), want) || p.Len() != n || p.Type() != Binary || string(p.Data()) != repeat(n) {
			t.Errorf("prepared %d octets: type %v, Len %d, frame % .20x", n, p.Type(), p.Len(), p.Frame())
		}
		if len(p.Frame()) != cap(p.Frame()) {
			t.Errorf("%d octets of %d wasted", cap(p.Frame())-len(p.Frame()), cap(p.Frame()))
		}
	}
	if p, err := Prepare(Text, []byte("\xff")); p != nil || err != ErrInvalidUTF8 {
		t.Errorf("Prepare of invalid text = %v, %v", p, err)
	}
	if p, err := Prepare(0, nil); p != nil || err != ErrMessageType {
		t.Errorf("Prepare of type 0 = %v, %v", p, err)
	}
}

// quiet is a Lower that only counts.
type quiet struct {
	Nop
	sends, closes atomic.Int32
}

// A size that 32 bits can't tell is refused, before anything is looked at or copied.
func TestMessageOf2GiB(t *testing.T) {
	large := make([]byte, messageSizeMax+1)
	var c Conn
	c.Init(NewEndpoint(Nop{}, EndpointOptions{}), &quiet{}, nil)
	c.Opened()
	for _, mt := range []MessageType{Text, Binary} {
		_, err := Prepare(mt, large)
		if send, try := c.Send(mt, large), c.TrySend(mt, large); err != ErrMessageSize || send != ErrMessageSize || try != ErrMessageSize {
			t.Errorf("%v: Prepare: %v, Send: %v, TrySend: %v", mt, err, send, try)
		}
	}
}

func (q *quiet) Send(MessageType, []byte) error       { q.sends.Add(1); return nil }
func (q *quiet) TrySend(MessageType, []byte) error    { q.sends.Add(1); return nil }
func (q *quiet) SendPrepared(*Prepared) error         { q.sends.Add(1); return nil }
func (q *quiet) Resume()                              {}
func (q *quiet) AwaitDrain()                          {}
func (q *quiet) RemoteAddr() netip.AddrPort           { return netip.AddrPort{} }
func (q *quiet) RequestClose(CloseCode, string) error { q.closes.Add(1); return nil }
func (q *quiet) Buffered() int                        { return 0 }
func (q *quiet) WriteControl(Opcode, []byte)          {}
func (q *quiet) WriteClose([]byte, bool)              {}
func (q *quiet) EndStream()                           {}
func (q *quiet) Panicked(any, []byte)                 {}

// TestAnyGoroutine: goroutines send and close while the loop feeds and ends. The
// race detector watches; exactly one Close is first.
func TestAnyGoroutine(t *testing.T) {
	for range 50 {
		var q quiet
		var c Conn
		var r Receiver
		c.Init(NewEndpoint(&q, small), &q, "data")
		c.Opened()
		var first atomic.Int32
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 4 {
			wg.Go(func() {
				<-start
				for range 20 {
					_ = c.Data()
					_ = c.Buffered()
					c.Send(Text, nil)
					c.SendPrepared(hello)
				}
				if c.Close(CloseNormal, "") == nil {
					first.Add(1)
				}
				if c.Send(Text, nil) != ErrClosed {
					t.Error("Send after Close succeeded")
				}
			})
		}
		close(start)
		for range 20 {
			c.feedAll(&r, clientFrame(textWhole, "Hello"))
			c.feedAll(&r, clientFrame(textPart, "Hello"))
			c.feedAll(&r, clientFrame(contLast, "Hello"))
		}
		wg.Wait()
		if first.Load() != 1 || q.closes.Load() != 1 {
			t.Fatalf("%d calls of Close were first, %d were passed on", first.Load(), q.closes.Load())
		}
		c.CloseLocal(&r, CloseNormal, "")
		c.Lost(&r, ErrConnLost)
	}
}
