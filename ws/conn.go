package ws

import (
	"net/netip"
	"sync/atomic"
)

// A Conn is one WebSocket, as its server sees it.
//
// Send, TrySend, SendPrepared, Close, Pause, Resume, AwaitDrain, Data, Buffered
// and RemoteAddr may be called from any goroutine at any time, also after the
// WebSocket is closed. A Conn is never used for a second WebSocket.
//
// Between messages a Conn owns no buffer: partial is nil.
type Conn struct {
	lower    Lower
	endpoint *Endpoint
	data     any
	partial  *partial      // of the loop; nil: between frames and between messages
	state    atomic.Uint32 // a state
	paused   atomic.Bool
}

// Send sends a message. p is copied; Send never blocks. It returns ErrClosed,
// ErrSlow if the queue of this WebSocket is full, ErrInvalidUTF8 for text that
// is not, ErrMessageType or ErrMessageSize; in all these cases nothing was sent. Who sends
// faster than the peer takes it paces itself by Buffered: a burst that fills
// the queue (QueueLimits) costs a healthy WebSocket its life, too. OnMessage
// that answers each message on the same WebSocket need not: half of the queue
// is free, or the peer does not take what is in it.
func (c *Conn) Send(t MessageType, p []byte) error {
	if c.current() != stateOpen {
		return ErrClosed
	}
	if err := checkMessage(t, p); err != nil {
		return err
	}
	return c.lower.Send(t, p)
}

// TrySend is Send, but a full queue costs nothing: whatever the policy, it
// returns ErrSlow and the WebSocket lives on. See AwaitDrain.
func (c *Conn) TrySend(t MessageType, p []byte) error {
	if c.current() != stateOpen {
		return ErrClosed
	}
	if err := checkMessage(t, p); err != nil {
		return err
	}
	return c.lower.TrySend(t, p)
}

// SendPrepared sends a message that was framed before; it is shared, not
// copied. It never blocks. It returns ErrClosed or ErrSlow.
func (c *Conn) SendPrepared(p *Prepared) error {
	if c.current() != stateOpen {
		return ErrClosed
	}
	return c.lower.SendPrepared(p)
}

// Close starts the closing handshake, behind the messages sent before.
// OnMessage is not called any more; OnClose is called when the peer has
// answered, or did not in time. Only the first Close counts, later ones return
// ErrClosed. ErrCloseCode, ErrCloseReason and ErrInvalidUTF8 tell of arguments
// that cannot be sent; the WebSocket then stays open.
func (c *Conn) Close(code CloseCode, reason string) error {
	if err := checkClose(code, reason); err != nil {
		return err
	}
	if c.current() != stateOpen {
		return ErrClosed
	}
	if _, moved := c.advance(stateAsked); !moved {
		return ErrClosed
	}
	return c.lower.RequestClose(code, reason)
}

// Pause keeps the peer from sending more than it may already: over HTTP/2 what
// is left of the stream's window, over HTTP/1.1 what has been read or is on its
// way. That is still delivered, and pings and the closing handshake in it are
// answered. A paused peer is not expected to answer pings of ours.
func (c *Conn) Pause() { c.paused.Store(true) }

// Resume ends a pause. Pauses do not add up.
func (c *Conn) Resume() {
	if c.paused.CompareAndSwap(true, false) {
		c.lower.Resume()
	}
}

// AwaitDrain has OnDrain called, once, as soon as nothing of what was sent before
// waits in the queue any more; it may be at once. It does nothing if the
// handler is no Drainer, or when the WebSocket is closed.
func (c *Conn) AwaitDrain() {
	if c.endpoint.drainer != nil && !c.Closed() {
		c.lower.AwaitDrain()
	}
}

// RemoteAddr returns the address of the connection's peer, which may be a proxy.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.lower.RemoteAddr() }

// Data returns the value given with AcceptOptions.Data or SetData.
func (c *Conn) Data() any { return c.data }

// SetData sets the value that Data returns. It is to be called from callbacks;
// a goroutine that calls Data must have been given c afterwards.
func (c *Conn) SetData(v any) { c.data = v }

// Buffered returns how many octets wait to be written to the peer. What was published to topics since its stream
// window was used up is counted now and then, and before a limit is reached.
func (c *Conn) Buffered() int { return c.lower.Buffered() }

// Init makes c the Conn of an accepted handshake, or of one that may be. c must
// be zero, or not opened.
//
// For the engine; on the loop.
func (c *Conn) Init(e *Endpoint, lower Lower, data any) {
	c.endpoint, c.lower, c.data = e, lower, data
}

// Lower returns what Init was given.
//
// For the engine; any goroutine.
func (c *Conn) Lower() Lower { return c.lower }

// QueueLimits returns the limits of what may wait for the peer.
//
// For the engine; any goroutine.
func (c *Conn) QueueLimits() *QueueLimits { return &c.endpoint.queue }

// WantsDrops reports whether Dropped would tell anybody.
//
// For the engine; any goroutine.
func (c *Conn) WantsDrops() bool { return c.endpoint.dropper != nil }

// Dropped calls OnDrop, unless the WebSocket is closed. c.WantsDrops() must hold.
//
// For the engine; on the loop.
func (c *Conn) Dropped(r *Receiver, d Drop) {
	if c.Closed() {
		return
	}
	defer c.recovered(r)
	c.endpoint.dropper.OnDrop(c, d)
}

// Drained calls OnDrain, unless the WebSocket is closed. AwaitDrain must have been called.
//
// For the engine; on the loop.
func (c *Conn) Drained(r *Receiver) {
	if c.Closed() {
		return
	}
	defer c.recovered(r)
	c.endpoint.drainer.OnDrain(c)
}

// Paused reports whether the peer is to be kept from sending. Once our Close frame
// is on its way it is not: what comes reaches nobody, and the peer's Close is
// awaited.
//
// For the engine; on the loop.
func (c *Conn) Paused() bool { return c.paused.Load() && !c.CloseSent() }

// Opened calls OnOpen. It comes before the first Feed.
//
// For the engine; on the loop.
func (c *Conn) Opened() {
	if _, moved := c.advance(stateOpen); !moved {
		panic("BUG: ws: Opened twice")
	}
	defer c.recovered(nil) // no frame has begun, nothing to release
	c.endpoint.handler.OnOpen(c)
}

// Closed reports whether OnClose has been called, or is about to be.
//
// For the engine; any goroutine.
func (c *Conn) Closed() bool { return c.current() == stateClosed }

// CloseSent reports whether WriteClose has been called, or will never be.
// RFC 6455 §5.5.1: "The application MUST NOT send any more data frames after
// sending a Close frame", so a message that is still on its way to the loop
// then is to be thrown away.
//
// For the engine; on the loop.
func (c *Conn) CloseSent() bool { return c.current() >= stateSent }

// Held returns the octets of buffer that c owns for an incomplete message.
//
// For the engine; on the loop.
func (c *Conn) Held() int {
	if c.partial == nil {
		return 0
	}
	return cap(c.partial.buf) + cap(c.partial.control)
}
