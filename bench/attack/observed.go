package attack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"h2ws/engine/frame"
)

// observed is what became of an attack.
type observed struct {
	tally
	conns   int // that took part
	ended   int // of them, by the server
	sent    int // things thrown
	blocked bool
	alive   bool // a PING is answered on the connection afterwards
	after   time.Duration
	figure  string // what the attack measured itself
	wrong   string // what is not as wanted
}

// observe sums up one connection. It asks whether the server still talks on it, unless what was sent last may end inside
// of a frame.
func observe(f *foe, begin time.Time, blocked bool) *observed {
	o := &observed{conns: 1, sent: f.sent, blocked: blocked, alive: !blocked && f.alive()}
	o.take(f, begin)
	return o
}

// take adds what came on a connection.
func (o *observed) take(f *foe, begin time.Time) {
	t := f.snapshot()
	if o.tally.resets == nil {
		o.tally = t
	}
	if t.closed || t.goAways > 0 {
		o.ended++
	}
	if !t.at.IsZero() {
		o.after = max(o.after, t.at.Sub(begin))
	}
}

// did is what the server did, in words.
func (o *observed) did() string {
	var did []string
	say := func(format string, args ...any) { did = append(did, fmt.Sprintf(format, args...)) }
	if o.goAways > 0 {
		say("GOAWAY %v", o.code)
		if o.debug != "" {
			did[0] += fmt.Sprintf(" %.60q", o.debug)
		}
	} else if o.closed {
		say("closed")
	}
	if o.drains > 0 && o.goAways == 0 {
		say("GOAWAY NO_ERROR")
	}
	if o.conns > 1 {
		say("%d of %d connections ended", o.ended, o.conns)
	}
	if o.blocked {
		say("stopped reading")
	}
	for _, code := range slices.Sorted(maps.Keys(o.resets)) {
		say("%d RST %v", o.resets[code], code)
	}
	for _, status := range slices.Sorted(maps.Keys(o.statuses)) {
		say("%d x %d", o.statuses[status], status)
	}
	for _, code := range slices.Sorted(maps.Keys(o.closes)) {
		say("%d Close %d", o.closes[code], code)
	}
	if o.alive && o.goAways == 0 {
		say("goes on")
	}
	if o.figure != "" {
		say("%s", o.figure)
	}
	if len(did) == 0 {
		return "nothing"
	}
	return strings.Join(did, ", ")
}

// A wanted judges what was observed. It returns what is missing, or "".
type wanted func(o *observed) string

// calms wants the connection ended with ENHANCE_YOUR_CALM.
func calms(o *observed) string { return goesAway(frame.EnhanceYourCalm)(o) }

// goesAway wants GOAWAY with one of the codes.
func goesAway(codes ...frame.ErrCode) wanted {
	return func(o *observed) string {
		if o.goAways > 0 && slices.Contains(codes, o.code) {
			return ""
		}
		return fmt.Sprintf("wanted GOAWAY %v", codes)
	}
}

// stops wants no more of it taken: the connection ended, or not read.
func stops(o *observed) string {
	if o.goAways > 0 || o.closed || o.blocked || o.conns > 1 && o.ended == o.conns {
		return ""
	}
	return "wanted it stopped"
}

// ends wants every connection ended.
func ends(o *observed) string {
	if o.ended < o.conns {
		return fmt.Sprintf("wanted every connection ended, and %d are left", o.conns-o.ended)
	}
	return ""
}

// survives wants the connection alive: nothing was wrong.
func survives(o *observed) string {
	if !o.alive {
		return "wanted the connection to go on"
	}
	return ""
}

// bears wants no more than that the server is none the worse for it.
func bears(*observed) string { return "" }

// closesSocket wants a Close with one of the codes on as many sockets.
func closesSocket(n int, codes ...int) wanted {
	return func(o *observed) string {
		got := 0
		for _, code := range codes {
			got += o.closes[code]
		}
		if got < n {
			return fmt.Sprintf("wanted %d Close %v", n, codes)
		}
		return ""
	}
}

// all wants each of them.
func all(list ...wanted) wanted {
	return func(o *observed) string {
		for _, w := range list {
			if missing := w(o); missing != "" {
				return missing
			}
		}
		return ""
	}
}

// either wants one of them.
func either(list ...wanted) wanted {
	return func(o *observed) string {
		var missing []string
		for _, w := range list {
			m := w(o)
			if m == "" {
				return ""
			}
			missing = append(missing, m)
		}
		return strings.Join(missing, ", or ")
	}
}
