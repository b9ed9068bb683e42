package ws

import "sync/atomic"

// A Conn is one WebSocket, as its server sees it.
//
// Send, SendPrepared, Close, Data and Buffered may be called from any
// goroutine at any time, also after the WebSocket is closed. A Conn is never
// used for a second WebSocket.
//
// Between messages a Conn owns no buffer: partial is nil.
type Conn struct {
	lower    Lower
	endpoint *Endpoint
	data     any
	partial  *partial      // of the loop; nil: between frames and between messages
	state    atomic.Uint32 // a state
}

// Lower is what a Conn needs from the stream that carries it. None of its
// methods may call Feed, Fail or another method for the engine before it has
// returned: callbacks are serial.
type Lower interface {
	// From any goroutine, never blocking.

	// Send queues a message, framed. p is copied. The message is text only
	// if it is UTF-8. It returns ErrSlow if the queue is full, ErrClosed if the
	// stream is gone.
	Send(t MessageType, p []byte) error
	// SendPrepared queues a message that is shared.
	SendPrepared(p *Prepared) error
	// RequestClose makes the loop call CloseLocal, after the messages that
	// were sent before. code and reason are valid.
	RequestClose(code CloseCode, reason string) error
	// Buffered returns the octets queued and not yet written.
	Buffered() int

	// On the loop, from inside Feed and the other methods for the engine. A
	// payload is borrowed: valid until the call returns.

	// WriteControl sends a Pong ahead of queued messages, at the latest after
	// the one being written. It may replace one that is not written yet:
	// RFC 6455 §5.5.3, "the endpoint MAY elect to send a Pong frame for only
	// the most recently processed Ping frame".
	WriteControl(op Opcode, payload []byte)
	// WriteClose sends a Close frame behind the queued messages; with end it
	// is the end of the stream, in the same DATA frame. It is called at most
	// once for a Conn.
	WriteClose(payload []byte, end bool)
	// EndStream ends the stream behind everything queued. It is called at
	// most once, and not after WriteClose with end.
	EndStream()
	// Panicked reports that a callback panicked.
	Panicked(v any, stack []byte)
}

// Send sends a message. p is copied; Send never blocks. It returns ErrClosed,
// ErrSlow if the queue of this WebSocket is full, ErrInvalidUTF8 for text that
// is not, or ErrMessageType; in all these cases nothing was sent.
func (c *Conn) Send(t MessageType, p []byte) error {
	if c.current() != stateOpen {
		return ErrClosed
	}
	if err := checkMessage(t, p); err != nil {
		return err
	}
	return c.lower.Send(t, p)
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

// Data returns the value given with AcceptOptions.Data or SetData.
func (c *Conn) Data() any { return c.data }

// SetData sets the value that Data returns. It is to be called from callbacks;
// a goroutine that calls Data must have been given c afterwards.
func (c *Conn) SetData(v any) { c.data = v }

// Buffered returns how many octets wait to be written to the peer.
func (c *Conn) Buffered() int { return c.lower.Buffered() }
