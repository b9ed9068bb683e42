package hpack

import (
	"strings"
	"testing"
)

// Every octet against the grammar, written here as ranges.
func TestCharactersOfNamesAndValues(t *testing.T) {
	for i := range 256 {
		c := byte(i)
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		digit := '0' <= c && c <= '9'
		token := letter || digit || c < 0x80 && strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
		upper := 'A' <= c && c <= 'Z'
		s := "a" + string([]byte{c}) + "b"

		if got := tokenChars.all(s); got != token {
			t.Errorf("octet %#02x in a token: %v", c, got)
		}
		if got, want := nameChars.all(s), token && !upper; got != want {
			t.Errorf("octet %#02x in a name: %v", c, got)
		}
		if got, want := validValue(s), c == '\t' || c >= ' ' && c != 0x7f; got != want {
			t.Errorf("octet %#02x in a value: %v", c, got)
		}
		if got, want := validValue(string([]byte{c})), c > ' ' && c != 0x7f; got != want {
			t.Errorf("octet %#02x as a value: %v", c, got)
		}
		if got, want := validScheme(string([]byte{c})), letter; got != want {
			t.Errorf("octet %#02x as a scheme: %v", c, got)
		}
		if got, want := validScheme(s), letter || digit || c == '+' || c == '-' || c == '.'; got != want {
			t.Errorf("octet %#02x in a scheme: %v", c, got)
		}
		if got, want := validPath("GET", "/"+s), c > ' ' && c != '#' && c != 0x7f; got != want {
			t.Errorf("octet %#02x in a path: %v", c, got)
		}
		subDelim := c < 0x80 && strings.IndexByte("!$&'()*+,;=", c) >= 0
		unreserved := letter || digit || c == '-' || c == '.' || c == '_' || c == '~'
		want := unreserved || subDelim || c == '%' || c == ':' || c == '[' || c == ']'
		if got := authorityChars.all(s); got != want {
			t.Errorf("octet %#02x in an authority: %v", c, got)
		}
	}
}
