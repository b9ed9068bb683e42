// Package frame is HTTP/2 as it stands on the wire (RFC 9113 §4 and §6): the
// 9-octet header, the layouts of the payloads, and a text notation of both for
// transcripts and logs. It knows the shape of every frame, but not whether it
// is legal where it arrives: that depends on state, and is the connection's to
// judge.
//
// Everything is a function on slices: Consume and Parse functions return
// values and slices that borrow from their argument, Append functions append
// to the slice they are given and retain nothing. None keeps state, none
// allocates unless the slice has to grow or an error names a stream, and all
// may be called from any goroutine.
package frame

import "encoding/binary"

const (
	// HeaderLen is the length of a frame header, in octets (RFC 9113 §4.1).
	HeaderLen = 9

	// MaxPayloadMin is the MAX_FRAME_SIZE every endpoint starts with, and the
	// smallest it may announce (RFC 9113 §6.5.2), in octets of payload.
	MaxPayloadMin = 1 << 14

	// MaxPayloadMax is the largest MAX_FRAME_SIZE (RFC 9113 §6.5.2), and the
	// largest length a header can tell.
	MaxPayloadMax = 1<<24 - 1

	// Reserved is the bit beside a stream identifier that "MUST remain unset
	// (0x00) when sending and MUST be ignored when receiving" (RFC 9113 §4.1).
	// Only tests send it set.
	Reserved = 1 << 31

	// Preface is what a client sends before its first frame (RFC 9113 §3.4).
	Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
)

// Type is the type of a frame (RFC 9113 §6). Values that are not named here
// are legal: "Implementations MUST ignore and discard frames of unknown types"
// (RFC 9113 §4.1).
type Type uint8

// The types of RFC 9113 §6.
const (
	Data         Type = 0x00
	Headers      Type = 0x01
	Priority     Type = 0x02
	RSTStream    Type = 0x03
	Settings     Type = 0x04
	PushPromise  Type = 0x05
	Ping         Type = 0x06
	GoAway       Type = 0x07
	WindowUpdate Type = 0x08
	Continuation Type = 0x09
)

var typeNames = [...]string{
	Data:         "DATA",
	Headers:      "HEADERS",
	Priority:     "PRIORITY",
	RSTStream:    "RST_STREAM",
	Settings:     "SETTINGS",
	PushPromise:  "PUSH_PROMISE",
	Ping:         "PING",
	GoAway:       "GOAWAY",
	WindowUpdate: "WINDOW_UPDATE",
	Continuation: "CONTINUATION",
}

// String returns the RFC's name, or "0x2a" for a type it does not name.
func (t Type) String() string { return nameOf(typeNames[:], uint32(t)) }

// Flags are the flags of a frame. What a bit means depends on the type. "Unused
// flags MUST be ignored on receipt" (RFC 9113 §4.1).
type Flags uint8

// The flags of RFC 9113 §6.
const (
	FlagEndStream  Flags = 0x01 // DATA, HEADERS
	FlagAck        Flags = 0x01 // SETTINGS, PING
	FlagEndHeaders Flags = 0x04 // HEADERS, PUSH_PROMISE, CONTINUATION
	FlagPadded     Flags = 0x08 // DATA, HEADERS, PUSH_PROMISE
	FlagPriority   Flags = 0x20 // HEADERS
)

// Has says whether all flags in g are set.
func (f Flags) Has(g Flags) bool { return f&g == g }

// Header is a frame header.
//
//	+-----------------------------------------------+
//	|                 Length (24)                   |
//	+---------------+---------------+---------------+
//	|   Type (8)    |   Flags (8)   |
//	+-+-------------+---------------+-------------------------------+
//	|R|                 Stream Identifier (31)                      |
//	+=+=============================================================+
type Header struct {
	Length   uint32 // of the payload, in octets, at most MaxPayloadMax
	Type     Type
	Flags    Flags
	StreamID uint32 // 0: the connection
}

// ConsumeHeader reads the header at the start of b. It returns n = HeaderLen,
// or n = 0 if b is too short to hold one. The reserved bit is masked off.
func ConsumeHeader(b []byte) (h Header, n int) {
	if len(b) < HeaderLen {
		return Header{}, 0
	}
	return Header{
		Length:   uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]),
		Type:     Type(b[3]),
		Flags:    Flags(b[4]),
		StreamID: binary.BigEndian.Uint32(b[5:]) &^ Reserved,
	}, HeaderLen
}

// AppendHeader appends h to b. A StreamID with the Reserved bit goes out as it
// is.
func AppendHeader(b []byte, h Header) []byte {
	var space [HeaderLen]byte
	PutHeader(space[:], h)
	return append(b, space[:]...)
}

// PutHeader writes h over the first HeaderLen octets of b, for a header whose
// place was left free until the length was known.
func PutHeader(b []byte, h Header) {
	if h.Length > MaxPayloadMax {
		panic("BUG: frame: payload longer than a header can tell")
	}
	_ = b[HeaderLen-1]
	b[0], b[1], b[2] = byte(h.Length>>16), byte(h.Length>>8), byte(h.Length)
	b[3], b[4] = byte(h.Type), byte(h.Flags)
	binary.BigEndian.PutUint32(b[5:], h.StreamID)
}
