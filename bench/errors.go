package bench

import (
	"errors"
	"fmt"

	"h2ws/engine/frame"
)

// ErrUnsupported is returned by Dial on systems other than Linux.
var ErrUnsupported = errors.New("bench: measuring needs Linux (epoll and /proc)")

// ErrNoConnectProtocol is returned when the server's SETTINGS do not allow extended CONNECT.
var ErrNoConnectProtocol = errors.New("the server does not offer WebSockets over HTTP/2: " +
	"its SETTINGS lack ENABLE_CONNECT_PROTOCOL=1 (RFC 8441 §3)")

// ErrSlow is returned when one message at a time is to be published, and some sockets are slow.
var ErrSlow = errors.New("slow readers would never have all of a message: publish at a rate")

// ErrNotHTTP2 is returned when what answers is no HTTP/2 server.
var ErrNotHTTP2 = errors.New("the server does not speak HTTP/2 here")

// TLSError is a TLS handshake that failed.
type TLSError struct {
	Err error
}

func (e *TLSError) Error() string { return "TLS: " + e.Err.Error() }
func (e *TLSError) Unwrap() error { return e.Err }

// RefusedError is an opening handshake that was answered with a status other than 200.
type RefusedError struct {
	Status int
	Body   string // its first octets, at most 512
}

func (e *RefusedError) Error() string {
	if e.Body == "" {
		return fmt.Sprintf("WebSocket refused with status %d", e.Status)
	}
	return fmt.Sprintf("WebSocket refused with status %d: %q", e.Status, e.Body)
}

// GoAwayError is a connection the server gave up, or is about to.
type GoAwayError struct {
	Last  uint32 // the last stream it acted on
	Code  frame.ErrCode
	Debug string
}

func (e *GoAwayError) Error() string {
	s := fmt.Sprintf("the server sent GOAWAY %v, last stream %d", e.Code, e.Last)
	if e.Debug != "" {
		s += fmt.Sprintf(": %q", e.Debug)
	}
	return s
}

// ResetError is a stream the server reset.
type ResetError struct {
	Stream uint32
	Code   frame.ErrCode
}

func (e *ResetError) Error() string {
	return fmt.Sprintf("the server reset stream %d with %v", e.Stream, e.Code)
}

// ClosedError is a WebSocket the server closed while the scenario still used it.
type ClosedError struct {
	Stream uint32
	Code   uint16 // 1005: the Close frame had none; 1006: there was no Close frame
	Reason string
}

func (e *ClosedError) Error() string {
	s := fmt.Sprintf("the server closed the WebSocket on stream %d with %d", e.Stream, e.Code)
	if e.Reason != "" {
		s += fmt.Sprintf(": %q", e.Reason)
	}
	return s
}

// FaultError is something a server must not do: a frame HTTP/2 forbids, or a message that differs from
// what the scenario expects.
type FaultError struct {
	Text string
}

func (e *FaultError) Error() string { return "the server is at fault: " + e.Text }

func faultf(format string, args ...any) error {
	return &FaultError{fmt.Sprintf(format, args...)}
}
