package interop

import (
	"fmt"
	"os"
	"path/filepath"
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

// outFolder is where pictures and transcripts are left; empty: nowhere.
var outFolder = os.Getenv("H2WS_INTEROP_OUT")

// outFile is a name in outFolder for something of a test.
func outFile(t *testing.T, suffix string) string {
	return filepath.Join(outFolder, strings.ReplaceAll(t.Name(), "/", "-")+suffix)
}

// show leaves the transcript in outFolder. If the test has failed it prints it, and leaves it in any case.
func (l *transcript) show(t *testing.T, port string) {
	file := outFile(t, "-"+port+".txt")
	switch {
	case outFolder == "" && !t.Failed():
		return
	case outFolder == "":
		file = filepath.Join(os.TempDir(), "h2ws-interop-"+filepath.Base(file))
	}
	text := l.String()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Logf("connections through port %s, also in %s:\n%s", port, file, text)
	}
}
