package ws

import (
	"encoding/binary"
	"unicode/utf8"
)

// A CloseCode says why a WebSocket is closed (RFC 6455 §7.4).
type CloseCode uint16

const (
	CloseNormal             CloseCode = 1000
	CloseGoingAway          CloseCode = 1001
	CloseProtocolError      CloseCode = 1002
	CloseUnsupportedData    CloseCode = 1003
	CloseNoStatus           CloseCode = 1005 // never sent: a Close frame without a code
	CloseAbnormal           CloseCode = 1006 // never sent: no Close frame
	CloseInvalidPayload     CloseCode = 1007
	ClosePolicyViolation    CloseCode = 1008
	CloseTooBig             CloseCode = 1009
	CloseMandatoryExtension CloseCode = 1010
	CloseInternalError      CloseCode = 1011
	CloseServiceRestart     CloseCode = 1012 // 1012 to 1014: IANA registry
	CloseTryAgainLater      CloseCode = 1013
	CloseBadGateway         CloseCode = 1014
	CloseTLSHandshake       CloseCode = 1015 // never sent
)

// CloseReasonMax is the longest reason, in octets: a control frame holds 125,
// and the code takes two.
const CloseReasonMax = ControlLenMax - 2

// Valid reports whether the code may appear in a Close frame, from either side.
// RFC 6455 §7.4.1 says of 1005, 1006 and 1015: "MUST NOT be set as a status
// code in a Close control frame by an endpoint"; §7.4.2 has 0-999 not used, 1000-2999
// for the protocol, 3000-3999 registered and 4000-4999 private.
func (c CloseCode) Valid() bool {
	switch {
	case c >= 1000 && c <= 1014:
		return c != 1004 && c != CloseNoStatus && c != CloseAbnormal
	}
	return c >= 3000 && c <= 4999
}

// String returns the meaning of the code in words.
func (c CloseCode) String() string {
	switch {
	case c >= 1000 && int(c) < 1000+len(closeNames):
		return closeNames[c-1000]
	case c >= 3000 && c <= 3999:
		return "registered"
	case c >= 4000 && c <= 4999:
		return "private"
	}
	return "invalid"
}

var closeNames = [...]string{
	"normal closure", "going away", "protocol error", "unsupported data",
	"reserved", "no status received", "abnormal closure",
	"invalid payload data", "policy violation", "message too big",
	"mandatory extension", "internal error", "service restart",
	"try again later", "bad gateway", "TLS handshake",
}

// AppendClose appends the payload of a Close frame.
func AppendClose(b []byte, code CloseCode, reason string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(code))
	return append(b, reason...)
}

// parseClose takes apart the payload of a Close frame from the peer. If the
// payload is invalid, fail is the code to fail the WebSocket with, and rule
// says why; else fail is 0.
func parseClose(p []byte) (code CloseCode, reason string, fail CloseCode, rule string) {
	switch {
	case len(p) == 0:
		return CloseNoStatus, "", 0, ""
	case len(p) == 1:
		// RFC 6455 §5.5.1: "If there is a body, the first two bytes of the body
		// MUST be a 2-byte unsigned integer".
		return 0, "", CloseProtocolError, "close payload of one octet (RFC 6455 5.5.1)"
	}
	code = CloseCode(binary.BigEndian.Uint16(p))
	if !code.Valid() {
		return 0, "", CloseProtocolError, "invalid close code (RFC 6455 7.4)"
	}
	if !utf8.Valid(p[2:]) {
		// §8.1: "When an endpoint is to interpret a byte stream as UTF-8 but
		// finds that the byte stream is not, in fact, a valid UTF-8 stream,
		// that endpoint MUST _Fail the WebSocket Connection_."
		return 0, "", CloseInvalidPayload, "close reason is not UTF-8 (RFC 6455 8.1)"
	}
	return code, string(p[2:]), 0, ""
}

// checkClose judges what an application wants to send.
func checkClose(code CloseCode, reason string) error {
	switch {
	case !code.Valid():
		return ErrCloseCode
	case len(reason) > CloseReasonMax:
		return ErrCloseReason
	case !utf8.ValidString(reason):
		return ErrInvalidUTF8
	}
	return nil
}
