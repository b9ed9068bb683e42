package bench

import (
	"encoding/binary"
	"time"

	"h2ws/ws"
)

// head is what a published message begins with, as far as it has room, most significant octet first:
//
//	sequence number (64) | time of publishing (64) | publisher (32) | zeros
type head struct {
	sequence  uint64 // counted from 1 by each publisher
	at        int64  // nanoseconds since 1970
	publisher uint32 // 0: "!B"
}

// What of a message must be there to read the sequence number, and the whole head, in octets.
const (
	sequenceSize = 8
	headSize     = 20
)

// parseHead reads the head of a message of at least headSize octets.
func parseHead(p []byte) head {
	return head{
		sequence:  binary.BigEndian.Uint64(p),
		at:        int64(binary.BigEndian.Uint64(p[8:])),
		publisher: binary.BigEndian.Uint32(p[16:]),
	}
}

// put writes the head over the beginning of payload.
func (h head) put(payload []byte) {
	var b [headSize]byte
	binary.BigEndian.PutUint64(b[:], h.sequence)
	binary.BigEndian.PutUint64(b[8:], uint64(h.at))
	binary.BigEndian.PutUint32(b[16:], h.publisher)
	copy(payload, b[:])
}

// frameNow frames payload, which is overwritten, as a message published now: once for all sockets.
func frameNow(publisher uint32, sequence uint64, payload []byte) *ws.Prepared {
	head{sequence, time.Now().UnixNano(), publisher}.put(payload)
	m, err := ws.Prepare(ws.Binary, payload)
	if err != nil {
		panic("BUG: bench: " + err.Error())
	}
	return m
}
