package conform

import (
	"slices"
	"strconv"
	"strings"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
)

// recvHeaders collects a field block and acts on it when it is whole.
func (d *dialogue) recvHeaders(f raw.Frame) error {
	fragment := f.Payload
	if f.Type == frame.Headers {
		var err error
		if fragment, err = frame.ParseHeaders(f.Header, f.Payload); err != nil {
			return breach(f, err.Error())
		}
		d.blockHeader = f.Header
	} else if d.block == nil {
		return breach(f, "CONTINUATION without HEADERS (RFC 9113 §6.10)")
	}
	d.block = append(d.block, fragment...)
	if !f.Flags.Has(frame.FlagEndHeaders) {
		d.block = slices.Grow(d.block, 1)
		return nil
	}
	if d.tableLower && (len(d.block) == 0 || d.block[0]&0xe0 != sizeUpdate) {
		return breach(f, "no table size update, though HEADER_TABLE_SIZE was lowered (RFC 9113 §4.3.1, RFC 7541 §4.2)")
	}
	d.tableLower = false
	fields, err := d.decoder.DecodeFull(d.block)
	d.block = nil
	if err != nil {
		return breach(f, err.Error())
	}
	d.log.said[len(d.log.said)-1].fields = fields
	return d.recvFields(f, fields)
}

// sizeUpdate is what the first octet of a dynamic table size update begins with (RFC 7541 §6.3).
const sizeUpdate = 0x20

// recvFields takes a response, or trailers.
func (d *dialogue) recvFields(f raw.Frame, fields []raw.Field) error {
	s := d.streams[f.StreamID]
	end := d.blockHeader.Flags.Has(frame.FlagEndStream)
	switch {
	case s == nil:
		return breach(f, "the stream is idle (RFC 9113 §5.1)")
	case s.ended || s.reset:
		return breach(f, "HEADERS on a closed stream (RFC 9113 §5.1)")
	case s.status != 0:
		return d.recvTrailers(s, f, fields, end)
	}
	if rule := malformed(fields); rule != "" {
		return breach(f, rule)
	}
	status, _ := strconv.Atoi(fields[0].Value)
	if status < 200 {
		d.allow("status %d before the final response, which some clients do not take", status)
		return nil
	}
	s.status, s.ended = status, end
	if s.connect && status/100 == 2 {
		if rule := d.judgeAccept(s, fields); rule != "" {
			return breach(f, rule)
		}
	}
	d.note(s, event{kind: gotResponse, code: uint32(status), fields: fields, end: end})
	return nil
}

func (d *dialogue) recvTrailers(s *stream, f raw.Frame, fields []raw.Field, end bool) error {
	pseudo := slices.ContainsFunc(fields, func(f raw.Field) bool { return strings.HasPrefix(f.Name, ":") })
	if !end || pseudo {
		return breach(f, "trailers without END_STREAM or with pseudo-header fields (RFC 9113 §8.1)")
	}
	if s.status == 200 && s.connect {
		d.allow("trailers where END_STREAM would do (RFC 8441 §5)")
	}
	s.ended = true
	d.note(s, event{kind: gotEnd})
	return nil
}

// malformed returns the rule that a response's fields break whatever was asked, or "".
func malformed(fields []raw.Field) (rule string) {
	if len(fields) == 0 || fields[0].Name != ":status" {
		return "no :status in front (RFC 9113 §8.3.2)"
	}
	if n, err := strconv.Atoi(fields[0].Value); err != nil || len(fields[0].Value) != 3 || n < 100 {
		return "the :status is not one (RFC 9110 §15)"
	}
	for _, f := range fields[1:] {
		switch {
		case strings.HasPrefix(f.Name, ":"):
			return "a pseudo-header field other than :status (RFC 9113 §8.3.2)"
		case f.Name == "" || strings.ToLower(f.Name) != f.Name:
			return "a field name that is not in lower case (RFC 9113 §8.2.1)"
		case slices.Contains(ofConnection, f.Name):
			return "a connection-specific field (RFC 9113 §8.2.2)"
		}
	}
	return ""
}

var ofConnection = []string{"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}

// judgeAccept returns the rule that an accepted opening handshake breaks, or "".
func (d *dialogue) judgeAccept(s *stream, fields []raw.Field) (rule string) {
	chosen := 0
	for _, f := range fields {
		switch f.Name {
		case "content-length":
			return "content-length in a 2xx to CONNECT (RFC 9110 §8.6)"
		case "sec-websocket-accept":
			d.allow("sec-websocket-accept, which nobody asked for (RFC 8441 §5)")
		case "sec-websocket-extensions":
			for extension := range strings.SplitSeq(f.Value, ",") {
				name, _, _ := strings.Cut(extension, ";")
				if !slices.Contains(s.offered("sec-websocket-extensions"), strings.TrimSpace(name)) {
					return "an extension that was not offered (RFC 6455 §4.1)"
				}
			}
		case "sec-websocket-protocol":
			if chosen++; chosen > 1 || !slices.Contains(s.offered("sec-websocket-protocol"), f.Value) {
				return "a subprotocol that was not offered, or two (RFC 6455 §4.1)"
			}
		}
	}
	return ""
}
