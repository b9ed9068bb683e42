package frame

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// ParseText returns the frame, header and payload, that a line in the notation
// of AppendText describes. Words are separated by blanks; octets may be given
// in any number of words, hexadecimal and quoted in any mixture. A violation
// that the notation can express, such as DATA on stream 0, is not an error.
func ParseText(line string) (wire []byte, err error) {
	words, err := splitWords(line)
	r := wordReader{words: words, err: err}
	h, payload := r.frame()
	if len(r.words) > 0 {
		r.fail("unexpected word " + r.words[0])
	}
	if r.err != nil {
		return nil, fmt.Errorf("frame: %w in %.200q", r.err, line)
	}
	return append(AppendHeader(nil, h), payload...), nil
}

func (r *wordReader) frame() (h Header, payload []byte) {
	name := r.next()
	if name == "RAW" {
		return r.raw()
	}
	h.Type = Type(r.name(name, typeNames[:]))
	if s := shapes[h.Type]; s.place != onConnection {
		h.StreamID = r.decimal(r.next(), Reserved-1)
	}
	h.Flags = r.flags(h.Type)
	payload = r.payload(&h)
	if len(payload) > MaxPayloadMax {
		r.fail("payload longer than a header can tell")
		return Header{}, nil
	}
	h.Length = uint32(len(payload))
	return h, payload
}

// payload reads what follows the flags, and sets those that pad= and dep= stand
// for.
func (r *wordReader) payload(h *Header) []byte {
	pad, hasPad := r.pad(h)
	var p []byte
	switch h.Type {
	case Headers:
		p = append(r.headersPriority(h), r.octets()...)
	case Priority:
		p = r.priority()
	case RSTStream:
		p = r.errCode()
	case Settings:
		p = r.settings()
	case PushPromise:
		p = append(r.keyed("promised"), r.octets()...)
	case GoAway:
		p = append(append(r.keyed("last"), r.errCode()...), r.octets()...)
	case WindowUpdate:
		p = r.keyed("increment")
	default: // DATA, PING, CONTINUATION
		p = r.octets()
	}
	if !hasPad {
		return p
	}
	return append(slices.Concat([]byte{pad}, p), make([]byte, pad)...)
}

// raw reads what follows RAW. The length stands as it is given.
func (r *wordReader) raw() (h Header, payload []byte) {
	h.Length = r.decimal(r.value("length"), MaxPayloadMax)
	h.Type = Type(r.nameOrHex(r.value("type"), typeNames[:], 1<<8-1))
	h.Flags = Flags(r.hexadecimal(r.value("flags"), 1<<8-1))
	if stream := r.value("stream"); strings.HasPrefix(stream, "0x") {
		h.StreamID = r.hexadecimal(stream, 1<<32-1)
	} else {
		h.StreamID = r.decimal(stream, Reserved-1)
	}
	return h, r.octets()
}

// flags reads the word of flags if there is one: it alone begins with a capital
// letter and has no value. RST_STREAM has none, and an error code in its place.
func (r *wordReader) flags(t Type) (flags Flags) {
	if t == RSTStream || !startsUpper(r.peek()) || strings.Contains(r.peek(), "=") {
		return 0
	}
	for name := range strings.SplitSeq(r.next(), "|") {
		i := slices.IndexFunc(flagNames[:], func(f flagName) bool { return f.name == name && f.of(t) })
		if i < 0 {
			r.fail("unknown flag " + name)
			return 0
		}
		flags |= flagNames[i].flag
	}
	return flags
}

func startsUpper(word string) bool { return word != "" && 'A' <= word[0] && word[0] <= 'Z' }

// pad reads pad= if the type has it and it is there.
func (r *wordReader) pad(h *Header) (pad uint8, ok bool) {
	if !shapes[h.Type].flags.Has(FlagPadded) || !strings.HasPrefix(r.peek(), "pad=") {
		return 0, false
	}
	h.Flags |= FlagPadded
	return uint8(r.decimal(r.value("pad"), 1<<8-1)), true
}

// headersPriority reads the priority fields of HEADERS if they are there.
func (r *wordReader) headersPriority(h *Header) []byte {
	if !strings.HasPrefix(r.peek(), "dep=") {
		return nil
	}
	h.Flags |= FlagPriority
	return r.priority()
}

func (r *wordReader) priority() []byte {
	dependency := r.decimal(r.value("dep"), Reserved-1)
	weight := r.decimal(r.value("weight"), 1<<8)
	if weight == 0 {
		r.fail("weight 0")
	}
	exclusive := r.peek() == "exclusive"
	if exclusive {
		r.next()
	}
	return appendPriorityFields(nil, dependency, exclusive, uint8(weight-1))
}

func (r *wordReader) settings() (p []byte) {
	for len(r.words) > 0 {
		name, value, _ := strings.Cut(r.next(), "=")
		id := r.nameOrHex(name, settingNames[:], 1<<16-1)
		p = appendSetting(p, Setting{SettingID(id), r.decimal(value, 1<<32-1)})
	}
	return p
}

func (r *wordReader) errCode() []byte {
	return binary.BigEndian.AppendUint32(nil, r.nameOrHex(r.next(), errCodeNames[:], 1<<32-1))
}

// keyed reads key=N, a number of 31 bits behind a reserved one.
func (r *wordReader) keyed(key string) []byte {
	return binary.BigEndian.AppendUint32(nil, r.decimal(r.value(key), Reserved-1))
}
