package frame

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
)

// headerVectors have the header in the columns of RFC 9113 §4.1: length, type,
// flags, stream.
var headerVectors = []struct {
	why    string
	wire   string
	header Header
}{
	{"all zero", "000000 00 00 00000000", Header{}},
	{"an empty SETTINGS", "000000 04 00 00000000", Header{Type: Settings}},
	{"an ACK", "000000 04 01 00000000", Header{Type: Settings, Flags: FlagAck}},
	{"octets in order", "010203 04 05 06070809", Header{0x010203, 4, 5, 0x06070809}},
	{"the largest of everything", "ffffff ff ff 7fffffff", Header{MaxPayloadMax, 0xff, 0xff, Reserved - 1}},
	{"an unknown type", "000001 2a 00 00000003", Header{1, 0x2a, 0, 3}},
}

func TestHeader(t *testing.T) {
	for _, v := range headerVectors {
		t.Run(v.why, func(t *testing.T) {
			wire := unhex(v.wire)
			if h, n := ConsumeHeader(wire); h != v.header || n != HeaderLen {
				t.Errorf("consumed %+v, %d octets, want %+v", h, n, v.header)
			}
			if got := AppendHeader([]byte("before"), v.header); !bytes.Equal(got, append([]byte("before"), wire...)) {
				t.Errorf("appended %x, want %x", got, wire)
			}
			place := bytes.Repeat([]byte{0xee}, HeaderLen+1)
			PutHeader(place, v.header)
			if !bytes.Equal(place, append(wire, 0xee)) {
				t.Errorf("put %x, want %x and nothing behind", place, wire)
			}
		})
	}
}

func TestHeaderReservedBit(t *testing.T) {
	wire := unhex("000000 00 00 80000001")
	h, _ := ConsumeHeader(wire)
	if h.StreamID != 1 {
		t.Errorf("stream %#x, want the reserved bit ignored", h.StreamID)
	}
	h.StreamID |= Reserved
	if got := AppendHeader(nil, h); !bytes.Equal(got, wire) {
		t.Errorf("appended %x, want the bit sent when it is asked for", got)
	}
}

func TestHeaderTooShort(t *testing.T) {
	wire := unhex("010203 04 05 06070809")
	for n := range HeaderLen {
		if h, got := ConsumeHeader(wire[:n]); h != (Header{}) || got != 0 {
			t.Errorf("of %d octets: consumed %+v, %d octets, want nothing", n, h, got)
		}
	}
	if _, n := ConsumeHeader(append(wire, 1, 2, 3)); n != HeaderLen {
		t.Errorf("with a payload behind: consumed %d octets", n)
	}
}

func TestHeaderRandom(t *testing.T) {
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 1))
		want := Header{r.Uint32N(1 << 24), Type(r.Uint32()), Flags(r.Uint32()), r.Uint32N(1 << 31)}
		wire := AppendHeader(nil, want)
		if got, n := ConsumeHeader(wire); got != want || n != HeaderLen || len(wire) != HeaderLen {
			t.Fatalf("seed %d: %+v came back as %+v from %x", seed, want, got, wire)
		}
	}
}

func TestHeaderLengthBugPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Errorf("a length of 2^24 did not panic")
		}
	}()
	AppendHeader(nil, Header{Length: MaxPayloadMax + 1})
}

func TestPreface(t *testing.T) {
	// RFC 9113 §3.4 gives it in hexadecimal.
	if want := unhex("505249202a20485454502f322e300d0a0d0a534d0d0a0d0a"); Preface != string(want) {
		t.Errorf("the preface is %q, want %q", Preface, want)
	}
}

func TestFlagsHas(t *testing.T) {
	f := FlagEndStream | FlagPadded
	for g, want := range map[Flags]bool{
		0: true, FlagEndStream: true, FlagPadded: true, f: true,
		FlagEndHeaders: false, FlagEndStream | FlagEndHeaders: false, 0xff: false,
	} {
		if f.Has(g) != want {
			t.Errorf("%#x has %#x: %v, want %v", f, g, !want, want)
		}
	}
}

// unhex returns the octets of a vector, in which blanks are only for the eye.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}
