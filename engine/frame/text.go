package frame

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// AppendText appends the text notation of a frame to dst: one line, without
// the newline. ParseText is its inverse, for every frame there is:
//
//	DATA 1 END_STREAM 0x8105 "hello"
//	HEADERS 1 END_STREAM|END_HEADERS pad=2 dep=0 weight=16 exclusive 0x8286
//	PRIORITY 3 dep=1 weight=16 exclusive
//	RST_STREAM 1 CANCEL
//	SETTINGS ENABLE_CONNECT_PROTOCOL=1 MAX_CONCURRENT_STREAMS=100
//	SETTINGS ACK
//	PUSH_PROMISE 1 END_HEADERS pad=2 promised=2 0x8286
//	PING ACK 0x0102030405060708
//	GOAWAY last=1 NO_ERROR "debug"
//	WINDOW_UPDATE 0 increment=65535
//	CONTINUATION 1 END_HEADERS 0x8286
//	RAW length=3 type=0x2a flags=0x00 stream=0 0x010203
//
// The number after the type is the stream. A flag, a pad and a priority that
// are not set are not written; pad= and dep= stand for their flags. Names the
// RFCs do not give are hexadecimal numbers. Octets are written in hexadecimal
// and, in DATA and GOAWAY, as Go strings where several printable ones of ASCII
// follow each other.
//
// RAW is every frame that the other lines cannot tell: of an unknown type, too
// short or too long for its type, with undefined flags, with reserved bits or
// padding that are not zero. Its length is what the header says, which the
// octets need not bear out, and its stream can have the Reserved bit.
func AppendText(dst []byte, h Header, payload []byte) []byte {
	if !telling(h, payload) {
		return appendRaw(dst, h, payload)
	}
	switch h.Type {
	case Data:
		return appendDataText(dst, h, payload)
	case Headers:
		return appendHeadersText(dst, h, payload)
	case Priority:
		return appendPriorityText(appendStart(dst, h), payload)
	case RSTStream:
		return append(appendStart(dst, h), " "+ParseRSTStream(payload).String()...)
	case Settings:
		return appendSettingsText(dst, h, payload)
	case PushPromise:
		return appendPushPromiseText(dst, h, payload)
	case Ping:
		return appendHex(appendFlags(append(dst, "PING"...), h), payload)
	case GoAway:
		return appendGoAwayText(dst, payload)
	case WindowUpdate:
		return appendNumber(appendStart(dst, h), " increment=", binary.BigEndian.Uint32(payload))
	case Continuation:
		return appendHex(appendStart(dst, h), payload)
	}
	panic("BUG: frame: a type with a shape and without a text")
}

// telling says whether the line of the frame's type tells all there is.
func telling(h Header, p []byte) bool {
	if int(h.Type) >= len(shapes) || uint32(len(p)) != h.Length || h.StreamID >= Reserved {
		return false
	}
	s := &shapes[h.Type]
	if h.Flags&^s.flags != 0 || !s.measured(h) || s.place == onConnection && h.StreamID != 0 {
		return false
	}
	p, ok := stripZeros(h, p)
	switch h.Type {
	case PushPromise:
		return ok && len(p) >= 4 && p[0]&0x80 == 0
	case Headers:
		return ok && len(p) >= priorityFields(h)
	case GoAway, WindowUpdate:
		return p[0]&0x80 == 0
	}
	return ok
}

// stripZeros returns the payload without its padding. It reports false if the
// padding is not all there or not all zero; "padding octets MUST be set to
// zero when sending" (RFC 9113 §6.1).
func stripZeros(h Header, p []byte) ([]byte, bool) {
	if !padded(h) {
		return p, true
	}
	pad := int(p[0])
	if pad >= len(p) {
		return nil, false
	}
	end := len(p) - pad
	for _, octet := range p[end:] {
		if octet != 0 {
			return nil, false
		}
	}
	return p[1:end], true
}

// padded says whether the payload begins with a pad length.
func padded(h Header) bool {
	return (h.Flags & shapes[h.Type].flags).Has(FlagPadded)
}

func appendDataText(dst []byte, h Header, p []byte) []byte {
	dst = appendPad(appendStart(dst, h), h, p)
	p, _ = stripZeros(h, p)
	return appendOctets(dst, p)
}

func appendHeadersText(dst []byte, h Header, p []byte) []byte {
	dst = appendPad(appendStart(dst, h), h, p)
	p, _ = stripZeros(h, p)
	if h.Flags.Has(FlagPriority) {
		dst = appendPriorityText(dst, p)
		p = p[priorityLen:]
	}
	return appendHex(dst, p)
}

func appendPriorityText(dst []byte, p []byte) []byte {
	dst = appendNumber(dst, " dep=", binary.BigEndian.Uint32(p)&^Reserved)
	dst = appendNumber(dst, " weight=", uint32(p[4])+1)
	if p[0]&0x80 != 0 {
		dst = append(dst, " exclusive"...)
	}
	return dst
}

func appendSettingsText(dst []byte, h Header, p []byte) []byte {
	dst = appendFlags(append(dst, "SETTINGS"...), h)
	for len(p) > 0 {
		var s Setting
		s, p = ParseSetting(p)
		dst = append(append(dst, ' '), s.ID.String()...)
		dst = appendNumber(dst, "=", s.Value)
	}
	return dst
}

func appendPushPromiseText(dst []byte, h Header, p []byte) []byte {
	dst = appendPad(appendStart(dst, h), h, p)
	p, _ = stripZeros(h, p)
	dst = appendNumber(dst, " promised=", binary.BigEndian.Uint32(p))
	return appendHex(dst, p[4:])
}

func appendGoAwayText(dst []byte, p []byte) []byte {
	last, code, debug := ParseGoAway(p)
	dst = appendNumber(dst, "GOAWAY last=", last)
	dst = append(append(dst, ' '), code.String()...)
	return appendOctets(dst, debug)
}

func appendRaw(dst []byte, h Header, p []byte) []byte {
	dst = appendNumber(dst, "RAW length=", h.Length)
	dst = append(append(dst, " type="...), h.Type.String()...)
	dst = hex.AppendEncode(append(dst, " flags=0x"...), []byte{byte(h.Flags)})
	dst = append(dst, " stream="...)
	if h.StreamID < Reserved {
		dst = strconv.AppendUint(dst, uint64(h.StreamID), 10)
	} else {
		dst = strconv.AppendUint(append(dst, "0x"...), uint64(h.StreamID), 16)
	}
	return appendHex(dst, p)
}

// appendStart appends the type, the stream, and the flags if there are any.
func appendStart(dst []byte, h Header) []byte {
	dst = append(append(dst, h.Type.String()...), ' ')
	return appendFlags(strconv.AppendUint(dst, uint64(h.StreamID), 10), h)
}

func appendFlags(dst []byte, h Header) []byte {
	separator := byte(' ')
	for _, f := range flagNames {
		if f.of(h.Type) && h.Flags.Has(f.flag) {
			dst = append(append(dst, separator), f.name...)
			separator = '|'
		}
	}
	return dst
}

// flagNames are the flags that are written as such; pad= and dep= stand for
// the others.
var flagNames = [...]flagName{
	{"ACK", FlagAck, 1<<Settings | 1<<Ping},
	{"END_STREAM", FlagEndStream, 1<<Data | 1<<Headers},
	{"END_HEADERS", FlagEndHeaders, 1<<Headers | 1<<PushPromise | 1<<Continuation},
}

type flagName struct {
	name  string
	flag  Flags
	types uint16 // a bit for each type that has the flag
}

func (f flagName) of(t Type) bool { return f.types>>t&1 != 0 }

func appendPad(dst []byte, h Header, p []byte) []byte {
	if !padded(h) {
		return dst
	}
	return appendNumber(dst, " pad=", uint32(p[0]))
}

func appendNumber(dst []byte, key string, v uint32) []byte {
	return strconv.AppendUint(append(dst, key...), uint64(v), 10)
}

// quotedMin is how many printable octets in a row read better as a string. A
// shorter run is more often the accident of binary data.
const quotedMin = 4

// appendOctets appends p in words of hexadecimal digits and strings.
func appendOctets(dst []byte, p []byte) []byte {
	start := 0 // of what is not written yet
	for i := 0; i < len(p); {
		n := printable(p[i:])
		if n < quotedMin && n < len(p) {
			i += max(n, 1)
			continue
		}
		dst = appendHex(dst, p[start:i])
		dst = strconv.AppendQuote(append(dst, ' '), string(p[i:i+n]))
		i += n
		start = i
	}
	return appendHex(dst, p[start:])
}

// printable returns how many octets at the start of p are printable ASCII.
func printable(p []byte) int {
	for i, octet := range p {
		if octet < ' ' || octet > '~' {
			return i
		}
	}
	return len(p)
}

// appendHex appends a word of hexadecimal digits, nothing if p is empty.
func appendHex(dst []byte, p []byte) []byte {
	if len(p) == 0 {
		return dst
	}
	return hex.AppendEncode(append(dst, " 0x"...), p)
}
