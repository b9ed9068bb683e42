package hpack

import (
	"bytes"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/net/http2/hpack"
)

// browser is the opening handshake of a page's WebSocket as Chromium spells it.
var browser = fields(
	":method", "CONNECT",
	":authority", "chat.example.com",
	":scheme", "https",
	":path", "/rooms/42?since=1700000000",
	":protocol", "websocket",
	"pragma", "no-cache",
	"cache-control", "no-cache",
	"user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
	"origin", "https://chat.example.com",
	"sec-websocket-version", "13",
	"accept-encoding", "gzip, deflate, br, zstd",
	"accept-language", "en-GB,en;q=0.9",
	"cookie", "session=0123456789abcdef0123456789abcdef",
	"sec-websocket-protocol", "chat.v2, chat.v1",
	"sec-websocket-extensions", "permessage-deflate; client_max_window_bits",
)

// blocks returns the first and the second block of list on one connection, as x/net's encoder writes them: all literals
// that go into the table, then all indexed.
func blocks(tb testing.TB, list []Field) (first, second []byte) {
	var wire bytes.Buffer
	enc := hpack.NewEncoder(&wire)
	write := func() []byte {
		wire.Reset()
		for _, f := range list {
			if err := enc.WriteField(hpack.HeaderField{Name: f.Name, Value: f.Value}); err != nil {
				tb.Fatal(err)
			}
		}
		return bytes.Clone(wire.Bytes())
	}
	return write(), write()
}

func TestDecodingIndexedFieldsAllocatesNothing(t *testing.T) {
	for _, tc := range []struct {
		name string
		list []Field
		want float64
	}{
		{"static table only", fields(":method", "GET", ":scheme", "https", ":path", "/", "accept-encoding", "gzip, deflate"), 0},
		{"browser", browser, 0},
		{"browser with three cookies, joined in one string", append(browser[:len(browser):len(browser)],
			fields("cookie", "theme=dark", "cookie", "lang=en")...), 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			first, second := blocks(t, tc.list)
			d, r := NewDecoder(Limits{}), new(Request)
			if err := d.Decode(first, r); err != nil {
				t.Fatal(err)
			}
			allocs := testing.AllocsPerRun(100, func() {
				if err := d.Decode(second, r); err != nil {
					t.Fatal(err)
				}
			})
			if allocs > tc.want {
				t.Errorf("%v allocations per block, want %v", allocs, tc.want)
			}
			allocs = testing.AllocsPerRun(100, func() { _ = d.Discard(second) })
			if allocs != 0 {
				t.Errorf("%v allocations per discarded block", allocs)
			}
		})
	}
}

func TestRefusingAllocatesNothing(t *testing.T) {
	d, r := NewDecoder(Limits{}), new(Request)
	malformed := []byte{0x82, 0x84}                                                  // no :scheme
	tooLarge := append([]byte{0x82, 0x84, 0x86}, bytes.Repeat([]byte{0x90}, 100)...) // accept-encoding, 100 times
	if err := d.Decode(tooLarge, r); err != ErrTooLarge {
		t.Fatal(err)
	}
	if err := d.Decode(malformed, r); err != errScheme {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"malformed": malformed, "too large": tooLarge} {
		if allocs := testing.AllocsPerRun(100, func() { _ = d.Decode(b, r) }); allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

func TestSizes(t *testing.T) {
	if size := unsafe.Sizeof(Decoder{}); size > 48 {
		t.Errorf("a Decoder is %d octets, the size class below is 48", size)
	}
}

// octetsPerDecoder returns the heap one Decoder holds after its connection received these blocks.
func octetsPerDecoder(tb testing.TB, received ...[]byte) uint64 {
	const count = 2000
	decoders, r := make([]*Decoder, count), new(Request)
	before := heap()
	for i := range decoders {
		decoders[i] = NewDecoder(Limits{})
		for _, b := range received {
			if err := decoders[i].Decode(b, r); err != nil {
				tb.Fatal(err)
			}
		}
	}
	r.Reset()
	after := heap()
	runtime.KeepAlive(decoders)
	return (after - before + count/2) / count
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the second empties the pools
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestMemoryOfAnIdleDecoder(t *testing.T) {
	first, second := blocks(t, browser)
	literals := block(browser...)
	_ = octetsPerDecoder(t, first) // builds what x/net builds once
	for _, tc := range []struct {
		name     string
		received [][]byte
		max      uint64
	}{
		{"no block yet", nil, 64},
		{"literals without indexing", [][]byte{literals, literals}, 256},
		{"a browser's handshakes", [][]byte{first, second, second}, 2048},
	} {
		got := octetsPerDecoder(t, tc.received...)
		t.Logf("%s: %d octets", tc.name, got)
		if got > tc.max {
			t.Errorf("%s: %d octets per Decoder, want at most %d", tc.name, got, tc.max)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	first, second := blocks(b, browser)
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(first)))
		r := new(Request)
		for b.Loop() {
			if err := NewDecoder(Limits{}).Decode(first, r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("second", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(second)))
		d, r := NewDecoder(Limits{}), new(Request)
		if err := d.Decode(first, r); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if err := d.Decode(second, r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppendResponse(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 256)
	for b.Loop() {
		_ = AppendField(AppendStatus(buf, 200), "sec-websocket-protocol", "chat.v2")
	}
}
