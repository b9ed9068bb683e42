package raw

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"h2ws/ws"
)

// Form is how a frame tells its length (RFC 6455 §5.2).
type Form uint8

const (
	Shortest Form = iota // as the RFC demands
	Form16               // 126 and 16 bits
	Form64               // 127 and 64 bits
)

// WSFrame is a client's frame of RFC 6455 §5.2 with every bit free. Its zero value is a legal empty
// continuation frame that ends a message.
type WSFrame struct {
	Op       ws.Opcode
	Open     bool // without FIN: fragments follow
	RSV      byte // RSV1 is 4, RSV2 2, RSV3 1
	Unmasked bool
	Key      uint32 // its highest octet is the first on the wire
	Form     Form
	Declared uint64 // length in the header; 0: that of Payload
	Payload  []byte // borrowed
}

// Append appends the frame to b.
func (f WSFrame) Append(b []byte) []byte {
	first := byte(f.Op) | f.RSV<<4
	if !f.Open {
		first |= 0x80
	}
	b = f.appendLength(append(b, first))
	if f.Unmasked {
		return append(b, f.Payload...)
	}
	key := binary.BigEndian.AppendUint32(nil, f.Key)
	b = append(b, key...)
	for i, octet := range f.Payload {
		b = append(b, octet^key[i%4])
	}
	return b
}

func (f WSFrame) appendLength(b []byte) []byte {
	masked := byte(0x80)
	if f.Unmasked {
		masked = 0
	}
	n := f.Declared
	if n == 0 {
		n = uint64(len(f.Payload))
	}
	switch {
	case f.Form == Form64 || n > 0xffff:
		return binary.BigEndian.AppendUint64(append(b, masked|127), n)
	case f.Form == Form16 || n > 125:
		return binary.BigEndian.AppendUint16(append(b, masked|126), uint16(n))
	}
	return append(b, masked|byte(n))
}

// WSText describes the WebSocket frames that p consists of, unmasked. whole says whether it ends with one.
func WSText(p []byte) (text string, whole bool) {
	var b []byte
	for len(p) > 0 {
		h, n := ws.ConsumeHeader(p)
		if n == 0 || h.Length > uint64(len(p)-n) {
			return string(b), false
		}
		payload := p[n : n+int(h.Length)]
		p = p[n+int(h.Length):]
		if len(b) > textPayloadMax {
			return string(append(b, " ..."...)), true
		}
		if len(b) > 0 {
			b = append(b, ' ')
		}
		if b = append(b, wsName(h)...); len(payload) > 0 {
			b = strconv.AppendQuote(append(b, ' '), unmasked(h, payload))
		}
	}
	return string(b), true
}

func wsName(h ws.Header) string {
	name := map[ws.Opcode]string{
		ws.OpContinuation: "continuation", ws.OpText: "text", ws.OpBinary: "binary",
		ws.OpClose: "close", ws.OpPing: "ping", ws.OpPong: "pong",
	}[h.Opcode()]
	if name == "" {
		name = fmt.Sprintf("opcode %#x", byte(h.Opcode()))
	}
	if h.RSV() != 0 {
		name += fmt.Sprintf(" rsv=%d", h.RSV())
	}
	if !h.Fin() {
		name += " unfinished"
	}
	return name
}

// unmasked returns the beginning of a payload.
func unmasked(h ws.Header, payload []byte) string {
	var key [4]byte
	binary.LittleEndian.PutUint32(key[:], h.Key)
	p := append([]byte(nil), payload[:min(len(payload), 32)]...)
	for i := range p {
		p[i] ^= key[i%4]
	}
	if len(payload) > len(p) {
		return string(p) + "..."
	}
	return string(p)
}
