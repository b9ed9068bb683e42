package conform

import (
	"fmt"
	"slices"
	"strings"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
)

// transcript is what was said, of which a long one keeps both ends.
type transcript struct {
	said    []line
	dropped int
}

// line is one frame.
type line struct {
	sent    bool
	h       frame.Header
	payload []byte // the beginning
	text    string // instead, for what is no frame
	fields  []raw.Field
}

const (
	linesEnd   = 60 // kept of each end
	payloadEnd = 160
)

func (t *transcript) add(l line) {
	l.payload = slices.Clone(l.payload[:min(len(l.payload), payloadEnd)])
	if len(t.said) == 2*linesEnd {
		t.said = slices.Delete(t.said, linesEnd, linesEnd+1)
		t.dropped++
	}
	t.said = append(t.said, l)
}

// addSent takes octets apart into frames.
func (t *transcript) addSent(p []byte, fields []raw.Field) {
	for len(p) > 0 {
		h, n := frame.ConsumeHeader(p)
		if n == 0 || uint32(len(p)-n) < h.Length || strings.HasPrefix(string(p), "PRI ") {
			t.add(line{sent: true, text: fmt.Sprintf("OCTETS %.80q", p)})
			return
		}
		end := n + int(h.Length)
		t.add(line{sent: true, h: h, payload: p[n:end], fields: fields})
		p = p[end:]
	}
}

func (t *transcript) lines() (lines []string) {
	for i, l := range t.said {
		if i == linesEnd && t.dropped > 0 {
			lines = append(lines, fmt.Sprintf("  ... (%d lines more)", t.dropped))
		}
		lines = append(lines, l.String())
	}
	return lines
}

func (l line) String() string {
	direction := "< "
	if l.sent {
		direction = "> "
	}
	switch {
	case l.text != "":
		return direction + l.text
	case l.h.Type == frame.Headers && l.fields != nil:
		h := l.h
		h.Length = 0
		h.Flags &^= frame.FlagPadded | frame.FlagPriority
		return direction + raw.Text(h, nil) + fieldsText(l.fields)
	case l.h.Type == frame.Data && l.h.Flags&^frame.FlagEndStream == 0 && int(l.h.Length) == len(l.payload):
		return direction + l.frameText() + annotation(l.payload)
	}
	return direction + l.frameText()
}

// frameText is the frame, with the payload as far as it was kept.
func (l line) frameText() string {
	h := l.h
	if short := uint32(len(l.payload)); short < h.Length {
		text := fmt.Sprintf("%s ... (%d octets in all)", raw.Text(frame.Header{Length: short, Type: h.Type, Flags: h.Flags, StreamID: h.StreamID}, l.payload), h.Length)
		return text
	}
	return raw.Text(h, l.payload)
}

// annotation is the payload of DATA as WebSocket frames, if it consists of whole ones.
func annotation(p []byte) string {
	text, whole := raw.WSText(p)
	if !whole || text == "" {
		return ""
	}
	return "  (" + text + ")"
}

func fieldsText(fields []raw.Field) string {
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, " {%s: %.60s}", f.Name, f.Value)
	}
	return b.String()
}
