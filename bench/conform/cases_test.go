package conform

import (
	"testing"
	"unicode/utf8"
)

// Each text is what its list says, and none is in it twice.
func TestTexts(t *testing.T) {
	seen := map[string]bool{}
	check := func(name, text string, valid bool) {
		if seen[text] || utf8.ValidString(text) != valid {
			t.Errorf("%s: %q is used twice, or valid UTF-8 is not %v", name, text, valid)
		}
		seen[text] = true
	}
	for _, v := range validTexts {
		check(v.name, v.text, true)
	}
	for _, v := range invalidTexts {
		check(v.name, v.text, false)
	}
}
