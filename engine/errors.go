package engine

import (
	"errors"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// Errors of the package. Errors about one WebSocket are in package ws.
var (
	// ErrServerClosed is returned by Serve and ListenAndServe after Shutdown or Close.
	ErrServerClosed = errors.New("engine: server closed")

	// ErrUnsupported is returned by Serve and ListenAndServe on systems without epoll.
	ErrUnsupported = errors.New("engine: serving needs Linux (epoll)")

	// ErrListener is returned by Serve for a listener whose connections have no descriptor: the loops
	// read sockets, not net.Conns.
	ErrListener = errors.New("engine: the listener's connections have no descriptor")

	// ErrMailboxFull is returned by Send, SendPrepared and Topic.Join when Limits.MailboxSize octets
	// wait to be taken by the socket's loop. Nothing was accepted; trying later may succeed.
	ErrMailboxFull = ws.ErrMailboxFull
)

// connError is a connection error (RFC 9113 §5.4.1): GOAWAY with code, then the connection ends.
func connError(code frame.ErrCode, text string) error {
	return &frame.Error{Code: code, Text: text}
}

// streamError is a stream error (RFC 9113 §5.4.2): RST_STREAM with code; other streams live on.
func streamError(id uint32, code frame.ErrCode, text string) error {
	return &frame.Error{Code: code, StreamID: id, Text: text}
}
