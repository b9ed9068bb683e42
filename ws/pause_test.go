package ws

import "testing"

func TestTrySend(t *testing.T) {
	s := open(t, small)
	if err := s.c.TrySend(Text, []byte("hi")); err != nil {
		t.Error(err)
	}
	s.want("it goes its own way", `TRY text "hi"`)
	if err := s.c.TrySend(Text, []byte("\xff")); err != ErrInvalidUTF8 {
		t.Error(err)
	}
	s.sendErr = ErrSlow
	if err := s.c.TrySend(Binary, nil); err != ErrSlow {
		t.Error(err)
	}
	s.log = nil
	s.c.CloseLocal(&s.r, CloseNormal, "")
	if err := s.c.TrySend(Binary, nil); err != ErrClosed {
		t.Error(err)
	}
	s.want("nothing behind our Close", "CLOSE 1000")
}

func TestPauseAndResume(t *testing.T) {
	s := open(t, small)
	s.c.Resume()
	s.want("nothing to resume")
	s.c.Pause()
	s.c.Pause()
	s.feed(clientFrame(textWhole, "hi"))
	s.want("what comes is delivered", `text "hi"`)
	if !s.c.Paused() {
		t.Error("not paused")
	}
	s.c.Resume()
	s.c.Resume()
	s.want("once", "RESUME")
	s.c.Pause()
	s.c.CloseLocal(&s.r, CloseNormal, "")
	if s.c.Paused() {
		t.Error("paused while the peer's Close is awaited")
	}
	s.want("closing", "CLOSE 1000")
}

// draining is a handler that wants to know.
type draining struct{ *script }

func (d draining) OnDrain(*Conn) { d.say("drained") }

func TestAwaitDrain(t *testing.T) {
	s := open(t, small)
	s.c.AwaitDrain()
	s.want("the handler is no Drainer")

	s = &script{t: t}
	s.c.Init(NewEndpoint(draining{s}, small), s, nil)
	s.c.Opened()
	s.c.AwaitDrain()
	s.c.Drained(&s.r)
	s.want("the handler is called", "open", "AWAIT DRAIN", "drained")
	s.c.Fail(&s.r, CloseTooBig, "", ErrTooBig)
	s.log = nil
	s.c.AwaitDrain()
	s.c.Drained(&s.r)
	s.want("not after OnClose")
}

// panickingDrainer has a callback that panics.
type panickingDrainer struct{ *script }

func (panickingDrainer) OnDrain(*Conn) { panic("drain") }

func TestPanicInOnDrain(t *testing.T) {
	s := &script{t: t}
	s.c.Init(NewEndpoint(panickingDrainer{s}, small), s, nil)
	s.c.Opened()
	s.log = nil
	s.c.Drained(&s.r)
	s.want("it closes its own socket", "panicked drain", "CLOSE+END 1011", "close 1011 local ErrPanic")
}

func TestRemoteAddr(t *testing.T) {
	s := open(t, small)
	if s.c.RemoteAddr().Port() != 4711 {
		t.Error(s.c.RemoteAddr())
	}
}
