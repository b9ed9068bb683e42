package frame

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzParse takes octets as a connection would: header, check, payload, next.
// Nothing may panic, what is parsed must lie within the payload, and the text
// of every frame must lead back to its octets.
func FuzzParse(f *testing.F) {
	for _, v := range textVectors {
		f.Add(unhex(v.wire))
	}
	for _, v := range rawVectors {
		f.Add(unhex(v.wire))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		for {
			h, n := ConsumeHeader(wire)
			if n == 0 {
				return
			}
			size := min(n+int(h.Length), len(wire))
			wantRoundTrip(t, wire[:n:n], wire[n:size])
			if payload := wire[n:size]; len(payload) == int(h.Length) && Check(h, MaxPayloadMax) == nil {
				parseAny(t, h, payload)
			}
			wire = wire[size:]
		}
	})
}

// parseAny parses the payload of a frame that passed Check.
func parseAny(t *testing.T, h Header, p []byte) {
	switch h.Type {
	case Data:
		if !h.Flags.Has(FlagPadded) {
			return
		}
		if n, err := DataLen(h, p[0]); err == nil && int(n)+1+int(p[0]) != len(p) {
			t.Errorf("%d of data and %d of padding in %d", n, p[0], len(p))
		}
	case Headers:
		if fragment, err := ParseHeaders(h, p); err == nil && !bytes.Contains(p, fragment) {
			t.Errorf("fragment %x is not of payload %x", fragment, p)
		}
	case RSTStream:
		wantSame(t, AppendRSTStream(nil, h.StreamID, ParseRSTStream(p)), p)
	case Settings:
		var all []Setting
		for rest := p; len(rest) > 0; {
			var s Setting
			s, rest = ParseSetting(rest)
			s.Check()
			all = append(all, s)
		}
		wantSame(t, AppendSettings(nil, all...), p)
	case Ping:
		wantSame(t, AppendPing(nil, false, ParsePing(p)), p)
	case GoAway:
		last, code, debug := ParseGoAway(p)
		wantSame(t, AppendGoAway(nil, last|uint32(p[0])<<24&Reserved, code, debug), p)
	case WindowUpdate:
		if increment, err := ParseWindowUpdate(h, p); (err == nil) != (increment > 0) || increment >= Reserved {
			t.Errorf("increment %d, error %v", increment, err)
		}
	}
}

// wantSame wants a frame to have this payload.
func wantSame(t *testing.T, wire, payload []byte) {
	t.Helper()
	if !bytes.Equal(wire[HeaderLen:], payload) {
		t.Errorf("payload %x came back as %x", payload, wire[HeaderLen:])
	}
}

// FuzzText takes any line. If it means a frame, the frame must have one
// canonical line, which means the same frame.
func FuzzText(f *testing.F) {
	for _, v := range textVectors {
		f.Add(v.line)
	}
	for _, v := range rawVectors {
		f.Add(v.line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		wire, err := ParseText(line)
		if err != nil {
			if wire != nil || !strings.HasPrefix(err.Error(), "frame: ") {
				t.Errorf("%q is read %x, error %v", line, wire, err)
			}
			return
		}
		wantRoundTrip(t, wire[:HeaderLen:HeaderLen], wire[HeaderLen:])
	})
}
