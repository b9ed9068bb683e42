package frame

// shape is what RFC 9113 §6 demands of a type's header.
//
//	lengthMin <= Length <= lengthMax
type shape struct {
	flags                Flags  // those the type defines
	lengthMin, lengthMax uint32 // without what the flags add
	place                place

	badPlace, badLength *Error // what to answer, if it is violated
}

// place is where a frame belongs.
type place uint8

const (
	onEither place = iota
	onStream
	onConnection
)

var shapes = [...]shape{
	Data: {
		flags: FlagEndStream | FlagPadded, lengthMax: MaxPayloadMax, place: onStream,
		badPlace:  protocolError("DATA: stream 0 (RFC 9113 §6.1)"),
		badLength: sizeError("DATA: no room for the pad length (RFC 9113 §6.1)"),
	},
	Headers: {
		flags: FlagEndStream | FlagEndHeaders | FlagPadded | FlagPriority, lengthMax: MaxPayloadMax, place: onStream,
		badPlace:  protocolError("HEADERS: stream 0 (RFC 9113 §6.2)"),
		badLength: sizeError("HEADERS: no room for pad length or priority (RFC 9113 §6.2)"),
	},
	Priority: {
		lengthMin: priorityLen, lengthMax: priorityLen, place: onStream,
		badPlace: protocolError("PRIORITY: stream 0 (RFC 9113 §6.3)"),
		// badLength is a stream error, so Check makes it.
	},
	RSTStream: {
		lengthMin: 4, lengthMax: 4, place: onStream,
		badPlace:  protocolError("RST_STREAM: stream 0 (RFC 9113 §6.4)"),
		badLength: sizeError("RST_STREAM: length not 4 (RFC 9113 §6.4)"),
	},
	Settings: {
		flags: FlagAck, lengthMax: MaxPayloadMax, place: onConnection,
		badPlace:  protocolError("SETTINGS: stream not 0 (RFC 9113 §6.5)"),
		badLength: sizeError("SETTINGS: length not a multiple of 6, or an ACK not empty (RFC 9113 §6.5)"),
	},
	PushPromise: {
		flags: FlagEndHeaders | FlagPadded, lengthMin: 4, lengthMax: MaxPayloadMax, place: onStream,
		badPlace:  protocolError("PUSH_PROMISE: stream 0 (RFC 9113 §6.6)"),
		badLength: sizeError("PUSH_PROMISE: no room for pad length or promised stream (RFC 9113 §6.6)"),
	},
	Ping: {
		flags: FlagAck, lengthMin: 8, lengthMax: 8, place: onConnection,
		badPlace:  protocolError("PING: stream not 0 (RFC 9113 §6.7)"),
		badLength: sizeError("PING: length not 8 (RFC 9113 §6.7)"),
	},
	GoAway: {
		lengthMin: 8, lengthMax: MaxPayloadMax, place: onConnection,
		badPlace:  protocolError("GOAWAY: stream not 0 (RFC 9113 §6.8)"),
		badLength: sizeError("GOAWAY: length less than 8 (RFC 9113 §6.8)"),
	},
	WindowUpdate: {
		lengthMin: 4, lengthMax: 4, place: onEither,
		badLength: sizeError("WINDOW_UPDATE: length not 4 (RFC 9113 §6.9)"),
	},
	Continuation: {
		flags: FlagEndHeaders, lengthMax: MaxPayloadMax, place: onStream,
		badPlace: protocolError("CONTINUATION: stream 0 (RFC 9113 §6.10)"),
	},
}

var errTooLong = sizeError("length exceeds MAX_FRAME_SIZE (RFC 9113 §4.2)")

// priorityLen is the length of the priority fields of HEADERS and PRIORITY, in
// octets: exclusive and dependency (4), weight (1).
const priorityLen = 5

// Check judges a header alone, so that a bad frame is refused before an octet
// of its payload is read: its length against maxPayload (our MAX_FRAME_SIZE)
// and against its type, its stream identifier against its type. Unknown types
// pass, unless they are too long. The error is an *Error: a stream error for a
// PRIORITY of the wrong length, a connection error for everything else.
func Check(h Header, maxPayload uint32) error {
	// "An endpoint MUST send an error code of FRAME_SIZE_ERROR if a frame
	// exceeds the size defined in SETTINGS_MAX_FRAME_SIZE, exceeds any limit
	// defined for the frame type, or is too small to contain mandatory frame
	// data" (RFC 9113 §4.2).
	if h.Length > maxPayload {
		return errTooLong
	}
	if int(h.Type) >= len(shapes) {
		return nil
	}
	s := &shapes[h.Type]
	if !s.placed(h) {
		return s.badPlace
	}
	if s.measured(h) {
		return nil
	}
	if h.Type == Priority {
		// "A PRIORITY frame with a length other than 5 octets MUST be treated
		// as a stream error of type FRAME_SIZE_ERROR" (RFC 9113 §6.3).
		return &Error{FrameSizeError, h.StreamID, "PRIORITY: length not 5 (RFC 9113 §6.3)"}
	}
	return s.badLength
}

// placed says whether the frame belongs where its stream identifier puts it.
func (s *shape) placed(h Header) bool {
	return s.place == onEither || (s.place == onStream) == (h.StreamID != 0)
}

// measured says whether the length is one the type can have.
func (s *shape) measured(h Header) bool {
	if h.Type == Settings {
		return h.Length%settingLen == 0 && (h.Length == 0 || !h.Flags.Has(FlagAck))
	}
	lengthMin := s.lengthMin
	flags := h.Flags & s.flags
	if flags.Has(FlagPadded) {
		lengthMin++
	}
	if flags.Has(FlagPriority) {
		lengthMin += priorityLen
	}
	return lengthMin <= h.Length && h.Length <= s.lengthMax
}

func protocolError(text string) *Error { return &Error{Code: ProtocolError, Text: text} }

func sizeError(text string) *Error { return &Error{Code: FrameSizeError, Text: text} }
