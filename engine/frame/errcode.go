package frame

import "strconv"

// ErrCode is an error code, carried by RST_STREAM and GOAWAY (RFC 9113 §7).
// Values that are not named here "MUST NOT trigger any special behavior".
type ErrCode uint32

// The error codes of RFC 9113 §7.
const (
	NoError            ErrCode = 0x00
	ProtocolError      ErrCode = 0x01
	InternalError      ErrCode = 0x02
	FlowControlError   ErrCode = 0x03
	SettingsTimeout    ErrCode = 0x04
	StreamClosed       ErrCode = 0x05
	FrameSizeError     ErrCode = 0x06
	RefusedStream      ErrCode = 0x07
	Cancel             ErrCode = 0x08
	CompressionError   ErrCode = 0x09
	ConnectError       ErrCode = 0x0a
	EnhanceYourCalm    ErrCode = 0x0b
	InadequateSecurity ErrCode = 0x0c
	HTTP11Required     ErrCode = 0x0d
)

var errCodeNames = [...]string{
	NoError:            "NO_ERROR",
	ProtocolError:      "PROTOCOL_ERROR",
	InternalError:      "INTERNAL_ERROR",
	FlowControlError:   "FLOW_CONTROL_ERROR",
	SettingsTimeout:    "SETTINGS_TIMEOUT",
	StreamClosed:       "STREAM_CLOSED",
	FrameSizeError:     "FRAME_SIZE_ERROR",
	RefusedStream:      "REFUSED_STREAM",
	Cancel:             "CANCEL",
	CompressionError:   "COMPRESSION_ERROR",
	ConnectError:       "CONNECT_ERROR",
	EnhanceYourCalm:    "ENHANCE_YOUR_CALM",
	InadequateSecurity: "INADEQUATE_SECURITY",
	HTTP11Required:     "HTTP_1_1_REQUIRED",
}

// String returns the RFC's name, or "0x2a" for a code it does not name.
func (c ErrCode) String() string { return nameOf(errCodeNames[:], uint32(c)) }

// Error is a violation found in the shape of a frame, and always the peer's
// fault. It is immutable and may be shared.
type Error struct {
	Code     ErrCode
	StreamID uint32 // 0: an error of the connection (RFC 9113 §5.4.1)
	Text     string // short, names the rule; fit for GOAWAY's debug data
}

// Error returns the code and the text, and the stream if it is a stream error.
func (e *Error) Error() string {
	if e.StreamID == 0 {
		return e.Code.String() + ": " + e.Text
	}
	return e.Code.String() + " on stream " + strconv.FormatUint(uint64(e.StreamID), 10) + ": " + e.Text
}

// nameOf returns the name of v, or v in hexadecimal, two digits at least.
func nameOf(names []string, v uint32) string {
	if v < uint32(len(names)) && names[v] != "" {
		return names[v]
	}
	if v < 0x10 {
		return "0x0" + strconv.FormatUint(uint64(v), 16)
	}
	return "0x" + strconv.FormatUint(uint64(v), 16)
}
