package attack

import (
	"fmt"
	"strings"
	"time"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
)

// blocks are field blocks.
func blocks() []attack {
	single := func(name, about string, want wanted, build func(t *raw.Target) []byte) attack {
		return attack{name: name, about: about, want: want, grows: 16 << 20, run: func(a *assault) *observed {
			return a.once(func(*tally) []byte { return build(a.target) })
		}}
	}
	bad := func(name, about, block string) attack {
		return single("hpack/"+name, about+" (RFC 7541)", goesAway(frame.CompressionError), func(*raw.Target) []byte {
			return frame.AppendHeaders(nil, 1, frame.FlagEndHeaders, []byte(block))
		})
	}
	refused := either(goesAway(frame.EnhanceYourCalm, frame.CompressionError, frame.ProtocolError), answered(431, 400), isReset)
	return []attack{
		bad("index-0", "an index of 0", "\x80"),
		bad("index-beyond", "an index beyond the tables", "\xff\x7f"),
		bad("integer-overflow", "an integer that does not end", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
		bad("size-update-late", "a table size update behind a field", "\x82\x20"),
		bad("size-update-too-large", "a table of 2^31 octets", "\x3f\xe1\xff\xff\xff\x07"),
		bad("string-too-long", "a string longer than the block", "\x00\x7f\xff\x01a"),
		bad("huffman-eos", "a Huffman string that has EOS in it", "\x00\x84\xff\xff\xff\xff\x00"),
		single("field_block/continuations", "100 CONTINUATIONs of 1 KiB (CVE-2024-27316)", calms, func(t *raw.Target) []byte {
			b := frame.AppendHeaders(nil, 1, 0, raw.Block(t.Handshake()))
			for range 100 {
				b = frame.AppendContinuation(b, 1, 0, raw.Block([]raw.Field{{Name: "x", Value: strings.Repeat("~", 700)}}))
			}
			return b
		}),
		single("field_block/tiny-continuations", "CONTINUATIONs of one octet", calms, func(t *raw.Target) []byte {
			b := frame.AppendHeaders(nil, 1, 0, nil)
			for _, octet := range raw.Block(t.Handshake()) {
				b = frame.AppendContinuation(b, 1, 0, []byte{octet})
			}
			return b
		}),
		single("field_block/empty-continuations", "empty CONTINUATIONs (CVE-2019-9518, CVE-2026-33871)", calms, func(t *raw.Target) []byte {
			b := frame.AppendHeaders(nil, 1, 0, nil)
			for range 1000 {
				b = frame.AppendContinuation(b, 1, 0, nil)
			}
			return b
		}),
		single("field_block/large-value-bomb", "a 4 KiB entry of the table, 16,000 times", refused, func(t *raw.Target) []byte {
			return frame.AppendHeaders(nil, 1, frame.FlagEndHeaders, again(literal(nil, "x", strings.Repeat("a", 4000)), 12_000))
		}),
		single("field_block/cookie-bomb", "10,000 cookie crumbs in one block (CVE-2026-49975)", refused, func(t *raw.Target) []byte {
			return frame.AppendHeaders(nil, 1, frame.FlagEndHeaders, again(literal(raw.Block(t.Handshake()), "cookie", "a=b"), 10_000))
		}),
		{name: "fields/retained", about: "WebSockets opened with 12 KiB of fields (CVE-2026-56846)", want: bears, grows: 32 << 20, run: (*assault).retained},
		{name: "fields/churn", about: "requests that turn the dynamic table over", want: bears, run: (*assault).churn},
		{name: "hpack/table-2^32-1", about: "HEADER_TABLE_SIZE 2^32-1, and many handshakes", want: survives, run: func(a *assault) *observed {
			return a.handshakesAfter(frame.Setting{ID: frame.HeaderTableSize, Value: 1<<32 - 1})
		}},
		{name: "hpack/list-size-0", about: "MAX_HEADER_LIST_SIZE 0, and many handshakes (CVE-2026-50560)", want: bears, run: func(a *assault) *observed {
			return a.handshakesAfter(frame.Setting{ID: frame.MaxHeaderListSize, Value: 0})
		}},
	}
}

// literal appends a field that goes into the dynamic table (RFC 7541 §6.2.1).
func literal(b []byte, name, value string) []byte {
	b = append(append(b, 0x40, byte(len(name))), name...)
	n := len(value)
	if n < 127 {
		return append(append(b, byte(n)), value...)
	}
	b = append(b, 127)
	for n -= 127; n >= 128; n /= 128 {
		b = append(b, byte(n)|128)
	}
	return append(append(b, byte(n)), value...)
}

// again appends n references to the newest entry of the table.
func again(b []byte, n int) []byte {
	return append(b, strings.Repeat("\xbe", n)...)
}

// answered wants one of the statuses.
func answered(statuses ...int) wanted {
	return func(o *observed) string {
		for _, status := range statuses {
			if o.statuses[status] > 0 {
				return ""
			}
		}
		return fmt.Sprintf("one of the statuses %v", statuses)
	}
}

// isReset wants RST_STREAM.
func isReset(o *observed) string {
	if len(o.resets) == 0 {
		return "RST_STREAM"
	}
	return ""
}

// retained opens WebSockets whose requests are large, and keeps them.
func (a *assault) retained() *observed {
	f, failed := a.foe(manner{})
	if failed != nil {
		return failed
	}
	fields := append(a.target.Handshake(), raw.Field{Name: "x-long", Value: strings.Repeat("~", 12<<10)})
	n := a.n(1000)
	before := a.rss()
	begin := time.Now()
	blocked := f.flood(n, a.time(), func(b []byte, i int) []byte { return raw.AppendRequest(b, uint32(i)*2+1, 0, fields) })
	f.awaitSoon(func(t *tally) bool { return t.statuses[200] >= n })
	o := observe(f, begin, blocked)
	if opened := o.statuses[200]; opened > 0 && before > 0 {
		a.settled()
		each := (a.rss() - before) / int64(opened)
		o.figure = fmt.Sprintf("%d octets kept for each", each)
		if each > retainedMax && opened >= 1000 { // of fewer it is noise
			o.wrong = fmt.Sprintf("wanted at most %d octets kept of each request", retainedMax)
		}
	}
	return o
}

// retainedMax is what may be kept of a request with 12 KiB of fields, in octets, with all that a WebSocket takes besides.
const retainedMax = 4096

// rss is the server's memory.
func (a *assault) rss() int64 {
	if a.server == nil {
		return 0
	}
	rss, _ := a.server.RSS()
	return rss
}

// churn sends requests each of which puts 4 KiB into the dynamic table, and drops what was there.
func (a *assault) churn() *observed {
	block := raw.Block(a.target.Handshake())
	return a.flood(manner{}, a.n(20_000), func(b []byte, i int) []byte {
		fields := literal(block[:len(block):len(block)], "x", fmt.Sprintf("%016d", i)+strings.Repeat("a", 4000))
		return frame.AppendHeaders(b, uint32(i)*2+1, frame.FlagEndHeaders|frame.FlagEndStream, fields)
	})
}

// handshakesAfter opens many WebSockets on a connection with a setting.
func (a *assault) handshakesAfter(s frame.Setting) *observed {
	f, failed := a.foe(manner{settings: []frame.Setting{s}})
	if failed != nil {
		return failed
	}
	n := f.most(min(a.n(10_000), 900))
	begin := time.Now()
	_, ok := f.open(n)
	f.sent = n
	o := observe(f, begin, false)
	if !ok && s.ID == frame.HeaderTableSize {
		o.wrong = "its WebSockets were not opened"
	}
	return o
}
