package attack

import (
	"time"

	"h2ws/engine/frame"
)

// shapes are single frames that are wrong.
func shapes() []attack {
	wrong := func(name, about string, code frame.ErrCode, octets func(t *tally) []byte) attack {
		return attack{name: name, about: about, want: goesAway(code), run: func(a *assault) *observed { return a.once(octets) }}
	}
	long := func(n uint32) []byte {
		return frame.AppendHeader(nil, frame.Header{Length: n, Type: frame.Data, StreamID: 1})
	}
	setting := func(id frame.SettingID, v uint32) func(*tally) []byte {
		return func(*tally) []byte { return frame.AppendSettings(nil, frame.Setting{ID: id, Value: v}) }
	}
	return []attack{
		wrong("size/above-limit", "a frame of one octet more than MAX_FRAME_SIZE, of which only the header comes", frame.FrameSizeError,
			func(t *tally) []byte { return long(min(t.frameMax+1, frame.MaxPayloadMax)) }),
		wrong("size/16777215", "the longest frame there is, of which only the header comes", frame.FrameSizeError,
			func(*tally) []byte { return long(1<<24 - 1) }),
		wrong("size/ping-7", "a PING of 7 octets", frame.FrameSizeError, func(*tally) []byte {
			return append(frame.AppendHeader(nil, frame.Header{Length: 7, Type: frame.Ping}), make([]byte, 7)...)
		}),
		wrong("settings/frame-size-0", "MAX_FRAME_SIZE 0 (CVE-2026-33814)", frame.ProtocolError, setting(frame.MaxFrameSize, 0)),
		wrong("settings/frame-size-2^24", "MAX_FRAME_SIZE 2^24", frame.ProtocolError, setting(frame.MaxFrameSize, 1<<24)),
		{name: "size/mismatched", about: "every type in 0 to 20 octets, each on a connection of its own", want: bears, run: (*assault).mismatched},
		{name: "glitch/all-types", about: "every type in 0 to 20 octets, those that are known aside (CVE-2026-27141)", want: either(survives, calms), run: func(a *assault) *observed {
			return a.flood(manner{}, 246*21, func(b []byte, i int) []byte {
				h := frame.Header{Length: uint32(i % 21), Type: frame.Type(10 + i/21), StreamID: uint32(i % 3)}
				return append(frame.AppendHeader(b, h), make([]byte, h.Length)...)
			})
		}},
	}
}

// once sends octets on a connection, given what has come on it, and waits for what becomes of it.
func (a *assault) once(octets func(t *tally) []byte) *observed {
	f, failed := a.foe(manner{})
	if failed != nil {
		return failed
	}
	f.awaitSoon(func(t *tally) bool { return t.settled })
	settled := f.snapshot()
	begin := time.Now()
	_, ok := f.send(octets(&settled))
	f.sent = 1
	f.awaitSoon(func(t *tally) bool { return t.goAways > 0 })
	o := observe(f, begin, false)
	o.blocked = !ok && !o.closed
	return o
}

// mismatched sends each known type in lengths that it may not have.
func (a *assault) mismatched() *observed {
	begin := time.Now()
	sum := &observed{}
	for t := frame.Data; t <= frame.Continuation; t++ {
		for n := uint32(0); n <= 20; n += 5 {
			for _, id := range []uint32{0, 1} {
				f, failed := a.foe(manner{})
				if failed != nil {
					return failed
				}
				h := frame.Header{Length: n, Type: t, Flags: 0x28, StreamID: id}
				f.send(append(frame.AppendHeader(nil, h), make([]byte, n)...))
				f.alive()
				sum.conns++
				sum.sent++
				sum.take(f, begin)
				f.close()
			}
		}
	}
	sum.tally = tally{}
	return sum
}
