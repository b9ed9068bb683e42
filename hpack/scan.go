package hpack

// Before a block is decoded its representations (RFC 7541 §6) are walked once, without looking anything up. That
// takes some nanoseconds a field and buys three things: a bomb of fields is refused before any of it is decompressed,
// a truncated block never reaches the decoder, which would keep a copy of it, and a late table size update is seen.

// countFields returns the number of fields in a block whose leading table size updates have been consumed.
func countFields(block []byte, fieldsMax int) (fields int, err error) {
	for len(block) > 0 {
		n := fieldLen(block)
		if n == 0 {
			return fields, ErrCompression
		}
		block = block[n:]
		if fields++; fields > fieldsMax {
			return fields, ErrFlood
		}
	}
	return fields, nil
}

// fieldLen returns the octets taken by the field representation that b starts with, 0 if it is cut off or none.
func fieldLen(b []byte) int {
	switch first := b[0]; {
	case first&0x80 != 0: // indexed, §6.1
		_, n := consumeInt(b, 7)
		return n
	case first&0x40 != 0: // literal with incremental indexing, §6.2.1
		return literalLen(b, 6)
	case isSizeUpdate(first):
		// "This dynamic table size update MUST occur at the beginning of the first header block following the change"
		// (RFC 7541 §4.2).
		return 0
	default: // literal without indexing or never indexed, §6.2.2 and §6.2.3
		return literalLen(b, 4)
	}
}

func literalLen(b []byte, prefixBits int) int {
	index, n := consumeInt(b, prefixBits)
	if n == 0 {
		return 0
	}
	if index == 0 { // the name is a literal, too
		name := stringLen(b[n:])
		if name == 0 {
			return 0
		}
		n += name
	}
	value := stringLen(b[n:])
	if value == 0 {
		return 0
	}
	return n + value
}

// stringLen returns the octets taken by the string literal (RFC 7541 §5.2) that b starts with, 0 if it is cut off.
func stringLen(b []byte) int {
	length, n := consumeInt(b, 7)
	if n == 0 || length > uint64(len(b)-n) {
		return 0
	}
	return n + int(length)
}

func isSizeUpdate(first byte) bool { return first&0xe0 == 0x20 } // RFC 7541 §6.3

// intContinuationMax is the most octets an integer may have after its prefix: 5 hold any 32-bit number. "Integer
// encodings that exceed implementation limits -- in value or octet length -- MUST be treated as decoding errors"
// (RFC 7541 §5.1).
const intContinuationMax = 5

// consumeInt reads the integer that b starts with (RFC 7541 §5.1) and the octets it takes, n == 0 if it is cut off or
// exceeds the limits.
func consumeInt(b []byte, prefixBits int) (v uint64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	mask := byte(1<<prefixBits - 1)
	if v = uint64(b[0] & mask); v < uint64(mask) {
		return v, 1
	}
	for i, c := range b[1:min(len(b), 1+intContinuationMax)] {
		v += uint64(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			return v, 2 + i
		}
	}
	return 0, 0
}
