package frame

import "encoding/binary"

// The functions in this file append one whole frame to b. None splits: that a
// payload fits the peer's MAX_FRAME_SIZE is the caller's to know.

// AppendData appends a DATA frame without padding.
func AppendData(b []byte, id uint32, flags Flags, payload []byte) []byte {
	return appendFrame(b, Data, flags, id, payload)
}

// AppendHeaders appends a HEADERS frame with a field block, or with the
// beginning of one if flags lack FlagEndHeaders.
func AppendHeaders(b []byte, id uint32, flags Flags, block []byte) []byte {
	return appendFrame(b, Headers, flags, id, block)
}

// AppendContinuation appends a CONTINUATION frame with more of a field block.
func AppendContinuation(b []byte, id uint32, flags Flags, block []byte) []byte {
	return appendFrame(b, Continuation, flags, id, block)
}

// AppendPriority appends a PRIORITY frame, which RFC 9113 §6.3 deprecates but
// clients still send. The weight is the octet on the wire, one less than what
// it means.
func AppendPriority(b []byte, id, dependency uint32, exclusive bool, weight uint8) []byte {
	b = AppendHeader(b, Header{Length: priorityLen, Type: Priority, StreamID: id})
	return appendPriorityFields(b, dependency, exclusive, weight)
}

// AppendRSTStream appends an RST_STREAM frame.
func AppendRSTStream(b []byte, id uint32, code ErrCode) []byte {
	b = AppendHeader(b, Header{Length: 4, Type: RSTStream, StreamID: id})
	return binary.BigEndian.AppendUint32(b, uint32(code))
}

// AppendPing appends a PING frame, or with ack the acknowledgment of one.
func AppendPing(b []byte, ack bool, data [8]byte) []byte {
	h := Header{Length: 8, Type: Ping}
	if ack {
		h.Flags = FlagAck
	}
	return append(AppendHeader(b, h), data[:]...)
}

// AppendGoAway appends a GOAWAY frame; last is the highest stream the sender
// acted on or may yet act on.
func AppendGoAway(b []byte, last uint32, code ErrCode, debug []byte) []byte {
	b = AppendHeader(b, Header{Length: uint32(8 + len(debug)), Type: GoAway})
	b = binary.BigEndian.AppendUint32(b, last)
	b = binary.BigEndian.AppendUint32(b, uint32(code))
	return append(b, debug...)
}

// AppendWindowUpdate appends a WINDOW_UPDATE frame; id 0 is the connection, the
// increment is in octets, 1..2^31-1.
func AppendWindowUpdate(b []byte, id uint32, increment uint32) []byte {
	b = AppendHeader(b, Header{Length: 4, Type: WindowUpdate, StreamID: id})
	return binary.BigEndian.AppendUint32(b, increment)
}

func appendFrame(b []byte, t Type, flags Flags, id uint32, payload []byte) []byte {
	b = AppendHeader(b, Header{Length: uint32(len(payload)), Type: t, Flags: flags, StreamID: id})
	return append(b, payload...)
}

func appendPriorityFields(b []byte, dependency uint32, exclusive bool, weight uint8) []byte {
	if exclusive {
		dependency |= Reserved // the same bit, with a meaning here
	}
	return append(binary.BigEndian.AppendUint32(b, dependency), weight)
}
