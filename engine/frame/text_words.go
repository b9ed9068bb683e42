package frame

import (
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// wordReader takes the words of a line one after the other. After the first
// error it keeps that, has no words left, and returns zero values, so that its
// callers need not look until the end.
type wordReader struct {
	words []string
	err   error
}

// splitWords returns the words of a line. A quoted string is one word, with its
// quotes.
func splitWords(line string) (words []string, err error) {
	for line = trimBlanks(line); line != ""; line = trimBlanks(line) {
		end := strings.IndexAny(line, blanks)
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, errors.New("malformed string")
			}
			end = len(quoted)
		}
		if end < 0 {
			end = len(line)
		}
		words = append(words, line[:end])
		line = line[end:]
	}
	return words, nil
}

const blanks = " \t\r\n"

func trimBlanks(s string) string { return strings.TrimLeft(s, blanks) }

func (r *wordReader) fail(reason string) {
	if r.err == nil {
		r.err = errors.New(reason)
	}
	r.words = nil
}

// peek returns the next word and leaves it there; "" at the end.
func (r *wordReader) peek() string {
	if len(r.words) == 0 {
		return ""
	}
	return r.words[0]
}

// next takes a word, which has to be there.
func (r *wordReader) next() string {
	word := r.peek()
	if word == "" {
		r.fail("line too short")
		return ""
	}
	r.words = r.words[1:]
	return word
}

// value takes a word key=value and returns the value.
func (r *wordReader) value(key string) string {
	word := r.next()
	value, ok := strings.CutPrefix(word, key+"=")
	if !ok {
		r.fail(key + "= expected, not " + strconv.Quote(word))
	}
	return value
}

// octets takes all words that are left.
func (r *wordReader) octets() (p []byte) {
	for len(r.words) > 0 {
		word := r.next()
		octets, ok := unquote(word)
		if !ok {
			r.fail("neither 0x nor a string: " + word)
			return nil
		}
		p = append(p, octets...)
	}
	return p
}

func unquote(word string) (octets []byte, ok bool) {
	if word[0] == '"' {
		s, err := strconv.Unquote(word)
		return []byte(s), err == nil
	}
	digits, ok := strings.CutPrefix(word, "0x")
	if !ok {
		return nil, false
	}
	octets, err := hex.DecodeString(digits)
	return octets, err == nil
}

func (r *wordReader) name(word string, names []string) uint32 {
	i := slices.Index(names, word)
	if i < 0 || word == "" {
		r.fail("unknown name " + strconv.Quote(word))
		return 0
	}
	return uint32(i)
}

// nameOrHex returns the number that nameOf gave this word.
func (r *wordReader) nameOrHex(word string, names []string, limit uint64) uint32 {
	if strings.HasPrefix(word, "0x") {
		return r.hexadecimal(word, limit)
	}
	return r.name(word, names)
}

func (r *wordReader) decimal(word string, limit uint64) uint32 {
	return r.limited(word, word, 10, limit)
}

func (r *wordReader) hexadecimal(word string, limit uint64) uint32 {
	digits, ok := strings.CutPrefix(word, "0x")
	if !ok {
		digits = ""
	}
	return r.limited(word, digits, 16, limit)
}

func (r *wordReader) limited(word, digits string, base int, limit uint64) uint32 {
	v, err := strconv.ParseUint(digits, base, 32)
	if err != nil || v > limit {
		r.fail("not a number, or out of range: " + strconv.Quote(word))
		return 0
	}
	return uint32(v)
}
