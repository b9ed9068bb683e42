package ws

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// deferred returns a Pending as an engine gets it.
func deferred(t *testing.T, fields ...string) *Pending {
	t.Helper()
	d := handshake(func(r *Request) { r.Defer() }, requestWith(append([]string{"sec-websocket-version", "13"}, fields...)...))
	if d.Pending == nil || d.Status != 0 || d.Endpoint == nil {
		t.Fatalf("%+v", d)
	}
	return d.Pending
}

func TestPendingAccept(t *testing.T) {
	p := deferred(t, "sec-websocket-protocol", "chat, superchat")
	told := 0
	p.Bind(func() { told++ })
	for _, o := range []AcceptOptions{
		{Subprotocol: "x"},
		{Header: []Field{{Name: "connection", Value: "x"}}},
		{Header: []Field{{Name: "x", Value: string(make([]byte, headerSizeMax))}}},
		{Topics: []Topic{nil}},
	} {
		if err := p.Accept(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	if err := p.Reject(200, ""); err == nil || told != 0 || p.Context().Err() != nil {
		t.Errorf("%v, told %d times", err, told)
	}
	if err := p.Accept(AcceptOptions{Subprotocol: "superchat", Data: 7, Header: []Field{{Name: "x", Value: "y"}}}); err != nil {
		t.Fatal(err)
	}
	d := p.Decision()
	if told != 1 || d.Status != 200 || d.Data != 7 || fmt.Sprint(d.Fields) != "[{sec-websocket-protocol superchat} {x y}]" {
		t.Errorf("%+v, told %d times", d, told)
	}
	if err := p.Reject(403, ""); err != ErrDecided {
		t.Errorf("decided again: %v", err)
	}
	if err := context.Cause(p.Context()); err != ErrDecided {
		t.Errorf("the context is over: %v", err)
	}
}

func TestPendingDecidedBeforeItIsBound(t *testing.T) {
	p := deferred(t)
	if err := p.Reject(418, "teapot"); err != nil {
		t.Fatal(err)
	}
	told := 0
	p.Bind(func() { told++ })
	if d := p.Decision(); told != 1 || d.Status != 418 || d.Reason != "teapot" {
		t.Errorf("%+v, told %d times", d, told)
	}
}

func TestPendingEnds(t *testing.T) {
	p := deferred(t)
	told := 0
	p.Bind(func() { told++ })
	p.End(ErrConnLost)
	p.End(ErrReset)
	if err := context.Cause(p.Context()); err != ErrConnLost {
		t.Errorf("the context is over: %v", err)
	}
	err := p.Accept(AcceptOptions{})
	if !errors.Is(err, ErrClosed) || !errors.Is(err, ErrConnLost) || told != 1 {
		t.Errorf("Accept says %v; told %d times, and the engine wants to know that the application is through", err, told)
	}
	if err := p.Accept(AcceptOptions{}); err != ErrDecided || told != 1 {
		t.Errorf("%v, told %d times", err, told)
	}
}

// The copy is the Pending's own: the Request is used for the next handshake.
func TestPendingOwnsItsRequest(t *testing.T) {
	e := NewEndpoint(Funcs{Handshake: func(r *Request) { r.Defer() }}, EndpointOptions{})
	r := requestWith("sec-websocket-version", "13", "x", "1")
	r.RawQuery = "a=b"
	p := e.Handshake(r).Pending
	*r = Request{Fields: append(r.Fields[:0], Field{Name: "sec-websocket-version", Value: "13"}, Field{Name: "x", Value: "2"})}
	e.Handshake(r)
	own := p.Request()
	if own.Header("x") != "1" || own.Path != "/" || own.Query().Get("a") != "b" || own.Scheme != "https" || own.Authority != "example.com" {
		t.Errorf("%+v", own)
	}
	wantPanic(t, "decided", func() { own.Accept(AcceptOptions{}) })
	wantPanic(t, "decided", func() { own.Defer() })
}

func TestDeferPanics(t *testing.T) {
	wantPanic(t, "decided", func() {
		r := requestWith()
		r.Accept(AcceptOptions{})
		r.Defer()
	})
	var p *Pending
	d := handshake(func(r *Request) { p = r.Defer(); panic("after all") }, requestWith("sec-websocket-version", "13"))
	if d.Status != 500 || d.Pending != nil {
		t.Errorf("%+v", d)
	}
	if err := p.Accept(AcceptOptions{}); !errors.Is(err, ErrClosed) || !errors.Is(err, ErrPanic) {
		t.Errorf("Accept says %v", err)
	}
}

// Of many decisions one counts, and the engine is told once, while it binds and ends.
func TestPendingRace(t *testing.T) {
	for range 200 {
		p := deferred(t)
		var told, taken atomic.Int32
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				var err error
				if i%2 == 0 {
					err = p.Accept(AcceptOptions{Data: i})
				} else {
					err = p.Reject(403, "")
				}
				if err != ErrDecided {
					taken.Add(1)
				}
			})
		}
		all.Go(func() { p.Bind(func() { told.Add(1) }); p.End(ErrReset) })
		<-p.Context().Done()
		all.Wait()
		if told.Load() != 1 || taken.Load() != 1 {
			t.Fatalf("%d decisions were taken, the engine was told %d times", taken.Load(), told.Load())
		}
	}
}
