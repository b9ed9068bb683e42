package bench

import (
	"encoding/binary"
	"math"
	"time"

	"h2ws/ws"
)

// head is what a published message begins with, as far as it has room, most significant octet first:
//
//	sequence number (64) | time of publishing (64) | publisher (32) | lateness (32) | zeros
type head struct {
	sequence  uint64 // counted from 1 by each publisher
	at        int64  // nanoseconds since 1970
	publisher uint32 // 0: "!B"
	late      uint32 // microseconds that it was due before; 0: it was not, or there is no room for it
}

// What of a message must be there to read the sequence number, the head but for lateness, and all of it, in octets.
const (
	sequenceSize = 8
	headSize     = 20
	lateSize     = 24
)

// parseHead reads the head of a message of at least headSize octets.
func parseHead(p []byte) head {
	h := head{
		sequence:  binary.BigEndian.Uint64(p),
		at:        int64(binary.BigEndian.Uint64(p[8:])),
		publisher: binary.BigEndian.Uint32(p[16:]),
	}
	if len(p) >= lateSize {
		h.late = binary.BigEndian.Uint32(p[20:])
	}
	return h
}

// lateness is how long before at the message was due.
func (h head) lateness() time.Duration { return time.Duration(h.late) * time.Microsecond }

// put writes the head over the beginning of payload.
func (h head) put(payload []byte) {
	var b [lateSize]byte
	binary.BigEndian.PutUint64(b[:], h.sequence)
	binary.BigEndian.PutUint64(b[8:], uint64(h.at))
	binary.BigEndian.PutUint32(b[16:], h.publisher)
	binary.BigEndian.PutUint32(b[20:], h.late)
	copy(payload, b[:])
}

// frameNow frames payload, which is overwritten, as a message published now, and late: once for all sockets.
func frameNow(publisher uint32, sequence uint64, late time.Duration, payload []byte) *ws.Prepared {
	us := uint32(min(max(0, late.Microseconds()), math.MaxUint32))
	head{sequence, time.Now().UnixNano(), publisher, us}.put(payload)
	m, err := ws.Prepare(ws.Binary, payload)
	if err != nil {
		panic("BUG: bench: " + err.Error())
	}
	return m
}
