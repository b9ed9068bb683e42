package attack

import (
	"time"

	"h2ws/engine/frame"
)

// flood throws n things on one connection.
func (a *assault) flood(m manner, n int, throw func(b []byte, i int) []byte) *observed {
	return a.floodFrom(m, 0, n, throw)
}

// floodFrom throws n things on one connection that has some WebSockets open.
func (a *assault) floodFrom(m manner, open, n int, throw func(b []byte, i int) []byte) *observed {
	f, failed := a.opened(m, open)
	if failed != nil {
		return failed
	}
	begin := time.Now()
	blocked := f.flood(n, a.time(), throw)
	if m.deaf {
		f.listen()
	}
	f.await(func(t *tally) bool { return t.goAways > 0 }, a.time()/10)
	return observe(f, begin, blocked)
}

// floods are frames that cost nothing to send, many of them.
func floods() []attack {
	flood := func(name, about string, want wanted, m manner, open, n int, throw func(b []byte, i int) []byte) attack {
		return attack{name: name, about: about, want: want, run: func(a *assault) *observed { return a.floodFrom(m, open, n, throw) }}
	}
	ping := func(b []byte, _ int) []byte { return frame.AppendPing(b, false, [8]byte{}) }
	settings := func(b []byte, _ int) []byte { return frame.AppendSettings(b) }
	many := make([]frame.Setting, 2700)
	for i := range many {
		many[i] = frame.Setting{ID: frame.InitialWindowSize, Value: uint32(60000 + i%2)}
	}
	manySettings := frame.AppendSettings(nil, many...)
	return []attack{
		flood("ping/flood", "PINGs, whose ACKs are read (CVE-2019-9512)", calms, manner{}, 0, 100_000, ping),
		flood("ping/unread", "PINGs, whose ACKs are not read (CVE-2019-9512)", stops, manner{deaf: true}, 0, 1_000_000, ping),
		flood("settings/flood", "empty SETTINGS (CVE-2019-9515)", calms, manner{}, 0, 100_000, settings),
		flood("settings/unread", "empty SETTINGS, whose ACKs are not read (CVE-2019-9515)", stops, manner{deaf: true}, 0, 1_000_000, settings),
		flood("settings/many-entries", "SETTINGS of 2,700 entries", stops, manner{}, 0, 2000, func(b []byte, _ int) []byte { return append(b, manySettings...) }),
		{name: "settings/window-churn", about: "INITIAL_WINDOW_SIZE to and fro over many open streams", want: bears, run: (*assault).windowChurn},
		flood("priority/flood", "PRIORITY, also of idle streams (CVE-2019-9513)", stops, manner{}, 0, 1_000_000, func(b []byte, i int) []byte {
			return frame.AppendPriority(b, uint32(i*2+1), uint32(i*2+3), i%2 == 0, byte(i))
		}),
		flood("priority/update", "PRIORITY_UPDATE (RFC 9218)", stops, manner{}, 0, 1_000_000, func(b []byte, i int) []byte {
			return append(frame.AppendHeader(b, frame.Header{Length: 7, Type: 0x10}), 0, 0, 0, byte(i)|1, 'u', '=', '1')
		}),
		flood("glitch/unknown-types", "frames of unknown types (CVE-2026-27141)", stops, manner{}, 0, 1_000_000, func(b []byte, i int) []byte {
			return frame.AppendHeader(b, frame.Header{Type: frame.Type(10 + i%246), StreamID: uint32(i % 5)})
		}),
		flood("glitch/ping-acks", "ACKs of PINGs that nobody sent", stops, manner{}, 0, 1_000_000, func(b []byte, _ int) []byte { return frame.AppendPing(b, true, [8]byte{}) }),
		flood("window_update/connection", "WINDOW_UPDATE 1 of the connection", stops, manner{}, 0, 1_000_000, func(b []byte, _ int) []byte { return frame.AppendWindowUpdate(b, 0, 1) }),
		flood("window_update/stream", "WINDOW_UPDATE 1 of an idle WebSocket", stops, manner{}, 1, 1_000_000, func(b []byte, _ int) []byte { return frame.AppendWindowUpdate(b, 1, 1) }),
		flood("empty/data", "empty DATA on a WebSocket (CVE-2019-9518)", calms, manner{}, 1, 100_000, func(b []byte, _ int) []byte { return frame.AppendData(b, 1, 0, nil) }),
		flood("empty/padded", "DATA with nothing but padding (CVE-2019-9518)", stops, manner{}, 1, 1_000_000, func(b []byte, _ int) []byte {
			return frame.AppendData(b, 1, frame.FlagPadded, []byte{0})
		}),
		flood("overhead/unknown-16-KiB", "unknown frames of 16 KiB", stops, manner{}, 0, 20_000, func(b []byte, _ int) []byte {
			return append(frame.AppendHeader(b, frame.Header{Length: 16384, Type: 0xff}), make([]byte, 16384)...)
		}),
		flood("overhead/mixed", "PING, SETTINGS, PRIORITY, WINDOW_UPDATE and unknown frames in turn", stops, manner{}, 1, 1_000_000, mixed),
		flood("overhead/mixed-unread", "the same, and nothing is read", stops, manner{deaf: true}, 0, 1_000_000, mixed),
	}
}

func mixed(b []byte, i int) []byte {
	switch i % 5 {
	case 0:
		return frame.AppendPing(b, false, [8]byte{})
	case 1:
		return frame.AppendSettings(b)
	case 2:
		return frame.AppendPriority(b, uint32(i)|1, 0, false, 1)
	case 3:
		return frame.AppendWindowUpdate(b, 0, 1)
	}
	return frame.AppendHeader(b, frame.Header{Type: 0xfa})
}

// windowChurn has the server change the windows of many streams with each SETTINGS, which costs nothing to ask for.
func (a *assault) windowChurn() *observed {
	f, failed := a.foe(manner{})
	if failed != nil {
		return failed
	}
	streams := f.most(a.n(20_000))
	if _, ok := f.open(streams); !ok {
		return &observed{conns: 1, wrong: "its WebSockets were not opened"}
	}
	cpu, _ := a.cpu()
	begin := time.Now()
	n := a.n(10_000)
	blocked := f.flood(n, a.time(), func(b []byte, i int) []byte {
		return frame.AppendSettings(b, frame.Setting{ID: frame.InitialWindowSize, Value: uint32(i%2) * 65535})
	})
	o := observe(f, begin, blocked)
	used, known := a.cpu()
	if o.alive && known && f.sent > 0 {
		each := (used - cpu) / time.Duration(f.sent)
		o.figure = each.Round(10*time.Nanosecond).String() + " of CPU for each SETTINGS"
		if each > 50*time.Microsecond {
			o.wrong = "wanted less than 50us for each SETTINGS"
		}
	}
	return o
}

// cpu is what the server has used.
func (a *assault) cpu() (time.Duration, bool) {
	if a.server == nil {
		return 0, false
	}
	cpu, err := a.server.CPU()
	return cpu, err == nil
}
