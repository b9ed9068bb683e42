package hpack

import (
	"bytes"
	"testing"
)

// RFC 7541 Appendix C.1, with the prefix alone in its octet and with the other bits set.
func TestIntegersOfTheRFC(t *testing.T) {
	for _, tc := range []struct {
		value      int
		prefixBits int
		wire       []byte
	}{
		{10, 5, []byte{0x0a}},
		{1337, 5, []byte{0x1f, 0x9a, 0x0a}},
		{42, 8, []byte{0x2a}},
	} {
		if got := appendInt(nil, 0, tc.prefixBits, tc.value); !bytes.Equal(got, tc.wire) {
			t.Errorf("appendInt(%d) = %x, want %x", tc.value, got, tc.wire)
		}
		wire := bytes.Clone(tc.wire)
		wire[0] |= byte(0xff << tc.prefixBits)
		if v, n := consumeInt(append(wire, 0xff), tc.prefixBits); v != uint64(tc.value) || n != len(wire) {
			t.Errorf("consumeInt(%x) = %d, %d", wire, v, n)
		}
	}
}

func TestIntegersThereAndBack(t *testing.T) {
	for _, v := range []int{0, 1, 14, 15, 16, 30, 31, 32, 62, 63, 126, 127, 128, 254, 255, 256, 16384, 1<<28 - 1, 1 << 28, 1<<32 - 1} {
		for prefixBits := 4; prefixBits <= 7; prefixBits++ {
			wire := appendInt(nil, 0, prefixBits, v)
			if got, n := consumeInt(wire, prefixBits); got != uint64(v) || n != len(wire) {
				t.Errorf("%d with %d bits: %x read as %d, %d octets", v, prefixBits, wire, got, n)
			}
			for cut := range wire {
				if _, n := consumeInt(wire[:cut], prefixBits); n != 0 {
					t.Errorf("%x cut to %d octets is taken for an integer", wire, cut)
				}
			}
		}
	}
}

func TestIntegersThatAreTooLong(t *testing.T) {
	for _, tc := range []struct {
		name string
		wire []byte
		n    int
	}{
		{"5 octets behind the prefix", []byte{0x7f, 0x80, 0x80, 0x80, 0x80, 0x00}, 6},
		{"6 octets of nothing", []byte{0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, 0},
		{"without end", bytes.Repeat([]byte{0xff}, 100), 0},
	} {
		if _, n := consumeInt(tc.wire, 7); n != tc.n {
			t.Errorf("%s: %d octets taken, want %d", tc.name, n, tc.n)
		}
	}
}

func TestFieldLen(t *testing.T) {
	for _, tc := range []struct {
		name  string
		field []byte
	}{
		{"indexed", []byte{0x82}},
		{"indexed, long index", []byte{0xff, 0x80, 0x01}},
		{"literal with indexing, indexed name", []byte{0x41, 1, 'a'}},
		{"literal with indexing, new name", []byte{0x40, 1, 'a', 2, 'b', 'c'}},
		{"literal with indexing, long index", []byte{0x7f, 0x01, 1, 'a'}},
		{"literal without indexing, indexed name", []byte{0x04, 0}},
		{"literal without indexing, new name", []byte{0x00, 0, 0}},
		{"literal never indexed, long index", []byte{0x1f, 0x11, 1, 'a'}},
		{"literal, Huffman", []byte{0x00, 0x81, 0x1f, 0x81, 0x1f}},
		{"literal, 127 octets", append([]byte{0x04, 0x7f, 0x00}, make([]byte, 127)...)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if n := fieldLen(append(bytes.Clone(tc.field), 0x82, 0x82)); n != len(tc.field) {
				t.Errorf("fieldLen = %d, want %d", n, len(tc.field))
			}
			for cut := 1; cut < len(tc.field); cut++ {
				if n := fieldLen(tc.field[:cut]); n != 0 {
					t.Errorf("cut to %d octets: fieldLen = %d, want 0", cut, n)
				}
			}
		})
	}
	for first := 0x20; first < 0x40; first++ {
		if n := fieldLen([]byte{byte(first), 0, 0}); n != 0 {
			t.Errorf("size update %#02x is taken for a field of %d octets", first, n)
		}
	}
}

func TestCountFieldsStopsAtTheLimit(t *testing.T) {
	three := []byte{0x82, 0x84, 0x86}
	if n, err := countFields(three, 3); n != 3 || err != nil {
		t.Errorf("3 fields under a limit of 3: %d, %v", n, err)
	}
	if _, err := countFields(three, 2); err != ErrFlood {
		t.Errorf("3 fields under a limit of 2: %v", err)
	}
	if n, err := countFields(nil, 0); n != 0 || err != nil {
		t.Errorf("empty block: %d, %v", n, err)
	}
}
