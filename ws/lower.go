package ws

import "net/netip"

// Lower is what a Conn needs from the stream that carries it. None of its
// methods may call Feed, Fail or another method for the engine before it has
// returned: callbacks are serial.
type Lower interface {
	// From any goroutine, never blocking.

	// Send queues a message, framed. p is copied. The message is text only
	// if it is UTF-8. It returns ErrSlow if the queue is full, ErrClosed if the
	// stream is gone.
	Send(t MessageType, p []byte) error
	// TrySend is Send, but ErrSlow has no consequence.
	TrySend(t MessageType, p []byte) error
	// SendPrepared queues a message that is shared.
	SendPrepared(p *Prepared) error
	// RequestClose makes the loop call CloseLocal, after the messages that
	// were sent before. code and reason are valid.
	RequestClose(code CloseCode, reason string) error
	// Resume has the loop look at Paused again, which has become false.
	Resume()
	// AwaitDrain makes the loop call Drained when the queue is empty, or
	// never if the stream ends before.
	AwaitDrain()
	// RemoteAddr returns the address of the connection's peer.
	RemoteAddr() netip.AddrPort
	// Buffered returns the octets queued and not yet written.
	Buffered() int

	// On the loop, from inside Feed and the other methods for the engine. A
	// payload is borrowed: valid until the call returns.

	// WriteControl sends a Pong ahead of queued messages, at the latest after
	// the one being written, and behind our Close frame if that is written
	// already and was not the end. It may replace one that is not written yet:
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
