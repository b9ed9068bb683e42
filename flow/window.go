// Package flow answers three questions of a sender and a receiver that share
// a line: may I, how much, and whose turn is it. SendWindow and RecvWindow are
// the windows of RFC 9113 §5.2 and §6.9, Ring is the round robin of those who
// are ready. It is arithmetic on plain values: nothing here locks, allocates
// or knows what a unit of a window stands for. A value belongs to one
// goroutine at a time.
package flow

import "errors"

const (
	// InitialSize is the size of every window before anything is announced
	// (RFC 9113 §6.9.2).
	InitialSize = 65535

	// MaxSize is the largest size a window may have (RFC 9113 §6.9.1).
	MaxSize = 1<<31 - 1
)

var (
	// ErrOverflow says that the receiver granted more than MaxSize. "A sender
	// MUST NOT allow a flow-control window to exceed 2^31-1 octets" (RFC 9113
	// §6.9.1); the answer is FLOW_CONTROL_ERROR.
	ErrOverflow = errors.New("flow: window larger than 2^31-1 (RFC 9113 §6.9.1)")

	// ErrExceeded says that the sender sent more than it was granted; the
	// answer is FLOW_CONTROL_ERROR (RFC 9113 §6.9.1).
	ErrExceeded = errors.New("flow: window exceeded (RFC 9113 §6.9.1)")
)

// SendWindow is how much may still be sent. It is kept as the distance to a
// base that many windows share (the receiver's INITIAL_WINDOW_SIZE), so that
// a new base changes them all at no cost: "a receiver MUST adjust the size of
// all stream flow-control windows that it maintains by the difference between
// the new value and the old value" (RFC 9113 §6.9.2). The zero value is a window of
// exactly the base. A window without a shared base passes a constant one.
//
// With 0 <= base <= MaxSize and Take never beyond Available:
//
//	-MaxSize <= delta <= MaxSize
type SendWindow struct {
	delta int32
}

// Available returns how much may be sent now. It is negative after the base
// shrank below what is already on its way; "a sender MUST track the negative
// flow-control window" (RFC 9113 §6.9.2). It is larger than MaxSize when a new
// base made this window overflow. That is not found when the base changes, as
// no window is visited then, but by whoever looks next; the caller treats it as
// "a connection error of type FLOW_CONTROL_ERROR" (RFC 9113 §6.9.2).
func (w SendWindow) Available(base int32) int64 {
	return int64(base) + int64(w.delta)
}

// Take uses up n, which the caller knows to be at most Available.
func (w *SendWindow) Take(n int32) {
	delta := int64(w.delta) - int64(n)
	if n < 0 || delta < -MaxSize {
		panic("BUG: flow: took more than was available")
	}
	w.delta = int32(delta)
}

// Grant adds the increment the receiver announced. It returns ErrOverflow, and
// grants nothing, if the window would then be larger than MaxSize.
func (w *SendWindow) Grant(base int32, increment uint32) error {
	if w.Available(base)+int64(increment) > MaxSize {
		return ErrOverflow
	}
	// In int64, as the increment alone can exceed int32 where the sum does not.
	w.delta = int32(int64(w.delta) + int64(increment))
	return nil
}

// RecvWindow is what was announced to the sender and is not used yet.
//
//	0 <= available <= MaxSize
type RecvWindow struct {
	available int32
}

// NewRecvWindow returns a window in which size has been announced.
func NewRecvWindow(size int32) RecvWindow {
	if size < 0 {
		panic("BUG: flow: window of negative size")
	}
	return RecvWindow{available: size}
}

// Available returns what the sender may still send.
func (w RecvWindow) Available() int32 { return w.available }

// Take records that n arrived. It returns ErrExceeded, and takes nothing, if
// that is more than is available.
func (w *RecvWindow) Take(n uint32) error {
	if int64(n) > int64(w.available) {
		return ErrExceeded
	}
	w.available -= int32(n)
	return nil
}

// Credit brings the window back to size once half of size or less is left, and
// returns the increment to announce; 0 means nothing is due. Half, because
// announcing every arrival costs as much as the arrivals, and because some
// senders never resume when they are left to reach zero. What has arrived and
// is not consumed is withheld by passing a smaller size.
func (w *RecvWindow) Credit(size int32) (increment uint32) {
	if w.available > size/2 {
		return 0
	}
	return w.Raise(size)
}

// Raise brings the window to size at once, however much is left, and returns
// the increment to announce; 0 means it is that large already. A window never
// shrinks by it, as what is announced cannot be taken back.
func (w *RecvWindow) Raise(size int32) (increment uint32) {
	if size <= w.available {
		return 0
	}
	increment = uint32(size - w.available)
	w.available = size
	return increment
}
