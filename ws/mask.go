package ws

import (
	"encoding/binary"
	"math/bits"
)

// mask masks or unmasks p in place (RFC 6455 §5.3: "j = i MOD 4;
// transformed-octet-i = original-octet-i XOR masking-key-octet-j"). key holds
// the octet for p[0] lowest. The result is the key for the octet after p, so
// that a payload may come in any parts.
func mask(p []byte, key uint32) (rotated uint32) {
	rotated = bits.RotateLeft32(key, -8*(len(p)&3))
	k := uint64(key)<<32 | uint64(key)
	for len(p) >= 32 {
		binary.LittleEndian.PutUint64(p[0:8], binary.LittleEndian.Uint64(p[0:8])^k)
		binary.LittleEndian.PutUint64(p[8:16], binary.LittleEndian.Uint64(p[8:16])^k)
		binary.LittleEndian.PutUint64(p[16:24], binary.LittleEndian.Uint64(p[16:24])^k)
		binary.LittleEndian.PutUint64(p[24:32], binary.LittleEndian.Uint64(p[24:32])^k)
		p = p[32:]
	}
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^k)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= byte(k)
		k >>= 8
	}
	return rotated
}
