package conform

import (
	"fmt"
	"slices"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// A step is one line of a dialogue: something said, or something that must come. Its error is a *missError.
type step func(d *dialogue) error

// What a client says on a WebSocket, as octets.

// masking is the key of frames that are not about masking.
const masking = 0x37fa213d

func whole(op ws.Opcode, payload string) []byte {
	return wire(raw.WSFrame{Op: op, Payload: []byte(payload)})
}

func text(s string) []byte { return whole(ws.OpText, s) }
func bin(s string) []byte  { return whole(ws.OpBinary, s) }
func ping(s string) []byte { return whole(ws.OpPing, s) }
func pong(s string) []byte { return whole(ws.OpPong, s) }

// part begins a fragmented message, more goes on, last ends it.
func part(op ws.Opcode, s string) []byte {
	return wire(raw.WSFrame{Op: op, Open: true, Payload: []byte(s)})
}
func more(s string) []byte { return part(ws.OpContinuation, s) }
func last(s string) []byte { return whole(ws.OpContinuation, s) }

// bye is a Close.
func bye(code ws.CloseCode, reason string) []byte {
	return whole(ws.OpClose, string(ws.AppendClose(nil, code, reason)))
}

// wire is any frame. One that is masked, and says nothing of the key, has the usual.
func wire(f raw.WSFrame) []byte {
	if f.Key == 0 && !f.Unmasked {
		f.Key = masking
	}
	return f.Append(nil)
}

// Steps that say something.

// say sends octets in one DATA frame, or as few as MAX_FRAME_SIZE allows.
func say(octets ...[]byte) step { return sayCut(frame.MaxPayloadMin, octets...) }

// sayEach sends octets in a DATA frame each.
func sayEach(octets ...[]byte) step {
	return func(d *dialogue) error {
		for _, p := range octets {
			if err := d.data(d.s, 0, -1, p); err != nil {
				return err
			}
		}
		return nil
	}
}

// sayCut sends octets in DATA frames of n.
func sayCut(n int, octets ...[]byte) step {
	return func(d *dialogue) error {
		for chunk := range slices.Chunk(slices.Concat(octets...), n) {
			if err := d.data(d.s, 0, -1, chunk); err != nil {
				return err
			}
		}
		return nil
	}
}

// sayEnd sends octets in one DATA frame with END_STREAM.
func sayEnd(octets ...[]byte) step {
	return func(d *dialogue) error { return d.data(d.s, frame.FlagEndStream, -1, slices.Concat(octets...)) }
}

// sayPadded sends octets in one DATA frame with padding.
func sayPadded(pad uint8, octets ...[]byte) step {
	return func(d *dialogue) error { return d.data(d.s, 0, int(pad), slices.Concat(octets...)) }
}

// frames sends HTTP/2 frames as they are; build gets the id of the current stream.
func frames(build func(id uint32) []byte) step {
	return func(d *dialogue) error {
		id := uint32(0)
		if d.s != nil {
			id = d.s.id
		}
		return d.send(build(id))
	}
}

// drop resets the current stream.
func drop(code frame.ErrCode) step {
	return func(d *dialogue) error {
		d.s.dropped = true
		return d.send(frame.AppendRSTStream(nil, d.s.id, code))
	}
}

// data sends one DATA frame when the windows allow it; pad < 0 is none. On a stream that the server has ended
// it is not sent: there is nobody to listen.
func (d *dialogue) data(s *stream, flags frame.Flags, pad int, p []byte) error {
	if pad >= 0 {
		flags |= frame.FlagPadded
		p = slices.Concat([]byte{byte(pad)}, p, make([]byte, pad))
	}
	size := int64(len(p))
	by := d.patience()
	for size > d.window(s) && !s.ended && !s.reset {
		err := d.recv(by)
		if err != nil && d.gone == nil {
			return d.missed(err, fmt.Sprintf("credit on stream %d: its window has %d octets, the connection's %d (RFC 9113 §6.9)",
				s.id, s.sendWindow, d.sendWindow))
		}
		if d.gone != nil {
			return nil
		}
	}
	if s.ended || s.reset {
		return nil
	}
	s.sendWindow, d.sendWindow = s.sendWindow-size, d.sendWindow-size
	return d.send(frame.AppendData(nil, s.id, flags, p))
}

// window is how many octets may be sent on a stream; negative: what was sent too much.
func (d *dialogue) window(s *stream) int64 { return min(s.sendWindow, d.sendWindow) }

// sendOn sends what answers the server.
func (d *dialogue) sendOn(s *stream, p []byte) { d.data(s, 0, -1, p) }

// Steps about more than one stream.

// open opens a WebSocket, and the next steps are about it.
func open(d *dialogue) error {
	if err := request(edit())(d); err != nil {
		return err
	}
	return accepted(d)
}

// onSocket has the next steps be about the n-th request, from 0.
func onSocket(n int) step {
	return func(d *dialogue) error {
		d.s = d.opened[n]
		return nil
	}
}

// steps are steps in one.
func steps(all ...step) step {
	return func(d *dialogue) error {
		for _, s := range all {
			if err := s(d); err != nil {
				return err
			}
		}
		return nil
	}
}

// repeat has steps for 0 to n-1.
func repeat(n int, do func(i int) step) step {
	return func(d *dialogue) error {
		for i := range n {
			if err := do(i)(d); err != nil {
				return err
			}
		}
		return nil
	}
}
