package ws

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// naiveMask is RFC 6455 §5.3 to the letter; i is the position in the payload.
func naiveMask(p []byte, key [4]byte, i int) {
	for n := range p {
		p[n] ^= key[(i+n)%4]
	}
}

func keyOctets(key uint32) [4]byte {
	return [4]byte{byte(key), byte(key >> 8), byte(key >> 16), byte(key >> 24)}
}

func TestMaskAgainstNaive(t *testing.T) {
	const key = 0xd4c3b2a1
	random := rand.NewChaCha8([32]byte{})
	for offset := range 17 { // in memory
		for length := range 140 {
			room := make([]byte, offset+length+9)
			random.Read(room)
			want := bytes.Clone(room)
			naiveMask(want[offset:offset+length], keyOctets(key), 0)
			rotated := mask(room[offset:offset+length], key)
			if !bytes.Equal(room, want) {
				t.Fatalf("offset %d, length %d: got % x, want % x", offset, length, room, want)
			}
			octets := keyOctets(key)
			for i, o := range keyOctets(rotated) {
				if o != octets[(length+i)%4] {
					t.Fatalf("length %d: rotated key %08x", length, rotated)
				}
			}
		}
	}
}

func TestMaskInParts(t *testing.T) {
	whole := make([]byte, 100)
	mask(whole, testKey)
	for i := range whole {
		for j := i; j <= len(whole); j++ {
			parts := make([]byte, len(whole))
			key := mask(parts[:i], testKey)
			key = mask(parts[i:j], key)
			mask(parts[j:], key)
			if !bytes.Equal(parts, whole) {
				t.Fatalf("cut at %d and %d: % x, want % x", i, j, parts, whole)
			}
		}
	}
}

func FuzzMask(f *testing.F) {
	f.Add([]byte("Hello"), uint32(testKey), uint16(2))
	f.Fuzz(func(t *testing.T, p []byte, key uint32, cut uint16) {
		want := bytes.Clone(p)
		naiveMask(want, keyOctets(key), 0)
		at := int(cut) % (len(p) + 1)
		got := bytes.Clone(p)
		mask(got[at:], mask(got[:at], key))
		if !bytes.Equal(got, want) {
			t.Fatalf("% x masked with %08x, cut at %d: % x, want % x", p, key, at, got, want)
		}
		mask(got, key)
		if !bytes.Equal(got, p) {
			t.Fatalf("% x masked twice with %08x: % x", p, key, got)
		}
	})
}
