package ws

import (
	"fmt"
	"testing"
	"unicode/utf8"
)

// validTexts has both ends of every row of the table in RFC 3629 §4, and more.
var validTexts = []string{
	"", "\x00", "a", "\x7f", "Hello",
	"\u0080", "\u07ff", "\u0800", "\u0fff", "\u1000", "\ucfff", "\ud000", "\ud7ff", "\ue000", "\ufffd", "\uffff",
	"\U00010000", "\U0003ffff", "\U00040000", "\U000fffff", "\U00100000", "\U0010ffff",
	"κόσμε", "aé€😀z", "😀😀😀", "ﷲ﷽", "\ufeffbom",
}

// invalidTexts with the number of octets after which there is no hope.
var invalidTexts = []struct {
	text string
	at   int
}{
	{"\x80", 1}, {"\xbf", 1}, {"ab\x80", 3}, {"a\xe2\x82\xac\xac", 5},
	{"\xc0", 1}, {"\xc0\x80", 1}, {"\xc1\xbf", 1}, // overlong, two octets
	{"\xe0\x80\x80", 2}, {"\xe0\x9f\xbf", 2}, // overlong, three
	{"\xf0\x80\x80\x80", 2}, {"\xf0\x8f\xbf\xbf", 2}, // overlong, four
	{"\xed\xa0\x80", 2}, {"\xed\xbf\xbf", 2}, {"\xed\xad\xbf\xed\xb0\x80", 2}, // surrogates
	{"\xf4\x90\x80\x80", 2}, {"\xf5", 1}, {"\xf8\x88\x80\x80\x80", 1}, {"\xff", 1}, {"\xfe", 1}, // above U+10FFFF
	{"\xc3a", 2}, {"\xe2\x82a", 3}, {"\xe2a\xac", 2}, {"\xf0\x9f\x98a", 4}, {"\xf0\x9fa\x80", 3}, {"\xf0a\x98\x80", 2},
	{"\xc3\xc3", 2}, {"\xe2\x82\xe2", 3}, {"\xf0\x9f\x98\xf0", 4}, {"\xe2\xf0", 2},
	{"κόσμε\xed\xa0\x80edited", 12}, // Autobahn 6.4
}

// unfinishedTexts end inside a character: wrong only once the message ends.
var unfinishedTexts = []string{
	"\xc3", "\xe2", "\xe2\x82", "\xf0", "\xf0\x9f", "\xf0\x9f\x98", "a\xf4\x8f\xbf", "é\xe0\xa0", "\xed\x9f",
}

func TestValidPrefixAgainstTrial(t *testing.T) {
	check := func(p []byte) {
		n, ok := validPrefix(p)
		if ok != extendable(p) {
			t.Errorf("validPrefix(% x) says %t", p, ok)
		}
		if ok && (!utf8.Valid(p[:n]) || len(p)-n > 3) {
			t.Errorf("validPrefix(% x) = %d", p, n)
		}
	}
	// Both ends of every range in the table.
	ends := []byte{0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5}
	for a := range 256 {
		check([]byte{byte(a)})
		for b := range 256 {
			check([]byte{byte(a), byte(b)})
		}
	}
	for _, a := range ends {
		for _, b := range ends {
			for _, c := range ends {
				check([]byte{a, b, c})
				if a < 0xe0 {
					continue
				}
				for _, d := range ends {
					check([]byte{a, b, c, d})
				}
			}
		}
	}
}

// ways are the ways in which n octets of a message can arrive.
func ways(text string) map[string][][]byte {
	w := map[string][][]byte{"whole": {clientFrame(0x81, text)}}
	var drip [][]byte
	for _, b := range clientFrame(0x81, text) {
		drip = append(drip, []byte{b})
	}
	w["octet by octet"] = drip
	for i := range len(text) + 1 {
		w[fmt.Sprintf("two fragments, cut at %d", i)] = [][]byte{
			append(clientFrame(0x01, text[:i]), clientFrame(0x80, text[i:])...)}
		w[fmt.Sprintf("two slices, cut at %d", i)] = [][]byte{
			clientFrame(0x81, text)[:6+i], clientFrame(0x81, text)[6+i:]}
		w[fmt.Sprintf("fragments around a ping and an empty one, cut at %d", i)] = [][]byte{
			clientFrame(0x01, text[:i]), clientFrame(0x8a, "\xff"), clientFrame(0x00, ""), clientFrame(0x80, text[i:])}
	}
	return w
}

func TestTextValid(t *testing.T) {
	for _, text := range validTexts {
		for how, parts := range ways(text) {
			s := open(t, EndpointOptions{})
			for _, p := range parts {
				s.feed(p)
			}
			s.want(fmt.Sprintf("%q, %s", text, how), message(Text, []byte(text)))
		}
	}
}

func TestTextInvalid(t *testing.T) {
	var texts []string
	for _, x := range invalidTexts {
		texts = append(texts, x.text)
	}
	for _, text := range append(texts, unfinishedTexts...) {
		for how, parts := range ways(text) {
			s := open(t, EndpointOptions{})
			for _, p := range parts {
				s.feed(p)
			}
			s.want(fmt.Sprintf("% x, %s", text, how), "CLOSE+END 1007", "close 1007 local ErrInvalidUTF8")
		}
	}
}

// TestTextFailsFast: the first octet that cannot be right ends it, in the
// middle of a frame that announces much more.
func TestTextFailsFast(t *testing.T) {
	for _, x := range invalidTexts {
		wire := clientFrame(0x01, x.text+"and so on")
		s := open(t, EndpointOptions{})
		for i := range 6 + x.at - 1 {
			s.feed(wire[i : i+1])
		}
		s.wantIdle(fmt.Sprintf("% x: %d octets may still become right", x.text, x.at-1))
		s.feed(wire[6+x.at-1:][:1])
		s.want(fmt.Sprintf("% x: octet %d is wrong", x.text, x.at), "CLOSE+END 1007", "close 1007 local ErrInvalidUTF8")
	}
}

func TestBinaryIsNotText(t *testing.T) {
	for _, x := range invalidTexts {
		s := open(t, EndpointOptions{})
		s.feed(append(clientFrame(binPart, x.text), clientFrame(contLast, "")...))
		s.want("a binary message is not text", message(Binary, []byte(x.text)))
	}
}
