package ws

import (
	"math"
	"sync/atomic"
	"unicode/utf8"
)

// A Prepared is a message framed once, to be sent to any number of Conns.
// It never changes, and is shared by everything it is sent to.
type Prepared struct {
	frame   []byte // header and payload
	key     string
	typ     MessageType
	holders atomic.Int32
}

// Prepare checks and frames a message. data is copied. It returns
// ErrMessageType, ErrMessageSize, or ErrInvalidUTF8 for text that is not UTF-8.
func Prepare(t MessageType, data []byte) (*Prepared, error) {
	if err := checkMessage(t, data); err != nil {
		return nil, err
	}
	frame := make([]byte, 0, HeaderLen(len(data))+len(data))
	frame = AppendHeader(frame, true, Opcode(t), len(data))
	return &Prepared{frame: append(frame, data...), typ: t}, nil
}

// PrepareKeyed is Prepare for a message that replaces older ones of the same key, where it is sent with
// a policy or to a topic that conflates.
func PrepareKeyed(t MessageType, key string, data []byte) (*Prepared, error) {
	p, err := Prepare(t, data)
	if err == nil {
		p.key = key
	}
	return p, err
}

// Key returns the key given to PrepareKeyed, or "", which is the key of nothing.
func (p *Prepared) Key() string { return p.key }

// Hold counts one more who keeps p waiting, and reports whether it is the first; Release one
// less, and whether it was the last. So its octets can be counted once.
//
// For the engine; any goroutine.
func (p *Prepared) Hold() (first bool)   { return p.holders.Add(1) == 1 }
func (p *Prepared) Release() (last bool) { return p.holders.Add(-1) == 0 }

// Type returns the type of the message.
func (p *Prepared) Type() MessageType { return p.typ }

// Len returns the octets of the message, without its frame header.
func (p *Prepared) Len() int { return len(p.Data()) }

// Data returns the message. It is shared and must not be written to.
func (p *Prepared) Data() []byte {
	_, n := ConsumeHeader(p.frame)
	return p.frame[n:]
}

// Frame returns the whole frame. It is shared and must not be written to.
func (p *Prepared) Frame() []byte { return p.frame }

// messageSizeMax has room for its header in 31 bits.
const messageSizeMax = math.MaxInt32 - 10

// checkMessage keeps us from sending what the peer would have to refuse:
// RFC 6455 §5.6, "The 'Payload data' is text data encoded as UTF-8."
//
// And sizes are counted in 32 bits below.
func checkMessage(t MessageType, data []byte) error {
	if len(data) > messageSizeMax {
		return ErrMessageSize
	}
	switch t {
	case Binary:
		return nil
	case Text:
		if utf8.Valid(data) {
			return nil
		}
		return ErrInvalidUTF8
	}
	return ErrMessageType
}
