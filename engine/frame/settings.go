package frame

import "encoding/binary"

// SettingID identifies a setting. "An endpoint that receives a SETTINGS frame
// with any unknown or unsupported identifier MUST ignore that setting" (RFC
// 9113 §6.5.2).
type SettingID uint16

// The settings of RFC 9113 §6.5.2, RFC 8441 §3 and RFC 9218 §2.1.
const (
	HeaderTableSize       SettingID = 0x01 // octets
	EnablePush            SettingID = 0x02 // 0 or 1
	MaxConcurrentStreams  SettingID = 0x03
	InitialWindowSize     SettingID = 0x04 // octets
	MaxFrameSize          SettingID = 0x05 // octets of payload
	MaxHeaderListSize     SettingID = 0x06 // octets, 32 added for each field
	EnableConnectProtocol SettingID = 0x08 // 0 or 1
	NoRFC7540Priorities   SettingID = 0x09 // 0 or 1
)

var settingNames = [...]string{
	HeaderTableSize:       "HEADER_TABLE_SIZE",
	EnablePush:            "ENABLE_PUSH",
	MaxConcurrentStreams:  "MAX_CONCURRENT_STREAMS",
	InitialWindowSize:     "INITIAL_WINDOW_SIZE",
	MaxFrameSize:          "MAX_FRAME_SIZE",
	MaxHeaderListSize:     "MAX_HEADER_LIST_SIZE",
	EnableConnectProtocol: "ENABLE_CONNECT_PROTOCOL",
	NoRFC7540Priorities:   "NO_RFC7540_PRIORITIES",
}

// String returns the RFC's name without SETTINGS_, or "0x2a" for a setting
// that is not named here.
func (id SettingID) String() string { return nameOf(settingNames[:], uint32(id)) }

// Setting is one entry of a SETTINGS frame.
//
//	+-------------------------------+
//	|       Identifier (16)         |
//	+-------------------------------+-------------------------------+
//	|                          Value (32)                           |
//	+---------------------------------------------------------------+
type Setting struct {
	ID    SettingID
	Value uint32
}

const settingLen = 6 // octets

var (
	errEnablePush     = protocolError("SETTINGS: ENABLE_PUSH not 0 or 1 (RFC 9113 §6.5.2)")
	errInitialWindow  = &Error{Code: FlowControlError, Text: "SETTINGS: INITIAL_WINDOW_SIZE above 2^31-1 (RFC 9113 §6.5.2)"}
	errMaxFrameSize   = protocolError("SETTINGS: MAX_FRAME_SIZE outside 2^14..2^24-1 (RFC 9113 §6.5.2)")
	errEnableConnect  = protocolError("SETTINGS: ENABLE_CONNECT_PROTOCOL not 0 or 1 (RFC 8441 §3)")
	errNoRFC7540Prios = protocolError("SETTINGS: NO_RFC7540_PRIORITIES not 0 or 1 (RFC 9218 §2.1)")
)

// ParseSetting reads the first entry of a SETTINGS payload, which is not empty
// and has passed Check, and returns the entries after it. "The values in the
// SETTINGS frame MUST be processed in the order they appear" (RFC 9113
// §6.5.3).
func ParseSetting(p []byte) (Setting, []byte) {
	return Setting{
		ID:    SettingID(binary.BigEndian.Uint16(p)),
		Value: binary.BigEndian.Uint32(p[2:]),
	}, p[settingLen:]
}

// Check judges the value by the range its setting has. Unknown settings pass.
// The error is an *Error of the connection: the RFCs know no other here.
func (s Setting) Check() error {
	switch {
	case s.ID == EnablePush && s.Value > 1:
		return errEnablePush
	case s.ID == InitialWindowSize && s.Value >= 1<<31:
		return errInitialWindow
	case s.ID == MaxFrameSize && (s.Value < MaxPayloadMin || s.Value > MaxPayloadMax):
		return errMaxFrameSize
	case s.ID == EnableConnectProtocol && s.Value > 1:
		return errEnableConnect
	case s.ID == NoRFC7540Priorities && s.Value > 1:
		return errNoRFC7540Prios
	}
	return nil
}

// AppendSettings appends a SETTINGS frame with these entries, in order.
func AppendSettings(b []byte, settings ...Setting) []byte {
	b = AppendHeader(b, Header{Length: uint32(len(settings) * settingLen), Type: Settings})
	for _, s := range settings {
		b = appendSetting(b, s)
	}
	return b
}

// AppendSettingsAck appends the acknowledgment of a SETTINGS frame (RFC 9113
// §6.5.3).
func AppendSettingsAck(b []byte) []byte {
	return AppendHeader(b, Header{Type: Settings, Flags: FlagAck})
}

func appendSetting(b []byte, s Setting) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(s.ID))
	return binary.BigEndian.AppendUint32(b, s.Value)
}
