package hpack

// charset is a set of octets.
type charset [256]bool

const (
	digit = "0123456789"
	lower = "abcdefghijklmnopqrstuvwxyz"
	upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	tchar = "!#$%&'*+-.^_`|~" + digit // RFC 9110 §5.6.2, without letters
)

var (
	tokenChars = charsetOf(tchar + lower + upper)
	// "A field name MUST NOT contain characters in the ranges 0x00-0x20, 0x41-0x5a, or 0x7f-0xff" (RFC 9113 §8.2.1);
	// the other octets outside of tokens are refused as RFC 9110 §5.1 allows.
	nameChars = charsetOf(tchar + lower)
	// host and port of RFC 3986 §3.2, without userinfo
	authorityChars = charsetOf("-._~!$&'()*+,;=%:[]" + digit + lower + upper)
	schemeChars    = charsetOf("+-." + digit + lower + upper)
)

func charsetOf(chars string) *charset {
	var s charset
	for i := range len(chars) {
		s[chars[i]] = true
	}
	return &s
}

// all reports whether every octet of str is in the set.
func (s *charset) all(str string) bool {
	for i := range len(str) {
		if !s[str[i]] {
			return false
		}
	}
	return true
}

// validValue implements RFC 9113 §8.2.1: "A field value MUST NOT contain the zero value (ASCII NUL, 0x00), line feed
// (ASCII LF, 0x0a), or carriage return (ASCII CR, 0x0d) at any position. A field value MUST NOT start or end with an
// ASCII whitespace character". The other control characters are refused, too (RFC 9110 §5.5).
func validValue(v string) bool {
	for i := range len(v) {
		if c := v[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return v == "" || !isSpace(v[0]) && !isSpace(v[len(v)-1])
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// validScheme implements RFC 3986 §3.1.
func validScheme(s string) bool {
	return s != "" && isLetter(s[0]) && schemeChars.all(s)
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// validPath reports whether p can be a :path: absolute, or the asterisk form of OPTIONS (RFC 9113 §8.3.1). Octets that
// end a request target elsewhere are refused, whoever may copy the path into a line, and so is the fragment, which "the
// path and query parts of the target URI" have not: others cut it off, and see another path.
func validPath(method, p string) bool {
	if p == "*" {
		return method == "OPTIONS"
	}
	if p == "" || p[0] != '/' {
		return false
	}
	for i := range len(p) {
		if c := p[i]; c <= ' ' || c == '#' || c == 0x7f {
			return false
		}
	}
	return true
}
