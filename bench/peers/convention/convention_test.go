package convention

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"
)

func TestPublish(t *testing.T) {
	before := time.Now().UnixNano()
	var got [][]byte
	c := Commands{Publish: func(p []byte) { got = append(got, p) }}
	for _, text := range []string{"!B 2 20", "!B 0 20", "!B 1 3", "!B 1 0"} {
		if answer := c.Do([]byte(text)); answer != nil {
			t.Errorf("%s: answered %q", text, answer)
		}
	}
	if len(got) != 4 || len(got[0]) != 20 || len(got[1]) != 20 || len(got[2]) != 3 || len(got[3]) != 0 {
		t.Fatalf("published %q", got)
	}
	for i := range got[:2] {
		if n := binary.BigEndian.Uint64(got[i]); n != uint64(i+1) {
			t.Errorf("message %d has number %d", i+1, n)
		}
		if ns := int64(binary.BigEndian.Uint64(got[i][8:])); ns < before || ns > time.Now().UnixNano() {
			t.Errorf("message %d was made at %d", i+1, ns)
		}
	}
}

func TestAnswers(t *testing.T) {
	c := Commands{Publish: func([]byte) { t.Error("published") }}
	for text, want := range map[string]string{
		"!G": "!G", "!": "!E unknown command", "!B": "!E unknown command", "!B 1 2 3": "!E unknown command",
		"!B x 2": "!E bad COUNT or SIZE", "!B -1 2": "!E bad COUNT or SIZE", "!B 1 65537": "!E bad COUNT or SIZE",
	} {
		if got := string(c.Do([]byte(text))); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q...", text, got, want)
		}
	}
	if Is(nil) || Is([]byte("G!")) || !Is([]byte("!")) {
		t.Error("a command is what begins with !")
	}
}

func TestSockets(t *testing.T) {
	var s Sockets[string]
	seen := func() (n int) {
		s.Each(func(string) { n++ })
		return n
	}
	s.Add("a")
	s.Add("b")
	if n := seen(); n != 2 {
		t.Errorf("%d sockets, added were 2", n)
	}
	s.Remove("a")
	s.Remove("a")
	if n := seen(); n != 1 {
		t.Errorf("%d sockets, 1 is left", n)
	}
}
