package wsconn

import (
	"encoding/binary"

	"h2ws/ws"
)

// inbox is messages back to back, each behind its type and length, so that a
// thousand messages of nothing take no more than the frames that brought them.
//
// 0 <= head <= len(b).
type inbox struct {
	b    []byte
	head int // the first message that was not taken
}

const (
	inboxHeaderLen = 5 // type and length
	// inboxKeep is the largest buffer that an empty inbox keeps.
	inboxKeep = 1 << 10
)

func (i *inbox) size() int { return len(i.b) - i.head }

// put copies a message.
func (i *inbox) put(t ws.MessageType, data []byte) {
	if i.head > 0 && len(i.b)+inboxHeaderLen+len(data) > cap(i.b) {
		i.b, i.head = i.b[:copy(i.b, i.b[i.head:])], 0
	}
	i.b = binary.BigEndian.AppendUint32(append(i.b, byte(t)), uint32(len(data)))
	i.b = append(i.b, data...)
}

// take returns a copy of the first message. ok is false when there is none.
func (i *inbox) take() (t ws.MessageType, data []byte, ok bool) {
	if i.size() == 0 {
		return 0, nil, false
	}
	h := i.b[i.head:]
	n := int(binary.BigEndian.Uint32(h[1:]))
	data = append(make([]byte, 0, n), h[inboxHeaderLen:inboxHeaderLen+n]...)
	if i.head += inboxHeaderLen + n; i.head == len(i.b) {
		i.b, i.head = i.b[:0], 0
		if cap(i.b) > inboxKeep {
			i.b = nil
		}
	}
	return ws.MessageType(h[0]), data, true
}
