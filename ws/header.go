package ws

import "encoding/binary"

// An Opcode says what a frame is (RFC 6455 §5.2).
type Opcode uint8

const (
	OpContinuation Opcode = 0x0
	OpText         Opcode = 0x1
	OpBinary       Opcode = 0x2
	OpClose        Opcode = 0x8
	OpPing         Opcode = 0x9
	OpPong         Opcode = 0xa
)

// Control reports whether frames of this opcode are control frames, which may
// appear between the fragments of a message (RFC 6455 §5.5).
func (op Opcode) Control() bool { return op&0x8 != 0 }

// known has the bit of every opcode that RFC 6455 defines.
const known = 1<<OpContinuation | 1<<OpText | 1<<OpBinary | 1<<OpClose | 1<<OpPing | 1<<OpPong

const (
	// HeaderLenMax is the longest header: 2 octets, 8 of length, 4 of key.
	HeaderLenMax = 14

	// ControlLenMax is the longest payload of a control frame: RFC 6455 §5.5,
	// "All control frames MUST have a payload length of 125 bytes or less".
	ControlLenMax = 125
)

const (
	finBit  = 0x80
	rsvBits = 0x70
	opBits  = 0x0f
	maskBit = 0x80
)

// A Header is the header of one frame (RFC 6455 §5.2):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-------+-+-------------+-------------------------------+
//	|F|R|R|R| opcode|M| Payload len |    Extended payload length    |
//	|I|S|S|S|  (4)  |A|     (7)     |             (16/64)           |
//	|N|V|V|V|       |S|             |   (if payload len==126/127)   |
//	| |1|2|3|       |K|             |                               |
//	+-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +
//	|     Extended payload length continued, if payload len == 127  |
//	+ - - - - - - - - - - - - - - - +-------------------------------+
//	|                               |Masking-key, if MASK set to 1  |
//	+-------------------------------+-------------------------------+
//
// It has four fields so that it travels in registers.
type Header struct {
	first  byte // FIN, RSV1-3, opcode
	Masked bool
	Key    uint32 // masking key, its first octet lowest; 0 if not Masked
	Length uint64 // octets of payload, as declared
}

func (h Header) Fin() bool      { return h.first&finBit != 0 }
func (h Header) Opcode() Opcode { return Opcode(h.first & opBits) }

// RSV returns the reserved bits, RSV1 being 4, RSV2 2 and RSV3 1.
func (h Header) RSV() byte { return h.first & rsvBits >> 4 }

// ConsumeHeader parses the header at the start of b, of a frame from either
// side. It returns n = 0 if b ends before the header does. It judges nothing.
func ConsumeHeader(b []byte) (h Header, n int) {
	if len(b) < 2 {
		return Header{}, 0
	}
	h = Header{first: b[0], Masked: b[1]&maskBit != 0, Length: uint64(b[1] &^ maskBit)}
	n = 2
	switch h.Length {
	case 126:
		if len(b) < 4 {
			return Header{}, 0
		}
		h.Length = uint64(binary.BigEndian.Uint16(b[2:]))
		n = 4
	case 127:
		if len(b) < 10 {
			return Header{}, 0
		}
		h.Length = binary.BigEndian.Uint64(b[2:])
		n = 10
	}
	if h.Masked {
		if len(b) < n+4 {
			return Header{}, 0
		}
		h.Key = binary.LittleEndian.Uint32(b[n:])
		n += 4
	}
	return h, n
}

// violation returns the rule that a client's frame with this header breaks
// whatever came before it, or "". n is the length of the header.
func (h Header) violation(n int) (rule string) {
	op := h.Opcode()
	switch {
	case h.first&rsvBits != 0:
		// "MUST be 0 unless an extension is negotiated that defines meanings
		// for non-zero values. If a nonzero value is received and none of the
		// negotiated extensions defines the meaning of such a nonzero value,
		// the receiving endpoint MUST _Fail the WebSocket Connection_."
		return "reserved bit set (RFC 6455 5.2)"
	case known>>op&1 == 0:
		// "If an unknown opcode is received, the receiving endpoint MUST
		// _Fail the WebSocket Connection_."
		return "reserved opcode (RFC 6455 5.2)"
	case !h.Masked:
		// "The server MUST close the connection upon receiving a frame that
		// is not masked."
		return "frame not masked (RFC 6455 5.1)"
	case op.Control() && h.Length > ControlLenMax:
		return "control frame longer than 125 octets (RFC 6455 5.5)"
	case op.Control() && !h.Fin():
		// "All control frames [...] MUST NOT be fragmented."
		return "fragmented control frame (RFC 6455 5.5)"
	case h.Length>>63 != 0:
		// "the most significant bit MUST be 0"
		return "length with its top bit set (RFC 6455 5.2)"
	case n != headerLen(h.Length)+4:
		// "in all cases, the minimal number of bytes MUST be used to encode
		// the length"
		return "length not in its shortest form (RFC 6455 5.2)"
	}
	return ""
}

func headerLen(n uint64) int {
	switch {
	case n <= 125:
		return 2
	case n <= 0xffff:
		return 4
	}
	return 10
}

// HeaderLen returns the length of the header of an unmasked frame with n
// octets of payload.
func HeaderLen(n int) int { return headerLen(uint64(n)) }

// AppendHeader appends the header of a frame from a server: not masked, n
// octets of payload.
func AppendHeader(b []byte, fin bool, op Opcode, n int) []byte {
	return appendHeader(b, fin, op, 0, n)
}

// AppendMasked appends a whole frame from a client: final, and masked with key,
// whose lowest octet is the first on the wire. payload is copied.
func AppendMasked(b []byte, op Opcode, key uint32, payload []byte) []byte {
	b = appendHeader(b, true, op, maskBit, len(payload))
	b = binary.LittleEndian.AppendUint32(b, key)
	start := len(b)
	b = append(b, payload...)
	mask(b[start:], key)
	return b
}

func appendHeader(b []byte, fin bool, op Opcode, masked byte, n int) []byte {
	first := byte(op)
	if fin {
		first |= finBit
	}
	switch HeaderLen(n) {
	case 2:
		return append(b, first, masked|byte(n))
	case 4:
		return append(b, first, masked|126, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint64(append(b, first, masked|127), uint64(n))
}
