package bench

import (
	"encoding/binary"
	"errors"
)

// This file is RFC 6455 §5.2 as a client sees it: it masks what it sends and receives unmasked frames.
// It shares no code with package ws, so that neither hides the other's mistakes.

type opcode byte

const (
	opContinuation opcode = 0x0
	opText         opcode = 0x1
	opBinary       opcode = 0x2
	opClose        opcode = 0x8
	opPing         opcode = 0x9
	opPong         opcode = 0xa
)

// message is one WebSocket frame; with fin, and not a continuation, a whole message. Its data is borrowed from the read buffer: valid during
// the call that is given it, never written to.
type message struct {
	op   opcode
	fin  bool
	data []byte
}

var (
	errMasked   = errors.New("WebSocket: masked frame from the server (RFC 6455 §5.1)")
	errReserved = errors.New("WebSocket: reserved bit set, but no extension was negotiated (RFC 6455 §5.2)")
	errLength   = errors.New("WebSocket: length not encoded in the fewest octets (RFC 6455 §5.2)")
	errHuge     = errors.New("WebSocket: message from the server above 64 MiB")
)

// messageBytesMax bounds what one message can make the client buffer. Scenarios send less.
const messageBytesMax = 64 << 20

// consumeMessage reads the frame at the start of b. It returns n = 0 if b holds only a part of it.
func consumeMessage(b []byte) (m message, n int, err error) {
	if len(b) < 2 {
		return message{}, 0, nil
	}
	// Two octets decide for nearly every frame; the rest is for frames above 125 octets.
	size, start := int(b[1]), 2
	if b[0]&0x70 != 0 || size&0x80 != 0 {
		return message{}, 0, refuse(b[0], b[1])
	}
	if size > 125 {
		if size, start, err = consumeLength(b); start == 0 || err != nil {
			return message{}, 0, err
		}
	}
	if len(b)-start < size {
		return message{}, 0, nil
	}
	return message{opcode(b[0] & 0xf), b[0]&0x80 != 0, b[start : start+size]}, start + size, nil
}

// refuse names the rule that the first two octets of a frame break.
func refuse(b0, b1 byte) error {
	if b0&0x70 != 0 {
		return errReserved
	}
	return errMasked
}

// consumeLength reads an extended length. It returns start = 0 if b is too short to hold it.
func consumeLength(b []byte) (size, start int, err error) {
	if b[1] == 126 {
		if len(b) < 4 {
			return 0, 0, nil
		}
		size = int(binary.BigEndian.Uint16(b[2:]))
		if size < 126 {
			return 0, 0, errLength
		}
		return size, 4, nil
	}
	if len(b) < 10 {
		return 0, 0, nil
	}
	long := binary.BigEndian.Uint64(b[2:])
	switch {
	case long <= 0xffff:
		return 0, 0, errLength
	case long > messageBytesMax:
		return 0, 0, errHuge
	}
	return int(long), 10, nil
}

// maskedLen is how many octets a masked frame with size octets of payload takes.
func maskedLen(size int) int {
	switch {
	case size <= 125:
		return 6 + size
	case size <= 0xffff:
		return 8 + size
	default:
		return 14 + size
	}
}

// appendMasked appends a frame with FIN to b. The payload is copied.
func appendMasked(b []byte, op opcode, payload []byte, key uint32) []byte {
	size := len(payload)
	b = append(b, 0x80|byte(op))
	switch {
	case size <= 125:
		b = append(b, 0x80|byte(size))
	case size <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(size))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(size))
	}
	b = binary.LittleEndian.AppendUint32(b, key)
	b = append(b, payload...)
	mask(b[len(b)-size:], key)
	return b
}

// mask masks p in place, the key's lowest octet first (RFC 6455 §5.3).
func mask(p []byte, key uint32) {
	wide := uint64(key)<<32 | uint64(key)
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= byte(wide >> (8 * i))
	}
}
