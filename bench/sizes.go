package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Sizes is how the sizes of messages are spread, in octets. The zero value is none.
type Sizes struct {
	text    string
	lists   []weighted // with growing upTo; or else:
	least   int        // evenly from least to most
	most    int
	average float64 // exponentially around average, cut at the least and the most there may be; 0: not so
}

type weighted struct {
	upTo float64 // the sum of the weights up to this
	size int
}

// ParseSizes reads one of
//
//	64               always that
//	16-1024          evenly spread
//	exp:256          exponentially, with that average
//	64*9,4096*1      these, with these weights
func ParseSizes(text string) (s Sizes, err error) {
	s = Sizes{text: text}
	bad := fmt.Errorf("size is octets, as in 64, 16-1024, exp:256 or 64*9,4096*1, not %.60q", text)
	if average, ok := strings.CutPrefix(text, "exp:"); ok {
		s.average, err = strconv.ParseFloat(average, 64)
		if err != nil || !(s.average >= 1 && s.average <= SizeMax) {
			return s, bad
		}
		s.least, s.most = EchoSizeMin, SizeMax
		return s, nil
	}
	if least, most, ok := strings.Cut(text, "-"); ok {
		s.least, err = strconv.Atoi(least)
		var mostErr error
		if s.most, mostErr = strconv.Atoi(most); err != nil || mostErr != nil || s.least > s.most || s.least < 0 {
			return s, bad
		}
		return s, nil
	}
	sum := 0.0
	for one := range strings.SplitSeq(text, ",") {
		size, weight, ok := strings.Cut(one, "*")
		w := weighted{}
		if w.size, err = strconv.Atoi(size); err != nil {
			return s, bad
		}
		share := 1.0
		if ok {
			if share, err = strconv.ParseFloat(weight, 64); err != nil || !(share > 0 && share < math.MaxInt32) {
				return s, bad
			}
		}
		sum += share
		w.upTo = sum
		s.lists = append(s.lists, w)
	}
	s.least, s.most = s.lists[0].size, s.lists[0].size
	for _, w := range s.lists {
		s.least, s.most = min(s.least, w.size), max(s.most, w.size)
	}
	return s, nil
}

// FixedSize is always size.
func FixedSize(size int) Sizes {
	return Sizes{text: strconv.Itoa(size), lists: []weighted{{1, size}}, least: size, most: size}
}

func (s Sizes) String() string { return s.text }

// Fixed says whether there is only one size.
func (s Sizes) Fixed() (size int, ok bool) { return s.least, s.least == s.most }

// draw returns the size of the next message.
func (s *Sizes) draw(random *rand.Rand) int {
	switch {
	case s.least == s.most:
		return s.least
	case s.average > 0:
		return min(max(int(random.ExpFloat64()*s.average), s.least), s.most)
	case s.lists == nil:
		return s.least + random.IntN(s.most-s.least+1)
	}
	at := random.Float64() * s.lists[len(s.lists)-1].upTo
	for _, w := range s.lists {
		if at < w.upTo {
			return w.size
		}
	}
	return s.most
}
