package hpack

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// The list of get() has 4 fields of 32+7+3, 32+7+5, 32+10+11 and 32+5+1 octets.
const getSize = 42 + 44 + 53 + 38

// getOf returns a GET whose list has exactly this size.
func getOf(size int) []byte {
	return block(get("x", strings.Repeat("y", size-getSize-33))...)
}

func TestLimitsToTheOctet(t *testing.T) {
	for _, tc := range []struct {
		name   string
		limits Limits
		block  []byte
		want   error
	}{
		{"default list", Limits{}, getOf(16384), nil},
		{"default list + 1", Limits{}, getOf(16385), ErrTooLarge},
		{"default hard list", Limits{}, getOf(65536), ErrTooLarge},
		{"default hard list + 1", Limits{}, getOf(65537), ErrFlood},
		{"own list", Limits{ListSize: 300}, getOf(300), nil},
		{"own list + 1", Limits{ListSize: 300}, getOf(301), ErrTooLarge},
		{"own hard list", Limits{ListSize: 300, ListSizeMax: 400}, getOf(400), ErrTooLarge},
		{"own hard list + 1", Limits{ListSize: 300, ListSizeMax: 400}, getOf(401), ErrFlood},

		{"default fields", Limits{}, block(append(get(), slices.Repeat(fields("x", "y"), 60)...)...), nil},
		{"default fields + 1", Limits{}, block(append(get(), slices.Repeat(fields("x", "y"), 61)...)...), ErrTooLarge},
		{"default hard fields", Limits{}, block(append(get(), slices.Repeat(fields("x", "y"), 252)...)...), ErrTooLarge},
		{"default hard fields + 1", Limits{}, block(append(get(), slices.Repeat(fields("x", "y"), 253)...)...), ErrFlood},
		{"cookie crumbs count one by one", Limits{Fields: 6}, block(append(get(), slices.Repeat(fields("cookie", "a"), 3)...)...), ErrTooLarge},
		{"own fields", Limits{Fields: 5}, block(get("x", "y")...), nil},
		{"own fields + 1", Limits{Fields: 5}, block(get("x", "y", "x", "y")...), ErrTooLarge},
		{"own hard fields + 1", Limits{Fields: 4, FieldsMax: 5}, block(get("x", "y", "x", "y")...), ErrFlood},

		{"own string", Limits{StringSize: 20}, block(get("x", strings.Repeat("y", 20))...), nil},
		{"own string + 1", Limits{StringSize: 20}, block(get("x", strings.Repeat("y", 21))...), ErrFlood},
		{"own string + 1 in a name", Limits{StringSize: 20}, block(get(strings.Repeat("y", 21), "x")...), ErrFlood},
		{"own string + 1, Huffman", Limits{StringSize: 20}, huffman(get(), "x", strings.Repeat("e", 21)), ErrFlood},

		{"malformed comes before too large", Limits{Fields: 2}, block(without(get(), ":path")...), errPath},
		{"flood comes before malformed", Limits{FieldsMax: 2}, block(fields("X", "", "X", "", "X", "")...), ErrFlood},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r Request
			if err := NewDecoder(tc.limits).Decode(tc.block, &r); err != tc.want {
				t.Errorf("Decode: %v, want %v", err, tc.want)
			}
			if soft := tc.limits.withDefaults().Fields; cap(r.Fields) > 2*soft {
				t.Errorf("room for %d fields under a soft limit of %d", cap(r.Fields), soft)
			}
		})
	}
}

// huffman appends a field with a Huffman-coded value to the block of list.
func huffman(list []Field, name, value string) []byte {
	b := appendString(append(block(list...), reprLiteral), name)
	coded := hpack.AppendHuffmanString(nil, value)
	return append(appendInt(b, 0x80, 7, len(coded)), coded...)
}

// A string may be longer than all of the block it came in: 5 bits for an octet.
func TestHuffmanStringsGrowUnderTheLimit(t *testing.T) {
	b := huffman(get(), "x", strings.Repeat("e", 60000))
	if len(b) > 40000 {
		t.Fatalf("%d octets of block: the test tests nothing", len(b))
	}
	if err := NewDecoder(Limits{}).Decode(b, new(Request)); err != ErrTooLarge {
		t.Errorf("60000 octets: %v, want ErrTooLarge", err)
	}
	if err := NewDecoder(Limits{}).Decode(huffman(get(), "x", strings.Repeat("e", 70000)), new(Request)); err != ErrFlood {
		t.Errorf("70000 octets: %v, want ErrFlood", err)
	}
}

// attack runs f on a Decoder that has seen the block first, and returns the octets allocated meanwhile and the error.
func attack(t *testing.T, first []byte, f func(d *Decoder) error) (octets uint64, err error) {
	t.Helper()
	d := NewDecoder(Limits{})
	if err := d.Discard(first); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err = f(d)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, err
}

// A block of one-octet references to one table entry decodes to thousands of times its size.
func TestBombs(t *testing.T) {
	big := indexed(nil, "x", strings.Repeat("y", 4000))
	crumb := indexed(nil, "cookie", "a=b")
	literal := AppendField(nil, "cookie", "a=b")
	for _, tc := range []struct {
		name  string
		first []byte
		bomb  []byte
	}{
		{"4 KB entry, 16384 times", big, bytes.Repeat(dynamic(1), 16384)},
		{"4 KB entry, 200 times", big, bytes.Repeat(dynamic(1), 200)},
		{"10000 indexed cookies", crumb, bytes.Repeat(dynamic(1), 10000)},
		{"10000 literal cookies", crumb, bytes.Repeat(literal, 10000)},
		{"behind a good request", crumb, append(block(connect()...), bytes.Repeat(dynamic(1), 10000)...)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for how, decode := range map[string]func(d *Decoder) error{
				"Decode":   func(d *Decoder) error { return d.Decode(tc.bomb, new(Request)) },
				"Trailers": func(d *Decoder) error { return d.Trailers(tc.bomb) },
			} {
				octets, err := attack(t, tc.first, decode)
				if err != ErrFlood {
					t.Errorf("%s: %v, want ErrFlood", how, err)
				}
				if octets > 16384 {
					t.Errorf("%s: %d octets allocated", how, octets)
				}
			}
		})
	}
}

// What follows the hard limit is not decompressed, as far as the table does without it.
func TestNothingIsDecompressedAboveTheHardLimit(t *testing.T) {
	one := huffman(nil, "x", strings.Repeat("e", 20000))
	bomb := append(block(get()...), bytes.Repeat(one, 200)...) // 4 MB
	octets, err := attack(t, nil, func(d *Decoder) error { return d.Decode(bomb, new(Request)) })
	if err != ErrFlood {
		t.Errorf("Decode: %v, want ErrFlood", err)
	}
	if octets > 1<<20 {
		t.Errorf("%d octets allocated", octets)
	}
}

// Discard has nothing to hold, so that only the number of fields can be too much.
func TestDiscardedBombs(t *testing.T) {
	big := indexed(nil, "x", strings.Repeat("y", 4000))
	for _, tc := range []struct {
		references int
		want       error
	}{{200, nil}, {16384, ErrFlood}} {
		bomb := bytes.Repeat(dynamic(1), tc.references)
		octets, err := attack(t, big, func(d *Decoder) error { return d.Discard(bomb) })
		if err != tc.want || octets > 4096 {
			t.Errorf("%d references: %v, want %v; %d octets allocated", tc.references, err, tc.want, octets)
		}
	}
}
