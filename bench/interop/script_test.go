package interop

import (
	"crypto/tls"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"h2ws/ws"
)

// The clients of other languages are scripts, in testdata: each opens its WebSockets on one connection, and
// writes down what it got.

func TestNode(t *testing.T) {
	clearAndTLS(t, func(t *testing.T, certificate *tls.Certificate) {
		checkScript(t, certificate, func(t *testing.T, origin string) *exec.Cmd {
			node := command(t, "node", "testdata/client.cjs", origin)
			node.Env = append(os.Environ(), "NODE_PATH=/usr/share/nodejs") // where Debian has the package ws
			return node
		})
	})
}

func TestPython(t *testing.T) {
	clearAndTLS(t, func(t *testing.T, certificate *tls.Certificate) {
		checkScript(t, certificate, func(t *testing.T, origin string) *exec.Cmd {
			return command(t, "/usr/bin/python3", "testdata/client.py", origin) // Debian's, which has h2 and wsproto
		})
	})
}

// A report is what a script writes.
type report struct {
	ExtendedConnect bool    // SETTINGS_ENABLE_CONNECT_PROTOCOL is 1
	Subprotocol     string  // chosen from "bad" and "good"
	Echo            string  // of "hello"
	Large           bool    // a message of 1 MiB came back as it was
	FanOut          [][]int // by member of /topic, the numbers of the messages published
	ClientCloses    ended   // with 4001 "bye"
	ServerCloses    ended   // with 4002 "later"
	Refused         int     // status of /refuse/403
}

// ended is a Close frame from the server, and END_STREAM behind it.
type ended struct {
	Code   int
	Reason string
}

// The numbers of a script's fan-out.
const (
	scriptMembers   = 20
	scriptPublished = 10
)

func checkScript(t *testing.T, certificate *tls.Certificate, script func(*testing.T, string) *exec.Cmd) {
	s := newServer(t)
	origin := "http://" + s.tapped(t, certificate).Addr().String()
	if certificate != nil {
		origin = strings.Replace(origin, "http", "https", 1)
	}
	var r report
	if !t.Run("runs", func(t *testing.T) { runJSON(t, script(t, origin), &r) }) {
		return
	}
	t.Run("extended CONNECT is offered", func(t *testing.T) {
		if !r.ExtendedConnect {
			t.Error("no SETTINGS_ENABLE_CONNECT_PROTOCOL")
		}
	})
	t.Run("echo", func(t *testing.T) {
		if k := s.one(t, "/echo"); r.Echo != "hello" || k.first != "hello" {
			t.Errorf("got %q, and the server %q", r.Echo, k.first)
		}
	})
	t.Run("1 MiB both ways", func(t *testing.T) {
		if !r.Large {
			t.Error("it did not come back as it was")
		}
	})
	t.Run("subprotocol", func(t *testing.T) {
		if k := s.one(t, "/echo"); r.Subprotocol != "good" || !slices.Equal(k.offered, []string{"bad", "good"}) {
			t.Errorf("got %q of %q", r.Subprotocol, k.offered)
		}
	})
	t.Run("fan-out", func(t *testing.T) { r.checkFanOut(t, s) })
	t.Run("close by the client", func(t *testing.T) {
		if r.ClientCloses != (ended{4001, ""}) {
			t.Errorf("the server answered %+v", r.ClientCloses)
		}
		s.wantClosed(t, "/echo", 1, ws.CloseError{Code: 4001, Reason: "bye"})
	})
	t.Run("close by the server", func(t *testing.T) {
		if r.ServerCloses != (ended{4002, "later"}) {
			t.Errorf("the server said %+v", r.ServerCloses)
		}
		s.wantClosed(t, "/server-closes", 1, ws.CloseError{Code: 4002, Local: true})
	})
	t.Run("refusal", func(t *testing.T) {
		if r.Refused != 403 {
			t.Errorf("status %d", r.Refused)
		}
	})
	t.Run("one connection", func(t *testing.T) {
		if n := s.Stats().ConnectionsAccepted; n != 1 {
			t.Errorf("the server accepted %d connections", n)
		}
	})
}

func (r *report) checkFanOut(t *testing.T, s *server) {
	var want []int
	for i := range scriptPublished {
		want = append(want, i)
	}
	for i, got := range r.FanOut {
		if !slices.Equal(got, want) {
			t.Errorf("member %d got %v", i, got)
		}
	}
	if len(r.FanOut) != scriptMembers {
		t.Errorf("%d members got something", len(r.FanOut))
	}
	s.wantClosed(t, "/topic", scriptMembers, ws.CloseError{Code: 1000})
	if n := s.topic.Stats().Delivered; n != scriptMembers*scriptPublished {
		t.Errorf("%d deliveries", n)
	}
}
