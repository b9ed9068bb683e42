package engine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every golden transcript ends behind every octet, of the peer's and of the server's: what the handler hears until then is
// what it hears in any case, every socket that was opened is closed once, and nothing is left.
func TestTranscriptsCut(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	cuts, sockets := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parseTranscript(string(text)) {
			if d.name == "" {
				continue
			}
			for _, in := range []bool{true, false} {
				for k := 0; d.cut(t, k, in, &sockets); k++ {
					cuts++
				}
			}
		}
	}
	t.Logf("%d cuts, %d sockets", cuts, sockets)
	if cuts < 10_000 || sockets < 1000 {
		t.Error("that is not every octet")
	}
}

// cut replays the dialogue up to its k-th octet in one direction and reports whether there are more.
func (d dialogue) cut(t *testing.T, k int, in bool, sockets *int) (more bool) {
	var p *transcriptPeer
	left := k
	text := d.replay(t, wholeCut, func(begun *transcriptPeer) {
		p = begun
		// What has been said before counts as nothing: SETTINGS, mostly.
		p.broken = func(octets int, is bool) int {
			if is != in {
				return octets
			}
			n := min(octets, left)
			left -= n
			more = more || n < octets
			return n
		}
	})
	heard := heardIn(text)
	p.conn.lose(os.ErrClosed)
	p.settle()
	var last strings.Builder
	p.out = nil
	p.report(&last)
	heard = append(heard, heardIn(last.String())...)
	opened, closed := 0, 0
	for _, line := range heard {
		if line == "! open" {
			opened++
		} else if strings.HasPrefix(line, "! close: ") {
			closed++
		}
	}
	*sockets += opened
	fail := func(format string, args ...any) {
		t.Helper()
		way := map[bool]string{true: "of the peer's", false: "of the server's"}[in]
		t.Fatalf("%s, cut behind octet %d %s: "+format, append([]any{d.name, k, way}, args...)...)
	}
	if opened != closed {
		fail("%d sockets opened, %d closed", opened, closed)
	}
	if was, want := deliveries(heard), deliveries(heardIn(strings.Join(d.lines, "\n"))); len(was) > len(want) || !slices.Equal(was, want[:len(was)]) {
		fail("the handler hears %q, which is not the beginning of %q", was, want)
	}
	if what := p.left(); what != "" {
		fail("left: %s", what)
	}
	return more
}

// heardIn is what the handler hears, in a transcript.
func heardIn(text string) (list []string) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "! ") {
			list = append(list, strings.TrimSuffix(line, "\n"))
		}
	}
	return list
}

// deliveries are those that bring something: the ends may come in another order.
func deliveries(callbacks []string) []string {
	return slices.DeleteFunc(slices.Clone(callbacks), func(line string) bool {
		return strings.HasPrefix(line, "! close: ") || strings.HasPrefix(line, "! Accept: ") || strings.HasPrefix(line, "! Reject: ")
	})
}

// left says what the core still holds of a connection that is lost and has no streams, or "".
func (p *testPeer) left() string {
	k, c := p.core, p.conn
	c.weigh() // as loop.follow does
	k.judge()
	var list []string
	for what, is := range map[string]bool{
		"the connection":              c.state != connLost || len(k.conns) > 0,
		"streams":                     c.streams.len() > 0 || c.streams.size() > 0,
		"sockets in the figures":      k.stats.Sockets != 0,
		"memory on the account":       k.weight != 0 || k.weighed != 0 || k.holding != 0,
		"octets queued or assembled":  c.backlog != 0 || c.assembly != 0,
		"segments":                    k.segments.used != 0 || k.borrowed != 0,
		"deferred handshakes":         len(k.pendings) > 0 || k.pendingAll.Load() != 0,
		"lists":                       len(k.leaving)+len(k.draining)+len(k.drained)+len(k.drops)+k.logs.n+len(k.unfed) > 0,
		"a field block or its table":  c.block != nil || c.hpack != nil || c.held != nil && c.cause != errGuest,
		"deadlines of single streams": c.waits != nil,
	} {
		if is {
			list = append(list, what)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
