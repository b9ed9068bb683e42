package bench

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"

	"h2ws/ws"
)

// command acts on a text message that begins with "!". It is called on a loop, so what takes time is
// left to other goroutines.
func (h *referenceHandler) command(c *ws.Conn, text string) {
	words := strings.Fields(text)
	switch {
	case words[0] == collect && len(words) == 1:
		go func() {
			debug.FreeOSMemory()
			c.Send(ws.Text, []byte(collect))
		}()
	case words[0] == "!B" && len(words) == 3:
		job, err := parseJob(words[1], words[2])
		if err == nil {
			err = h.publisher.post(job)
		}
		if err != nil {
			complain(c, err)
		}
	default:
		complain(c, fmt.Errorf("unknown command %.20q: there are \"!B COUNT SIZE\" and \"!G\"", text))
	}
}

func complain(c *ws.Conn, err error) { c.Send(ws.Text, []byte("!E "+err.Error())) }

// job is what one "!B" asks for.
type job struct {
	count int // messages
	size  int // octets of each
}

func parseJob(count, size string) (job, error) {
	n, countErr := strconv.ParseUint(count, 10, 31)
	octets, sizeErr := strconv.ParseUint(size, 10, 31)
	switch {
	case countErr != nil:
		return job{}, fmt.Errorf("bad COUNT %.20q", count)
	case sizeErr != nil || octets > SizeMax:
		return job{}, fmt.Errorf("bad SIZE %.20q: at most %d", size, SizeMax)
	}
	return job{int(n), int(octets)}, nil
}

var errBusy = errors.New("too many publishes are waiting")
