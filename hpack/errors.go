package hpack

import "errors"

// Errors of the connection: the dynamic table is out of step, the Decoder must not be used again.
var (
	// ErrCompression: "A receiver MUST terminate the connection with a connection error of type COMPRESSION_ERROR if
	// it does not decompress a field block" (RFC 9113 §4.3).
	ErrCompression = errors.New("hpack: field block cannot be decoded")

	// ErrFlood: a hard limit is exceeded. The connection ends with ENHANCE_YOUR_CALM.
	ErrFlood = errors.New("hpack: field block exceeds a hard limit")
)

// ErrTooLarge: a soft limit is exceeded by an otherwise well-formed request. The stream is answered with status 431,
// the connection goes on.
var ErrTooLarge = errors.New("hpack: field block exceeds a soft limit")

// Malformed says that a message broke a rule of RFC 9113 §8 or RFC 8441 §4. "Malformed requests or responses that are
// detected MUST be treated as a stream error of type PROTOCOL_ERROR" (RFC 9113 §8.1.1). Each rule is one preallocated
// value, so that a flood of malformed requests is not also a flood of error texts.
type Malformed struct {
	Rule string // what was broken, with the section
}

func (m *Malformed) Error() string { return "hpack: malformed message: " + m.Rule }
