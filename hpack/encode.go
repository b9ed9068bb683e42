package hpack

import "strconv"

// Encoding is stateless: fields are indexed in the static table or literal, never added to a dynamic table. So it fits
// whatever SETTINGS_HEADER_TABLE_SIZE the peer announces (see AppendNoTable), costs a connection no memory, and one encoded
// response can serve many. Strings are not Huffman-coded: a response here is a few dozen octets.

// First octets of the representations used (RFC 7541 §6).
const (
	reprIndexed      = 0x80 // 7-bit prefix
	reprSizeUpdate   = 0x20 // 5-bit prefix
	reprLiteral      = 0x00 // without indexing, 4-bit prefix
	reprNeverIndexed = 0x10 // 4-bit prefix
)

// AppendNoTable begins a field block for a peer that must hear that its dynamic table is not used: a table size update to
// 0 (RFC 7541 §6.3).
func AppendNoTable(b []byte) []byte { return appendInt(b, reprSizeUpdate, 5, 0) }

// AppendStatus appends the :status pseudo-header field of a response, which must come first in its block.
func AppendStatus(b []byte, status int) []byte {
	if status < 100 || status > 999 {
		panic("BUG: hpack: status " + strconv.Itoa(status))
	}
	switch status {
	case 200:
		return append(b, reprIndexed|8)
	case 204:
		return append(b, reprIndexed|9)
	case 206:
		return append(b, reprIndexed|10)
	case 304:
		return append(b, reprIndexed|11)
	case 400:
		return append(b, reprIndexed|12)
	case 404:
		return append(b, reprIndexed|13)
	case 500:
		return append(b, reprIndexed|14)
	}
	return append(b, reprLiteral|8, 3, '0'+byte(status/100), '0'+byte(status/10%10), '0'+byte(status%10))
}

// AppendField appends one field, pseudo-header fields of requests included. The caller has validated it: name is in
// lower case. Fields that carry secrets are marked so that no proxy on the way compresses them either.
func AppendField(b []byte, name, value string) []byte {
	index, exact := searchStatic(name, value)
	if exact {
		return appendInt(b, reprIndexed, 7, index)
	}
	first := byte(reprLiteral)
	if isSecret(name) {
		first = reprNeverIndexed
	}
	b = appendInt(b, first, 4, index)
	if index == 0 {
		b = appendString(b, name)
	}
	return appendString(b, value)
}

// ValidField reports whether a field may be sent, as RFC 9113 §8.2 has it: its name is a token in lower case, its value
// has neither control characters nor white space at an end, and it is not about the connection.
func ValidField(name, value string) bool {
	return name != "" && nameChars.all(name) && validValue(value) && !connectionSpecific(name)
}

// isSecret: "An encoder might also choose not to index values for header fields that are considered to be highly
// valuable or sensitive to recovery, such as the Cookie or Authorization header fields" (RFC 7541 §7.1.3).
func isSecret(name string) bool {
	switch name {
	case "authorization", "cookie", "proxy-authorization", "set-cookie":
		return true
	}
	return false
}

// appendString appends a string literal (RFC 7541 §5.2).
func appendString(b []byte, s string) []byte {
	return append(appendInt(b, 0, 7, len(s)), s...)
}

// appendInt appends an integer (RFC 7541 §5.1) whose prefix shares its octet with the bits of first.
func appendInt(b []byte, first byte, prefixBits, v int) []byte {
	prefixMax := 1<<prefixBits - 1
	if v < prefixMax {
		return append(b, first|byte(v))
	}
	b = append(b, first|byte(prefixMax))
	for v -= prefixMax; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}
