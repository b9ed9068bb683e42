package ws

import (
	"io"
	"runtime/debug"
)

// A state is how far a Conn has come. It only ever grows.
//
//	          Opened         Close           CloseLocal
//	stateNew --------> Open --------> Asked ------------> Sent
//	                    |               |                   |
//	                    '---------------'-------------------'--> Closed
//	                     the peer's Close, its end of stream, Fail, Lost
type state uint32

const (
	stateNew    state = iota // OnOpen has not been called
	stateOpen                // messages both ways
	stateAsked               // Close was called; its frame is still to be queued
	stateSent                // our Close frame is queued; waiting for the peer's
	stateClosed              // OnClose has been called; input is ignored
)

func (c *Conn) current() state { return state(c.state.Load()) }

// advance moves to a later state and returns the one before. It does nothing
// if the Conn is already there or further. It is the only place where the
// state changes: on the loop, except for stateAsked, which Close enters from
// any goroutine.
func (c *Conn) advance(to state) (from state, moved bool) {
	for {
		from = c.current()
		if from >= to {
			return from, false
		}
		if c.state.CompareAndSwap(uint32(from), uint32(to)) {
			return from, true
		}
	}
}

// CloseLocal queues our Close frame and waits for the peer's. Messages that
// arrive meanwhile are discarded. It does nothing if a Close frame has been
// queued or the WebSocket is closed. code must be valid and reason fit.
//
// For the engine; on the loop.
func (c *Conn) CloseLocal(r *Receiver, code CloseCode, reason string) {
	mustSend(code, reason)
	if _, moved := c.advance(stateSent); !moved {
		return
	}
	c.lower.WriteClose(AppendClose(nil, code, reason), false)
	if c.partial != nil {
		c.partial.discard(r)
	}
}

// recvClose handles the peer's Close frame.
func (c *Conn) recvClose(r *Receiver, payload []byte) {
	code, reason, fail, rule := parseClose(payload)
	if fail != 0 {
		c.Fail(r, fail, rule, causeOf(fail))
		return
	}
	if c.CloseSent() {
		c.lower.EndStream()
		c.closed(r, &CloseError{Code: code, Reason: reason, Local: true})
		return
	}
	// RFC 6455 §5.5.1: "If an endpoint receives a Close frame and did not
	// previously send a Close frame, the endpoint MUST send a Close frame in
	// response. (When sending a Close frame in response, the endpoint
	// typically echos the status code it received.)"
	c.lower.WriteClose(payload[:min(len(payload), 2)], true)
	c.closed(r, &CloseError{Code: code, Reason: reason})
}

// RecvEnd says that the peer has ended its stream. After a Close frame that is
// what is expected; without one the WebSocket is lost.
//
// For the engine; on the loop.
func (c *Conn) RecvEnd(r *Receiver) {
	if c.Closed() {
		return
	}
	c.lower.EndStream()
	c.closed(r, &CloseError{Code: CloseAbnormal, Err: io.ErrUnexpectedEOF})
}

// Lost says that the stream is gone: reset by either side, or together with its
// connection. Nothing is sent. It does nothing if OnClose has been called.
//
// For the engine; on the loop.
func (c *Conn) Lost(r *Receiver, err error) {
	if c.Closed() {
		return
	}
	c.closed(r, &CloseError{Code: CloseAbnormal, Local: c.CloseSent(), Err: err})
}

// Fail closes the WebSocket without waiting for the peer (RFC 6455 §7.1.7):
// our Close frame and the end of the stream, or the latter alone if the frame
// has been queued. cause is what the CloseError of OnClose wraps. Further
// input is ignored. It does nothing if OnClose has been called. code must be
// valid and reason fit.
//
// For the engine; on the loop.
func (c *Conn) Fail(r *Receiver, code CloseCode, reason string, cause error) {
	mustSend(code, reason)
	if c.Closed() {
		return
	}
	if c.CloseSent() {
		c.lower.EndStream()
	} else {
		c.lower.WriteClose(AppendClose(nil, code, reason), true)
	}
	c.closed(r, &CloseError{Code: code, Reason: reason, Local: true, Err: cause})
}

// closed enters stateClosed, frees what the Conn owns, and calls OnClose if
// OnOpen was called.
func (c *Conn) closed(r *Receiver, err *CloseError) {
	from, moved := c.advance(stateClosed)
	if !moved {
		panic("BUG: ws: closed twice")
	}
	if f := c.partial; f != nil {
		c.partial = nil
		r.release(f)
	}
	if from == stateNew {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			c.lower.Panicked(v, debug.Stack())
		}
	}()
	c.endpoint.handler.OnClose(c, err)
}

// recovered is deferred around OnOpen and OnMessage.
func (c *Conn) recovered(r *Receiver) {
	v := recover()
	if v == nil {
		return
	}
	c.lower.Panicked(v, debug.Stack())
	c.Fail(r, CloseInternalError, "internal error", ErrPanic)
}

// causeOf returns the sentinel for a code that we fail a WebSocket with.
func causeOf(code CloseCode) error {
	if code == CloseInvalidPayload {
		return ErrInvalidUTF8
	}
	return ErrProtocol
}

func mustSend(code CloseCode, reason string) {
	if err := checkClose(code, reason); err != nil {
		panic("BUG: " + err.Error())
	}
}
