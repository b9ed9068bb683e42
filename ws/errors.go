package ws

import (
	"errors"
	"fmt"
	"net"
)

// What Send, SendPrepared, Close and Prepare return.
var (
	// ErrClosed: Close has been called, or the WebSocket is closing or
	// closed. errors.Is(ErrClosed, net.ErrClosed) holds.
	ErrClosed error = closedError{}

	// ErrSlow: the peer reads too slowly, and the queue of messages to it is
	// full. Nothing of the message was sent.
	ErrSlow = errors.New("ws: peer too slow, queue full")

	// ErrMailboxFull: too much waits to be taken by the event loop, from
	// all who send. Nothing of the message was sent; trying later may succeed.
	ErrMailboxFull = errors.New("ws: mailbox of the event loop full")

	// ErrInvalidUTF8: a text message or a close reason is not UTF-8. It is
	// also the cause of a CloseError with code 1007.
	ErrInvalidUTF8 = errors.New("ws: invalid UTF-8")

	// ErrMessageType: neither Text nor Binary.
	ErrMessageType = errors.New("ws: invalid message type")

	// ErrMessageSize: a message of 2 GiB or more.
	ErrMessageSize = errors.New("ws: message of 2 GiB or more")

	// ErrCloseCode: not a code that may appear in a Close frame.
	ErrCloseCode = errors.New("ws: invalid close code")

	// ErrCloseReason: longer than the 123 octets that a Close frame can hold.
	ErrCloseReason = errors.New("ws: close reason too long")
)

// What a CloseError wraps when the WebSocket did not end with the closing
// handshake. A peer that ends its stream without a Close frame leaves
// io.ErrUnexpectedEOF.
var (
	// ErrProtocol: the peer broke RFC 6455; the reason names the rule.
	ErrProtocol = errors.New("ws: protocol error")

	// ErrTooBig: a message from the peer exceeds the limit.
	ErrTooBig = errors.New("ws: message too big")

	// ErrFragments: a message from the peer has too many fragments.
	ErrFragments = errors.New("ws: too many fragments")

	// ErrIncomplete: a message from the peer was not completed in time.
	ErrIncomplete = errors.New("ws: message not completed in time")

	// ErrPanic: the handler panicked.
	ErrPanic = errors.New("ws: handler panicked")

	// ErrReset: the stream was reset, by the peer or, for the reason that the
	// error tells too, by us.
	ErrReset = errors.New("ws: stream reset")

	// ErrConnLost: the connection below is gone.
	ErrConnLost = errors.New("ws: connection lost")

	// ErrPongTimeout: the peer said nothing for too long after a ping.
	ErrPongTimeout = errors.New("ws: no answer to a ping")

	// ErrCloseTimeout: the peer did not answer our Close frame in time.
	ErrCloseTimeout = errors.New("ws: closing handshake timed out")
)

type closedError struct{}

func (closedError) Error() string { return "ws: closed" }
func (closedError) Unwrap() error { return net.ErrClosed }

// A CloseError says how a WebSocket ended.
type CloseError struct {
	// Code and Reason are the peer's when the closing handshake was completed,
	// and ours when we failed the WebSocket. Without a code in the peer's
	// Close frame Code is CloseNoStatus, without a Close frame CloseAbnormal
	// (RFC 6455 §7.1.5).
	Code   CloseCode
	Reason string

	// Local: we sent the first Close frame.
	Local bool

	// Err is the cause if it was not the closing handshake, else nil.
	Err error
}

func (e *CloseError) Error() string {
	s := "ws: closed by peer"
	switch {
	case e.Code == CloseAbnormal:
		s = "ws: closed"
	case e.Local:
		s = "ws: closed by us"
	}
	s = fmt.Sprintf("%s: %d %s", s, uint16(e.Code), e.Code)
	if e.Reason != "" {
		s = fmt.Sprintf("%s: %q", s, e.Reason)
	}
	if e.Err != nil {
		s = fmt.Sprintf("%s (%v)", s, e.Err)
	}
	return s
}

// Unwrap returns e.Err.
func (e *CloseError) Unwrap() error { return e.Err }
