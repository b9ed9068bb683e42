package ws

import "unicode/utf8"

// validPrefix returns how many octets at the start of p are whole characters.
// ok is false as soon as nothing that may follow can make p valid UTF-8, so
// that a peer is refused at the first bad octet and not at the end of its
// message (RFC 6455 §8.1).
//
// The octets left over are at most three: the start of a character.
func validPrefix(p []byte) (n int, ok bool) {
	n = len(p)
	for i := n - 1; i >= 0 && i >= n-(utf8.UTFMax-1); i-- {
		if utf8.RuneStart(p[i]) {
			if !utf8.FullRune(p[i:]) {
				n = i
			}
			break
		}
	}
	return n, utf8.Valid(p[:n])
}
