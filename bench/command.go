package bench

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"

	"h2ws/ws"
)

var (
	errBusy    = errors.New("too many publishes are waiting")
	errNoTopic = errors.New("no socket has that TOPIC in its path")
)

// command acts on a text message that begins with "!". It is called on a loop, so what takes time is
// left to other goroutines.
func (h *referenceHandler) command(c *ws.Conn, text string) {
	words := strings.Fields(text)
	var err error
	switch {
	case words[0] == collect && len(words) == 1:
		go func() {
			debug.FreeOSMemory()
			c.Send(ws.Text, []byte(collect))
		}()
	case words[0] == "!B" && len(words) == 3:
		var j job
		if j, err = parseJob(words[1:]); err == nil {
			err = h.publisher.post(j)
		}
	case words[0] == "!P" && len(words) == 6:
		var r rated
		if r, err = parseRated(words[1:]); err == nil {
			err = h.start(c, r)
		}
	default:
		err = fmt.Errorf("unknown command %.20q: there are \"!B COUNT SIZE\", \"!P TOPIC PUBLISHER COUNT SIZE RATE\" and \"!G\"", text)
	}
	if err != nil {
		c.Send(ws.Text, []byte("!E "+err.Error()))
	}
}

// job is what one "!B" asks for.
type job struct {
	count int // messages
	size  int // octets of each
}

// parseJob reads COUNT SIZE.
func parseJob(words []string) (j job, err error) {
	if j.count, err = parseCount(words[0]); err != nil {
		return job{}, err
	}
	j.size, err = parseSize(words[1])
	return j, err
}

// parseRated reads TOPIC PUBLISHER COUNT SIZE RATE.
func parseRated(words []string) (r rated, err error) {
	publisher, err := strconv.ParseUint(words[1], 10, 32)
	if err != nil {
		return rated{}, fmt.Errorf("bad PUBLISHER %.20q", words[1])
	}
	j, err := parseJob(words[2:4])
	if err != nil {
		return rated{}, err
	}
	rate, err := strconv.ParseFloat(words[4], 64)
	if err != nil || !(rate >= rateMin && rate <= rateMax) {
		return rated{}, fmt.Errorf("bad RATE %.20q: %g to %g", words[4], rateMin, rateMax)
	}
	return rated{topic: words[0], publisher: uint32(publisher), count: j.count, size: j.size, rate: rate}, nil
}

// The bounds of RATE, messages a second: intervals that the clock can tell, and a duration can hold.
const (
	rateMin = 1e-6
	rateMax = 1e9
)

// text is the command that parseRated understands.
func (r *rated) text() []byte {
	return fmt.Appendf(nil, "!P %s %d %d %d %s", r.topic, r.publisher, r.count, r.size, strconv.FormatFloat(r.rate, 'g', -1, 64))
}

func parseCount(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("bad COUNT %.20q", s)
	}
	return int(n), nil
}

func parseSize(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n > SizeMax {
		return 0, fmt.Errorf("bad SIZE %.20q: at most %d", s, SizeMax)
	}
	return int(n), nil
}
