package frame

import "encoding/binary"

// The functions in this file take payloads whose header has passed Check, so
// that what the length guarantees is not checked again. p is the whole
// payload and is borrowed by what they return.

var (
	errDataPadding        = protocolError("DATA: padding not less than the payload (RFC 9113 §6.1)")
	errHeadersPadding     = protocolError("HEADERS: padding leaves no room for the rest (RFC 9113 §6.2)")
	errConnectionNoCredit = protocolError("WINDOW_UPDATE: increment 0 (RFC 9113 §6.9)")
)

// DataLen returns how many octets of a DATA frame with FlagPadded are data,
// given the first octet of its payload, so that the payload need not be
// complete to be used: it is one octet of pad length, n of data, pad of
// padding. All h.Length octets count against the windows (RFC 9113 §6.9.1).
//
// "If the length of the padding is the length of the frame payload or greater,
// the recipient MUST treat this as a connection error of type PROTOCOL_ERROR"
// (RFC 9113 §6.1).
func DataLen(h Header, pad uint8) (n uint32, err error) {
	if uint32(pad) >= h.Length {
		return 0, errDataPadding
	}
	return h.Length - 1 - uint32(pad), nil
}

// ParseHeaders returns the part of the field block that a HEADERS frame
// carries, without padding and priority fields. Priorities are ignored, a
// stream that depends on itself included: RFC 9113 §5.3.2 deprecates them, and
// has dropped the rule that a stream must not.
func ParseHeaders(h Header, p []byte) (fragment []byte, err error) {
	if h.Flags.Has(FlagPadded) {
		pad := int(p[0])
		p = p[1:]
		// "If the length of the padding is the length of the frame payload or
		// greater, the recipient MUST treat this as a connection error of type
		// PROTOCOL_ERROR" (RFC 9113 §6.2). Padding that reaches into the
		// priority fields contradicts itself as much.
		if pad > len(p)-priorityFields(h) {
			return nil, errHeadersPadding
		}
		p = p[:len(p)-pad]
	}
	return p[priorityFields(h):], nil
}

// priorityFields returns how many octets of a HEADERS payload they take.
func priorityFields(h Header) int {
	if h.Flags.Has(FlagPriority) {
		return priorityLen
	}
	return 0
}

// ParseRSTStream returns the error code of an RST_STREAM frame.
func ParseRSTStream(p []byte) ErrCode {
	return ErrCode(binary.BigEndian.Uint32(p))
}

// ParsePing returns what a PING frame's acknowledgment must repeat.
func ParsePing(p []byte) [8]byte { return [8]byte(p) }

// ParseGoAway returns the last stream the sender acted on or may act on, its
// error code, and its debug data.
func ParseGoAway(p []byte) (last uint32, code ErrCode, debug []byte) {
	last = binary.BigEndian.Uint32(p) &^ Reserved
	return last, ErrCode(binary.BigEndian.Uint32(p[4:])), p[8:]
}

// ParseWindowUpdate returns the increment, in octets, 1..2^31-1.
//
// "A receiver MUST treat the receipt of a WINDOW_UPDATE frame with a
// flow-control window increment of 0 as a stream error of type PROTOCOL_ERROR;
// errors on the connection flow-control window MUST be treated as a connection
// error" (RFC 9113 §6.9).
func ParseWindowUpdate(h Header, p []byte) (increment uint32, err error) {
	increment = binary.BigEndian.Uint32(p) &^ Reserved
	switch {
	case increment != 0:
		return increment, nil
	case h.StreamID == 0:
		return 0, errConnectionNoCredit
	default:
		return 0, &Error{errConnectionNoCredit.Code, h.StreamID, errConnectionNoCredit.Text}
	}
}
