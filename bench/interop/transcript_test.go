package interop

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// What a transcript keeps: its first lines and its last.
const (
	linesFirst = 400
	linesLast  = 800
)

// A transcript is the text of what was said on the connections of a tap, in order.
type transcript struct {
	start time.Time

	mu    sync.Mutex
	count int
	first []string
	last  [linesLast]string // a ring
}

func (l *transcript) add(line string) {
	line = fmt.Sprintf("%7.3f %s", time.Since(l.start).Seconds(), line)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count < linesFirst {
		l.first = append(l.first, line)
	} else {
		l.last[l.count%linesLast] = line
	}
	l.count++
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.first[:len(l.first):len(l.first)]
	from := linesFirst
	if l.count-linesLast > from {
		from = l.count - linesLast
		lines = append(lines, fmt.Sprintf("... %d lines ...", from-linesFirst))
	}
	for i := from; i < l.count; i++ {
		lines = append(lines, l.last[i%linesLast])
	}
	return strings.Join(lines, "\n") + "\n"
}

// show writes the transcript to a file that stays, and prints it.
func (l *transcript) show(t *testing.T, title string) {
	text := l.String()
	file, err := os.CreateTemp("", "h2ws-interop-*.txt")
	if err == nil {
		_, err = file.WriteString(text)
		file.Close()
		title += ", also in " + file.Name()
	}
	t.Logf("%s (%v):\n%s", title, err, text)
}
