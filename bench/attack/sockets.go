package attack

import (
	"fmt"
	"time"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// sockets are about WebSockets that are open.
func sockets() []attack {
	one := func(name, about string, want wanted, f raw.WSFrame) attack {
		return attack{name: "message/" + name, about: about, want: want, grows: 16 << 20, run: func(a *assault) *observed { return a.onSocket(f.Append(nil)) }}
	}
	long := func(n uint64) raw.WSFrame {
		return raw.WSFrame{Op: ws.OpBinary, Form: raw.Form64, Declared: n, Payload: []byte("hello"), Key: 1}
	}
	return []attack{
		one("2^63-1-octets", "a message that is to have 2^63-1 octets (CVE-2026-27889)", closesSocket(1, 1009), long(1<<63-1)),
		one("2^63-octets", "a length with its first bit set", closesSocket(1, 1002, 1009), long(1<<63)),
		one("2^64-1-octets", "the longest length there is", closesSocket(1, 1002, 1009), long(1<<64-1)),
		one("2^40-octets", "a message that is to have 1 TiB", closesSocket(1, 1009), long(1<<40)),
		one("compressed", "a compressed message that was not negotiated (CVE-2026-27571)", closesSocket(1, 1002), raw.WSFrame{Op: ws.OpBinary, RSV: 4, Payload: []byte("\x4a\x04\x00"), Key: 1}),
		{name: "message/endless", about: "a message in fragments of 16 KiB without an end", want: closesSocket(1, 1009, 1008), run: func(a *assault) *observed {
			return a.fragments(1000, make([]byte, 16<<10))
		}},
		{name: "message/1-octet-fragments", about: "a message in fragments of one octet without an end (CVE-2026-48779)", want: closesSocket(1, 1008, 1009), run: func(a *assault) *observed {
			return a.fragments(1_000_000, []byte("x"))
		}},
		{name: "message/0-octet-fragments", about: "a message in empty fragments without an end", want: closesSocket(1, 1008, 1009), run: func(a *assault) *observed {
			return a.fragments(1_000_000, nil)
		}},
		{name: "message/half-on-each", about: "half a message of 60,000 octets on each of 500 WebSockets", want: bears, run: (*assault).halves},
		{name: "message/tiny-and-valid", about: "a million tiny messages, which are right: they must all be echoed", want: survives, run: (*assault).tiny},
		{name: "message/tiny-burst", about: "1,000 tiny messages at once from a client that reads: they must all be echoed", want: survives, run: (*assault).burst},
		{name: "message/1-octet-data", about: "messages in DATA frames of one octet, which are right", want: survives, run: (*assault).octets},
		{name: "socket_ping/flood", about: "Pings, whose Pongs are read", want: bears, run: func(a *assault) *observed {
			return a.floodFrom(manner{}, 1, a.n(100_000), wsPing)
		}},
		{name: "socket_ping/unread", about: "Pings, whose Pongs are not read", want: bears, run: func(a *assault) *observed {
			return a.floodFrom(manner{noCredit: true, settings: []frame.Setting{{ID: frame.InitialWindowSize, Value: 0}}}, 1, a.n(100_000), wsPing)
		}},
		{name: "stream_stall/dribble", about: "credit for one octet at a time: no message is to be cut into octets (CVE-2019-9511)", want: bears, run: (*assault).dribble},
		{name: "stall/unread-echoes", about: "large messages, whose echoes are not read though there is credit (CVE-2019-9517)", want: bears, run: (*assault).unread},
	}
}

func wsPing(b []byte, _ int) []byte {
	return frame.AppendData(b, 1, 0, ws.AppendMasked(nil, ws.OpPing, 0x01020304, []byte("ping")))
}

// opened is a new connection with n WebSockets.
func (a *assault) opened(m manner, n int) (*foe, *observed) {
	f, failed := a.foe(m)
	if failed != nil {
		return nil, failed
	}
	if _, ok := f.open(n); !ok {
		return nil, &observed{conns: 1, wrong: "its WebSockets were not opened"}
	}
	return f, nil
}

// observeClose sums up a connection whose WebSocket is to be closed.
func observeClose(f *foe, begin time.Time) *observed {
	f.awaitSoon(func(t *tally) bool { return len(t.closes) > 0 })
	after := time.Since(begin)
	o := observe(f, begin, false)
	o.after = after
	return o
}

// onSocket sends octets on a WebSocket.
func (a *assault) onSocket(p []byte) *observed {
	f, failed := a.opened(manner{}, 1)
	if failed != nil {
		return failed
	}
	begin := time.Now()
	f.send(frame.AppendData(nil, 1, 0, p))
	f.sent = 1
	return observeClose(f, begin)
}

// fragments sends fragments of one message, as fast as the windows allow.
func (a *assault) fragments(n int, p []byte) *observed {
	f, failed := a.opened(manner{}, 1)
	if failed != nil {
		return failed
	}
	begin := time.Now()
	fragment := raw.WSFrame{Open: true, Key: 1, Payload: p}.Append(nil)
	f.data(1, raw.WSFrame{Op: ws.OpBinary, Open: true, Key: 1, Payload: []byte("begin")}.Append(nil))
	for end := time.Now().Add(a.time()); f.sent < n && time.Now().Before(end) && f.data(1, fragment); {
		f.sent++
	}
	return observeClose(f, begin)
}

// halves leaves messages unfinished on many WebSockets.
func (a *assault) halves() *observed {
	f, failed := a.foe(manner{})
	if failed != nil {
		return failed
	}
	n := f.most(a.n(500))
	if _, ok := f.open(n); !ok {
		return &observed{conns: 1, wrong: "its WebSockets were not opened"}
	}
	begin := time.Now()
	half := ws.AppendMasked(nil, ws.OpBinary, 1, make([]byte, 60_000))[:30_000]
	for f.sent < n && f.data(uint32(f.sent)*2+1, half) {
		f.sent++
	}
	return observe(f, begin, false)
}

// tiny sends tiny messages, 100 on their way, and wants every echo.
func (a *assault) tiny() *observed {
	return a.echoes(a.n(1_000_000), 100, func(b []byte) []byte {
		return frame.AppendData(b, 1, 0, ws.AppendMasked(nil, ws.OpText, 1, []byte("x")))
	})
}

// octets cuts messages into DATA frames of one octet.
func (a *assault) octets() *observed {
	return a.echoes(a.n(100_000), 20, func(b []byte) []byte {
		for _, octet := range ws.AppendMasked(nil, ws.OpText, 1, []byte("x")) {
			b = frame.AppendData(b, 1, 0, []byte{octet})
		}
		return b
	})
}

// burst sends more at once than there is in one read.
func (a *assault) burst() *observed {
	return a.echoes(1000, 1000, func(b []byte) []byte {
		return frame.AppendData(b, 1, 0, ws.AppendMasked(nil, ws.OpText, 1, []byte("x")))
	})
}

// echoes sends n messages, some at a time, each of which comes back in three octets.
func (a *assault) echoes(n, together int, message func(b []byte) []byte) *observed {
	f, failed := a.opened(manner{}, 1)
	if failed != nil {
		return failed
	}
	begin := time.Now()
	var b []byte
	for range together {
		b = message(b)
	}
	sent := 0
	const echo = 3
	for end := begin.Add(4 * a.time()); sent < n && time.Now().Before(end); sent += together {
		if _, ok := f.send(b); !ok || f.over() {
			break
		}
		if !f.awaitSoon(func(t *tally) bool { return t.octets >= (sent+together)*echo || len(t.closes) > 0 }) || len(f.snapshot().closes) > 0 {
			break
		}
	}
	f.sent = sent
	o := observe(f, begin, false)
	if o.octets != n*echo || len(o.closes) > 0 {
		o.wrong = fmt.Sprintf("wanted an echo of each message, and %d of %d came", o.octets/echo, n)
	}
	o.figure = fmt.Sprintf("%d messages", sent)
	return o
}

// dribble gives credit for one octet at a time to a server that has a message of 1,000.
func (a *assault) dribble() *observed {
	f, failed := a.opened(manner{noCredit: true, settings: []frame.Setting{{ID: frame.InitialWindowSize, Value: 0}}}, 1)
	if failed != nil {
		return failed
	}
	begin := time.Now()
	f.sendText(1, string(make([]byte, 1000)))
	const credits = 200
	blocked := f.flood(credits, a.time(), func(b []byte, _ int) []byte { return frame.AppendWindowUpdate(b, 1, 1) })
	o := observe(f, begin, blocked)
	if o.figure = fmt.Sprintf("%d DATA frames for %d octets of credit", o.data, credits); o.data > credits/10 {
		o.wrong = "wanted no message cut into octets"
	}
	return o
}

// unread gives the server credit and does not read what it uses it for.
func (a *assault) unread() *observed {
	f, failed := a.foe(manner{deaf: true, settings: []frame.Setting{{ID: frame.InitialWindowSize, Value: 1<<31 - 1}}})
	if failed != nil {
		return failed
	}
	sockets := 20
	b := []byte{}
	for i := range sockets {
		b = raw.AppendRequest(b, uint32(i)*2+1, 0, a.target.Handshake())
	}
	f.send(b)
	begin := time.Now()
	message := ws.AppendMasked(nil, ws.OpBinary, 1, make([]byte, 16_000))
	blocked := f.flood(a.n(20_000), a.time(), func(b []byte, i int) []byte {
		return frame.AppendData(b, uint32(i%sockets)*2+1, 0, message)
	})
	sleep(a.ctx, a.pace.rest)
	f.listen()
	return observe(f, begin, blocked)
}
