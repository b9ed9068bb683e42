package attack

import (
	"math/rand/v2"
	"time"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
)

// beginnings are connections that do not begin as they should.
func beginnings() []attack {
	other := func(name, about string, octets func() []byte) attack {
		return attack{name: "preface/" + name, about: about, want: stops, run: func(a *assault) *observed {
			f, failed := a.foe(manner{silent: true})
			if failed != nil {
				return failed
			}
			begin := time.Now()
			f.send(octets())
			f.awaitSoon(func(t *tally) bool { return t.closed })
			o := &observed{conns: 1, sent: 1}
			o.take(f, begin)
			return o
		}}
	}
	return []attack{
		other("http-1", "a request of HTTP/1.1 with a method that HTTP/2 reserves", func() []byte { return []byte("PRI / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") }),
		other("zeros", "64 KiB of zeros", func() []byte { return make([]byte, 64<<10) }),
		other("random", "64 KiB at random", func() []byte {
			b, r := make([]byte, 64<<10), rand.New(rand.NewPCG(1, 2))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			return b
		}),
		other("wrong-last-octet", "a preface with one octet wrong", func() []byte { return []byte(frame.Preface[:len(frame.Preface)-1] + "x") }),
		other("no-settings", "a preface with PING in place of SETTINGS", func() []byte { return frame.AppendPing([]byte(frame.Preface), false, [8]byte{}) }),
		{name: "preface/garbage-behind-error", about: "10 MiB behind what ended the connection (CVE-2026-27135)", want: stops, run: (*assault).garbage},
		{name: "tls/half-handshakes", about: "TLS handshakes that are begun", want: bears, tls: true, run: (*assault).halfHandshakes},
	}
}

// garbage goes on behind a connection error, without listening.
func (a *assault) garbage() *observed {
	f, failed := a.foe(manner{deaf: true})
	if failed != nil {
		return failed
	}
	begin := time.Now()
	f.send(frame.AppendWindowUpdate(nil, 0, 0))
	junk := make([]byte, 16<<10)
	blocked := f.flood(a.n(640), a.time(), func(b []byte, _ int) []byte { return append(b, junk...) })
	f.listen()
	f.awaitSoon(func(t *tally) bool { return t.closed })
	return observe(f, begin, blocked)
}

// halfHandshakes begins TLS on many connections, and holds them for a second.
func (a *assault) halfHandshakes() *observed {
	cleartext := *a.target
	cleartext.TLS = nil
	begin := time.Now()
	o := &observed{conns: a.n(1000)}
	for range o.conns {
		f, err := dial(a.ctx, &cleartext, manner{silent: true})
		if err != nil {
			continue // refused, which is an answer
		}
		a.foes = append(a.foes, f)
		f.send([]byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03}) // of a ClientHello of 512 octets
		o.sent++
	}
	sleep(a.ctx, time.Second)
	for _, f := range a.foes {
		o.take(f, begin)
	}
	o.tally = tally{}
	return o
}

// handshakes are opening handshakes and requests, many of them.
func handshakes() []attack {
	return []attack{
		{name: "open/storm", about: "20,000 WebSockets at once, as after an outage", want: survives, grows: 128 << 20, run: (*assault).storm},
		{name: "open/churn", about: "WebSockets opened and closed as they should be, one after another", want: bears, run: (*assault).turnover},
		{name: "refused/beyond-limit", about: "streams beyond MAX_CONCURRENT_STREAMS", want: either(stops, refusesStreams), run: (*assault).beyond},
		{name: "plain/get", about: "requests that are no WebSockets", want: bears, run: func(a *assault) *observed {
			block := raw.Block([]raw.Field{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/"}, {Name: ":authority", Value: a.target.Addr}})
			return a.flood(manner{}, a.n(100_000), func(b []byte, i int) []byte {
				return frame.AppendHeaders(b, uint32(i)*2+1, frame.FlagEndHeaders|frame.FlagEndStream, block)
			})
		}},
		{name: "plain/post-unfinished", about: "requests whose bodies never end", want: bears, run: func(a *assault) *observed {
			block := raw.Block([]raw.Field{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/"}, {Name: ":authority", Value: a.target.Addr}})
			return a.flood(manner{}, a.n(20_000), func(b []byte, i int) []byte {
				return frame.AppendHeaders(b, uint32(i)*2+1, frame.FlagEndHeaders, block)
			})
		}},
		{name: "plain/connect", about: "CONNECT without :protocol", want: bears, run: func(a *assault) *observed {
			block := raw.Block([]raw.Field{{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: a.target.Addr}})
			return a.flood(manner{}, a.n(100_000), func(b []byte, i int) []byte {
				return frame.AppendHeaders(b, uint32(i)*2+1, frame.FlagEndHeaders, block)
			})
		}},
		{name: "open/last-ids", about: "the last stream ids there are, and the one behind, which is 1 again", want: ends, run: (*assault).lastIDs},
	}
}

// storm opens many WebSockets in one go.
func (a *assault) storm() *observed {
	f, failed := a.foe(manner{})
	if failed != nil {
		return failed
	}
	n := f.most(a.n(20_000))
	begin := time.Now()
	_, ok := f.open(n)
	f.sent = n
	o := observe(f, begin, false)
	if !ok {
		o.wrong = "not all of them were opened"
	}
	return o
}

// turnover opens and closes.
func (a *assault) turnover() *observed {
	block := raw.Block(a.target.Handshake())
	bye := []byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8}
	return a.flood(manner{}, a.n(50_000), func(b []byte, i int) []byte {
		id := uint32(i)*2 + 1
		return frame.AppendData(frame.AppendHeaders(b, id, frame.FlagEndHeaders, block), id, frame.FlagEndStream, bye)
	})
}

// beyond opens as many as are allowed, and then many more.
func (a *assault) beyond() *observed {
	f, failed := a.foe(manner{})
	if failed != nil {
		return failed
	}
	f.awaitSoon(func(t *tally) bool { return t.settled })
	limit := int(f.snapshot().max)
	if limit > 20_000 {
		o := observe(f, time.Now(), false)
		o.figure = "not tried: the limit is above 20,000"
		o.resets[frame.RefusedStream] = 0
		return o
	}
	if _, ok := f.open(limit); !ok {
		return &observed{conns: 1, wrong: "its WebSockets were not opened"}
	}
	begin := time.Now()
	block := raw.Block(a.target.Handshake())
	blocked := f.flood(a.n(20_000), a.time(), func(b []byte, _ int) []byte {
		f.nextID += 2
		return frame.AppendHeaders(b, f.nextID-2, frame.FlagEndHeaders, block)
	})
	return observe(f, begin, blocked)
}

// refusesStreams wants REFUSED_STREAM, where it was tried.
func refusesStreams(o *observed) string {
	if _, ok := o.resets[frame.RefusedStream]; !ok {
		return "wanted RST_STREAM REFUSED_STREAM"
	}
	return ""
}

// lastIDs opens streams up to 2^31-1, and one behind that, whose first bit does not count (RFC 9113 §4.1). A server that
// says GOAWAY before need not open them.
func (a *assault) lastIDs() *observed {
	f, failed := a.foe(manner{})
	if failed != nil {
		return failed
	}
	const streams = 51
	f.nextID = 1<<31 - 2*streams + 1
	begin := time.Now()
	_, ok := f.open(streams)
	f.send(raw.AppendRequest(nil, f.nextID, 0, a.target.Handshake()))
	f.sent = streams + 1
	f.awaitSoon(func(t *tally) bool { return t.closed || t.goAways > 0 })
	o := observe(f, begin, false)
	if !ok && o.drains == 0 {
		o.wrong = "its WebSockets were not opened"
	}
	return o
}
