package conform

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf8"

	"h2ws/bench/raw"
	"h2ws/ws"
)

// stream is a request, and the WebSocket it may become.
type stream struct {
	id      uint32
	request []raw.Field
	connect bool // an extended CONNECT
	status  int  // of the final response; 0: none has come

	sendWindow, recvWindow int64

	rest    []byte // beginning of a frame
	message []byte // of the message that has begun
	op      ws.Opcode
	begun   bool
	closed  bool // the server's Close has come
	ended   bool // its END_STREAM
	reset   bool // its RST_STREAM

	over    bool // to the steps it is: a reset may still come
	dropped bool // by a reset of the client's: anything may still come
}

// offered returns the elements of a list field of the request, without parameters.
func (s *stream) offered(name string) (all []string) {
	for _, f := range s.request {
		if f.Name != name {
			continue
		}
		for element := range strings.SplitSeq(f.Value, ",") {
			element, _, _ = strings.Cut(element, ";")
			all = append(all, strings.TrimSpace(element))
		}
	}
	return all
}

// recvSocket takes octets of a WebSocket. It returns the rule that the server has broken, or "".
func (d *dialogue) recvSocket(s *stream, p []byte) (rule string) {
	s.rest = append(s.rest, p...)
	for {
		h, n := ws.ConsumeHeader(s.rest)
		if n == 0 {
			return ""
		}
		if rule := s.judgeFrame(h, n); rule != "" {
			return rule
		}
		if h.Length > uint64(len(s.rest)-n) {
			return ""
		}
		payload := slices.Clone(s.rest[n : n+int(h.Length)])
		s.rest = s.rest[n+int(h.Length):]
		if rule := d.recvPart(s, h, payload); rule != "" {
			return rule
		}
	}
}

// judgeFrame returns the rule that the header of a frame from a server breaks, or "".
func (s *stream) judgeFrame(h ws.Header, n int) (rule string) {
	op := h.Opcode()
	switch {
	case s.closed:
		return "a frame after Close (RFC 6455 §5.5.1)"
	case h.Masked:
		return "a masked frame from a server (RFC 6455 §5.1)"
	case h.RSV() != 0:
		return "a reserved bit without an extension (RFC 6455 §5.2)"
	case op > ws.OpBinary && op < ws.OpClose || op > ws.OpPong:
		return "a reserved opcode (RFC 6455 §5.2)"
	case op.Control() && (!h.Fin() || h.Length > ws.ControlLenMax):
		return "a control frame that is fragmented or longer than 125 octets (RFC 6455 §5.5)"
	case h.Length>>63 != 0 || n != ws.HeaderLen(int(h.Length)):
		return "a length not in its shortest form (RFC 6455 §5.2)"
	case op == ws.OpContinuation && !s.begun:
		return "a continuation of nothing (RFC 6455 §5.4)"
	case (op == ws.OpText || op == ws.OpBinary) && s.begun:
		return "a message inside of a fragmented one (RFC 6455 §5.4)"
	}
	return ""
}

func (d *dialogue) recvPart(s *stream, h ws.Header, payload []byte) (rule string) {
	switch op := h.Opcode(); op {
	case ws.OpPing:
		d.sendOn(s, raw.WSFrame{Op: ws.OpPong, Payload: payload}.Append(nil))
		return ""
	case ws.OpPong:
		d.note(s, event{kind: gotPong, data: payload})
		return ""
	case ws.OpClose:
		s.closed = true
		d.note(s, event{kind: gotClose, data: payload})
		return judgeClose(payload)
	case ws.OpText, ws.OpBinary:
		s.op, s.message = op, payload
	default:
		s.message = append(s.message, payload...)
	}
	if s.begun = !h.Fin(); s.begun {
		return ""
	}
	d.note(s, event{kind: gotMessage, op: s.op, data: s.message})
	if s.op == ws.OpText && !utf8.Valid(s.message) {
		return "text that is not UTF-8 (RFC 6455 §5.6)"
	}
	return ""
}

// judgeClose returns the rule that the server's Close breaks, or "".
func judgeClose(payload []byte) (rule string) {
	switch {
	case len(payload) == 0:
		return ""
	case len(payload) == 1:
		return "a Close of one octet (RFC 6455 §5.5.1)"
	case !mayBeSent(binary.BigEndian.Uint16(payload)):
		return "a code that must not be sent (RFC 6455 §7.4)"
	case !utf8.Valid(payload[2:]):
		return "a reason that is not UTF-8 (RFC 6455 §5.5.1)"
	}
	return ""
}

// mayBeSent is about codes that RFC 6455 §7.4 rules out for a Close frame. Those that nobody has defined yet are not
// among them.
func mayBeSent(code uint16) bool {
	return code >= 1000 && code != uint16(ws.CloseNoStatus) && code != uint16(ws.CloseAbnormal) && code != uint16(ws.CloseTLSHandshake)
}
