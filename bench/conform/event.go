package conform

import (
	"encoding/binary"
	"fmt"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// kind is what happened.
type kind uint8

const (
	gotResponse kind = iota // status and fields
	gotMessage              // a whole message
	gotPong
	gotClose
	gotEnd   // END_STREAM
	gotReset // RST_STREAM
	gotPingAck
	gotGoAway
	gotGone // the connection has ended
)

// event is something that came from the server.
type event struct {
	kind   kind
	stream uint32 // 0: of the connection
	op     ws.Opcode
	data   []byte      // of a message, Pong, Close, GOAWAY or PING
	code   uint32      // error code, or status
	fields []raw.Field // of a response
	end    bool        // a response that is nothing but fields
	text   string      // why the connection has ended
}

func (e event) String() string {
	switch e.kind {
	case gotResponse:
		text := fmt.Sprintf("HEADERS %d with status %d", e.stream, e.code)
		if e.end {
			text += " and END_STREAM"
		}
		return text
	case gotMessage:
		return messageText(e.op, e.data)
	case gotPong:
		return "a Pong" + octetsText(e.data)
	case gotClose:
		return closeText(e.data)
	case gotEnd:
		return fmt.Sprintf("END_STREAM on stream %d", e.stream)
	case gotReset:
		return fmt.Sprintf("RST_STREAM %d %v", e.stream, frame.ErrCode(e.code))
	case gotPingAck:
		return "PING ACK" + octetsText(e.data)
	case gotGoAway:
		return fmt.Sprintf("GOAWAY %v%s", frame.ErrCode(e.code), octetsText(e.data))
	}
	return "the end of the connection (" + e.text + ")"
}

func messageText(op ws.Opcode, data []byte) string {
	if op == ws.OpText {
		return "a text message" + octetsText(data)
	}
	return "a binary message" + octetsText(data)
}

func closeText(payload []byte) string {
	if len(payload) < 2 {
		return "a Close without a code"
	}
	return fmt.Sprintf("a Close %d%s", binary.BigEndian.Uint16(payload), octetsText(payload[2:]))
}

// octetsText is data, if it is short.
func octetsText(data []byte) string {
	const most = 48
	switch {
	case len(data) == 0:
		return ""
	case len(data) > most:
		return fmt.Sprintf(" of %d octets %.*q...", len(data), most, data)
	}
	return fmt.Sprintf(" %q", data)
}
