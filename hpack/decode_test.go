package hpack

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// indexed appends a literal with incremental indexing and a new name.
func indexed(b []byte, name, value string) []byte {
	return appendString(appendString(append(b, 0x40), name), value)
}

// dynamic is the indexed representation of the dynamic table's entry i, 1 being the newest.
func dynamic(i int) []byte { return appendInt(nil, reprIndexed, 7, len(staticTable)+i) }

// wantInStep fails unless the newest entry of the table is want.
func wantInStep(t *testing.T, d *Decoder, want Field) {
	t.Helper()
	var r Request
	if err := d.Decode(append(block(get()...), dynamic(1)...), &r); err != nil {
		t.Fatalf("a block that refers to the newest table entry: %v", err)
	}
	if !slices.Equal(r.Fields, []Field{want}) {
		t.Errorf("the newest table entry is %q, want %q", r.Fields, want)
	}
}

// RFC 7541 Appendix C.3 and C.4: three requests on one connection, without and with Huffman coding.
func TestRequestsOfTheRFC(t *testing.T) {
	for _, tc := range []struct {
		name   string
		blocks []string
	}{
		{"C.3 without Huffman", []string{
			"8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
			"8286 84be 5808 6e6f 2d63 6163 6865",
			"8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65"}},
		{"C.4 with Huffman", []string{
			"8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
			"8286 84be 5886 a8eb 1064 9cbf",
			"8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := NewDecoder(Limits{})
			for i, want := range []Request{
				{Scheme: "http", Path: "/"},
				{Scheme: "http", Path: "/", Fields: fields("cache-control", "no-cache")},
				{Scheme: "https", Path: "/index.html", Fields: fields("custom-key", "custom-value")},
			} {
				var r Request
				if err := d.Decode(unhex(t, tc.blocks[i]), &r); err != nil {
					t.Fatalf("request %d: %v", i+1, err)
				}
				if r.Method != "GET" || r.Authority != "www.example.com" || r.Scheme != want.Scheme ||
					r.Path != want.Path || !slices.Equal(r.Fields, want.Fields) {
					t.Errorf("request %d: %+v", i+1, r)
				}
			}
		})
	}
}

// RFC 7541 Appendix C.2: one field in each representation, behind the pseudo-header fields of C.3.
func TestRepresentationsOfTheRFC(t *testing.T) {
	for _, tc := range []struct {
		name, wire string
		want       Field
		table      bool // does it go into the table?
	}{
		{"C.2.1 literal with indexing", "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
			Field{"custom-key", "custom-header"}, true},
		{"C.2.3 literal never indexed", "1008 7061 7373 776f 7264 0673 6563 7265 74", Field{"password", "secret"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := NewDecoder(Limits{})
			var r Request
			if err := d.Decode(append(unhex(t, "828684"), unhex(t, tc.wire)...), &r); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(r.Fields, []Field{tc.want}) {
				t.Errorf("Fields = %q, want %q", r.Fields, tc.want)
			}
			if tc.table {
				wantInStep(t, d, tc.want)
			} else if err := d.Discard(dynamic(1)); err != ErrCompression {
				t.Errorf("the field is in the table: %v", err)
			}
		})
	}
}

// RFC 7541 Appendix C.5 and C.6: responses with a table of 256 octets and evictions. They are malformed as requests,
// and the table must be right all the same, after Decode as after Discard.
func TestResponsesOfTheRFCKeepTheTableInStep(t *testing.T) {
	plain := []string{
		"3fe1 01" + "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
		"4803 3330 37c1 c0bf",
		"88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
	}
	huffman := []string{
		"3fe1 01" + "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
		"4883 640e ffc1 c0bf",
		"88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
	}
	want := fields("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
		"content-encoding", "gzip", "date", "Mon, 21 Oct 2013 20:13:22 GMT")

	for name, blocks := range map[string][]string{"C.5": plain, "C.6": huffman} {
		for how, decode := range map[string]func(d *Decoder, b []byte) error{
			"Decode":   func(d *Decoder, b []byte) error { return d.Decode(b, new(Request)) },
			"Trailers": func(d *Decoder, b []byte) error { return d.Trailers(b) },
			"Discard":  func(d *Decoder, b []byte) error { return d.Discard(b) },
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				d := NewDecoder(Limits{})
				for _, b := range blocks {
					var fault *Malformed
					if err := decode(d, unhex(t, b)); err != nil && !errors.As(err, &fault) {
						t.Fatal(err)
					}
				}
				var r Request
				b := slices.Concat(block(get()...), dynamic(1), dynamic(2), dynamic(3))
				if err := d.Decode(b, &r); err != nil || !slices.Equal(r.Fields, want) {
					t.Errorf("table holds %q, %v; want %q", r.Fields, err, want)
				}
				if err := d.Discard(dynamic(4)); err != ErrCompression {
					t.Errorf("a fourth entry, which should be evicted: %v", err)
				}
			})
		}
	}
}

func TestBlocksThatDoNotDecode(t *testing.T) {
	for _, tc := range []struct {
		name string
		wire string
	}{
		{"index 0", "80"},
		{"index 70 with an empty table", "c6"},
		{"index 62 with an empty table", "be"},
		{"index 2^32", "ff 81 ff ff ff 0f"},
		{"index without end", "ff ff ff ff ff ff ff ff ff ff ff"},
		{"index overflows 64 bits", "ff ff ff ff ff ff ff ff ff ff 7f"},
		{"index padded beyond 5 octets", "ff 80 80 80 80 80 00"},
		{"name index beyond the table", "7f 00 01 61"},
		{"name index without indexing beyond the table", "0f 37 01 61"},
		{"truncated index", "ff"},
		{"truncated name", "40 03 61 62"},
		{"value missing", "40 01 61"},
		{"truncated value", "40 01 61 02 62"},
		{"value of 2^32 octets", "40 01 61 7f 81 ff ff ff 0f"},
		{"value of 2^63 octets", "40 01 61 7f ff ff ff ff ff ff ff ff 7f"},
		{"Huffman padding longer than 7 bits", "00 85 f2b2 4a84 ff 84 4950 9fff"},
		{"Huffman padding of zeros", "00 85 f2b2 4a84 ff 83 4950 90"},
		{"Huffman EOS inside", "00 85 f2b2 4a84 ff 87 ffff fffd 2542 7f"},
		{"size update at the end", "21"},
		{"size update to 0 at the end", "20"},
		{"size update to the limit at the end", "3fe1 1f"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wire := unhex(t, tc.wire)
			// Behind fields that leave the table empty, and behind one that does not.
			for _, before := range [][]byte{block(get()...), block(get("x", "y")...)} {
				if err := NewDecoder(Limits{}).Decode(slices.Concat(before, wire), new(Request)); err != ErrCompression {
					t.Errorf("Decode: %v, want ErrCompression", err)
				}
			}
			if strings.Contains(tc.name, "index 62") {
				return
			}
			before := indexed(block(get()...), "x", "y")
			if err := NewDecoder(Limits{}).Decode(slices.Concat(before, wire), new(Request)); err != ErrCompression {
				t.Errorf("Decode with a table entry: %v, want ErrCompression", err)
			}
			if err := NewDecoder(Limits{}).Trailers(slices.Concat(block(fields("x", "y")...), wire)); err != ErrCompression {
				t.Errorf("Trailers: %v, want ErrCompression", err)
			}
		})
	}
}

// Each prefix of a block either ends between two fields or does not decode. x/net would wait for more.
func TestBlockCutAnywhere(t *testing.T) {
	b := indexed(block(connect("cookie", "a=b")...), "x", "y")
	ends := map[int]bool{0: true}
	for n := 0; n < len(b); {
		n += fieldLen(b[n:])
		ends[n] = true
	}
	for cut := range b {
		err := NewDecoder(Limits{}).Decode(b[:cut], new(Request))
		if whole := err != ErrCompression; whole != ends[cut] {
			t.Errorf("cut to %d octets: %v", cut, err)
		}
	}
}

func TestTableSizeUpdates(t *testing.T) {
	for _, tc := range []struct {
		name string
		wire string
		want error
		kept bool // is the table as it was?
	}{
		{"none", "", nil, true},
		{"to the limit", "3fe1 1f", nil, true},
		{"above the limit", "3fe2 1f", ErrCompression, false},
		{"to 2^32-1", "3fe0 ffff ff0f", ErrCompression, false},
		{"truncated", "3f", ErrCompression, false},
		{"to 0", "20", nil, false},
		{"to less than the entry", "3e", nil, false},
		{"to 0 and back", "20 3fe1 1f", nil, false},
		// "The smallest maximum table size that occurs in that interval MUST be signaled in a dynamic table size update.
		// The final maximum size is always signaled, resulting in at most two" (RFC 7541 §4.2).
		{"to 256 and back, which keeps the entry", "3fe1 01 3fe1 1f", nil, true},
		{"second one above the limit", "20 3fe2 1f", ErrCompression, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := NewDecoder(Limits{})
			if err := d.Discard(indexed(nil, "x", "y")); err != nil {
				t.Fatal(err)
			}
			err := d.Decode(append(unhex(t, tc.wire), block(get()...)...), new(Request))
			if err != tc.want {
				t.Fatalf("Decode: %v, want %v", err, tc.want)
			}
			if tc.want != nil {
				return
			}
			if err := d.Discard(dynamic(1)); (err == nil) != tc.kept {
				t.Errorf("the entry that was in the table: %v", err)
			}
		})
	}
}

func TestBlockOfNothingButASizeUpdate(t *testing.T) {
	if err := NewDecoder(Limits{}).Decode([]byte{0x20}, new(Request)); err != errMethod {
		t.Errorf("Decode: %v, want %v", err, errMethod)
	}
	if err := NewDecoder(Limits{}).Trailers([]byte{0x20}); err != nil {
		t.Errorf("Trailers: %v", err)
	}
}

func TestErrorsOfTheStreamLeaveTheTableInStep(t *testing.T) {
	last := Field{"last", "entry"}
	for _, tc := range []struct {
		name  string
		block []byte
		want  error
	}{
		{"malformed at the first field", block(fields(":test", "x")...), errPseudoUnknown},
		{"malformed only as a whole", block(fields("x", "y")...), errMethod},
		{"too many fields", block(append(get(), slices.Repeat(fields("x", "y"), 100)...)...), ErrTooLarge},
		{"too many octets", block(get("x", strings.Repeat("y", 20000))...), ErrTooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := NewDecoder(Limits{})
			if err := d.Decode(indexed(tc.block, last.Name, last.Value), new(Request)); err != tc.want {
				t.Fatalf("Decode: %v, want %v", err, tc.want)
			}
			wantInStep(t, d, last)
		})
	}
}

func TestDiscardJudgesNothing(t *testing.T) {
	d := NewDecoder(Limits{})
	b := block(append(fields("X", " ", ":y", "\n", "connection", "x"), slices.Repeat(fields("x", "y"), 200)...)...)
	if err := d.Discard(indexed(b, "last", "entry")); err != nil {
		t.Errorf("Discard: %v", err)
	}
	wantInStep(t, d, Field{"last", "entry"})
}

func TestAnIdleDecoderHoldsNoRequest(t *testing.T) {
	d := NewDecoder(Limits{})
	for _, b := range [][]byte{block(get()...), block(fields(":test", "x")...), {0x80}} {
		_ = d.Decode(b, new(Request))
		if d.into != nil {
			t.Errorf("after %x the Decoder holds on to the Request", b)
		}
	}
}

// The table is written by the encoder other programs use, so that what it does with its table is not our guess.
func TestConnectionOfManyRequests(t *testing.T) {
	var wire bytes.Buffer
	enc := hpack.NewEncoder(&wire)
	d := NewDecoder(Limits{})
	var r Request
	for i := range 200 {
		wire.Reset()
		want := connect("origin", "https://example.com", "cookie", strings.Repeat("c", i*7%500), "x-request", strings.Repeat("r", i%9))
		for _, f := range want {
			if err := enc.WriteField(hpack.HeaderField{Name: f.Name, Value: f.Value}); err != nil {
				t.Fatal(err)
			}
		}
		if i%5 == 4 {
			if err := d.Discard(wire.Bytes()); err != nil {
				t.Fatalf("request %d: %v", i, err)
			}
			continue
		}
		if err := d.Decode(wire.Bytes(), &r); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		if !slices.Equal(r.Fields, want[5:]) {
			t.Fatalf("request %d: %q, want %q", i, r.Fields, want[5:])
		}
	}
}
