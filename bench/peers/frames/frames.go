// Package frames is a WebSocket on gobwas/ws, which reads and writes frames and leaves the rest to its
// user. It takes messages that are not fragmented, as the client sends them.
package frames

import (
	"bytes"
	"errors"
	"io"

	"github.com/gobwas/ws"

	"h2ws/bench/peers/convention"
)

// Socket is the server's side of a WebSocket. Write is given one whole frame, from any goroutine.
type Socket interface {
	io.Reader
	io.Writer
}

// messageBytesMax bounds what a length from the client makes the server allocate, in octets.
const messageBytesMax = 1 << 20

// Serve reads until Close or an error, echoes and acts on commands.
func Serve(s Socket, commands *convention.Commands) error {
	var payload []byte
	for {
		h, err := ws.ReadHeader(s)
		if err != nil {
			return err
		}
		if !h.Fin || !h.Masked || h.Length > messageBytesMax {
			return errors.New("fragmented, unmasked or too large")
		}
		if int64(cap(payload)) < h.Length {
			payload = make([]byte, h.Length)
		}
		payload = payload[:h.Length]
		if _, err := io.ReadFull(s, payload); err != nil {
			return err
		}
		ws.Cipher(payload, h.Mask, 0)
		if err := answer(s, h.OpCode, payload, commands); err != nil {
			return err
		}
	}
}

func answer(s Socket, op ws.OpCode, payload []byte, commands *convention.Commands) error {
	switch op {
	case ws.OpText:
		if convention.Is(payload) {
			payload = commands.Do(payload)
			if payload == nil {
				return nil
			}
		}
		return write(s, op, payload)
	case ws.OpBinary:
		return write(s, op, payload)
	case ws.OpPing:
		return write(s, ws.OpPong, payload)
	case ws.OpClose:
		write(s, op, payload)
		return io.EOF
	}
	return nil
}

// write sends header and payload in one Write: as two they would be two system calls.
func write(s Socket, op ws.OpCode, payload []byte) error {
	b := bytes.NewBuffer(make([]byte, 0, ws.MaxHeaderSize+len(payload)))
	if err := ws.WriteFrame(b, ws.NewFrame(op, true, payload)); err != nil {
		return err
	}
	_, err := s.Write(b.Bytes())
	return err
}
