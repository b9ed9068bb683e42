package engine_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"h2ws/engine"
	"h2ws/ws"
)

// childEnv makes a run of the test binary the server of TestDescriptorsRunOut.
const childEnv = "H2WS_TEST_FEW_DESCRIPTORS"

// When descriptors run out, open sockets go on, new connections wait, and are served as descriptors are freed.
// The limit is a process's own, so the server is a child.
func TestDescriptorsRunOut(t *testing.T) {
	if os.Getenv(childEnv) != "" {
		serveWithFewDescriptors(t)
		return
	}
	wantNoLeaks(t)
	addr := startChild(t)
	monitor := dial(t, addr, roomy...)
	id := monitor.open("/stats")

	// Connect until one is not served: descriptors have run out.
	var served []*client
	var waiting *client
	for waiting == nil {
		c := dial(t, addr, roomy...)
		c.begin("/")
		c.flush()
		until(t, "it is served, or must wait", func() bool {
			s := askStats(t, monitor, id)
			if s.ConnectionsAccepted == uint64(len(served)+2) {
				served = append(served, c)
				return true
			}
			if s.AcceptErrors > 0 {
				waiting = c
				return true
			}
			return false
		})
		if len(served) > fewDescriptors {
			t.Fatalf("%d connections with %d descriptors", len(served), fewDescriptors)
		}
	}
	if len(served) < fewDescriptors/4 {
		t.Errorf("only %d connections with %d descriptors", len(served), fewDescriptors)
	}
	second := dial(t, addr, roomy...)
	second.begin("/")
	second.flush()

	for _, c := range served {
		c.wantOf(1, "who was served before", "status 200")
		c.echo(1, "still here")
	}
	for range 3 {
		served[0].cut()
		served = served[1:]
	}
	for _, c := range []*client{waiting, second} {
		c.wantOf(1, "who has waited is served now", "status 200")
		c.echo(1, "at last")
	}
	for _, c := range served {
		c.echo(1, "to the end")
	}
}

// askStats gets the child's figures over a socket.
func askStats(t *testing.T, c *client, id uint32) (s engine.Stats) {
	t.Helper()
	c.message(id, "?")
	h, err := c.hear()
	if err == nil && h.what == "message" {
		err = json.Unmarshal([]byte(h.text), &s)
	}
	if err != nil {
		t.Fatalf("asking for the figures: %v, %v", h, err)
	}
	return s
}

// startChild runs this test binary as the server until the end of the test.
func startChild(t *testing.T) net.Addr {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hangGuard)
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestDescriptorsRunOut$", "-test.v")
	child.Env = append(os.Environ(), childEnv+"=1")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close() // asks it to end
		if err := child.Wait(); err != nil {
			t.Errorf("the child: %v", err)
		}
		cancel()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if text, found := strings.CutPrefix(lines.Text(), "serving on "); found {
			addr, err := net.ResolveTCPAddr("tcp", text)
			if err != nil {
				t.Fatal(err)
			}
			return addr
		}
	}
	t.Fatalf("the child does not serve: %v", lines.Err())
	return nil
}

// fewDescriptors is how many more than it has open the child may have.
const fewDescriptors = 20

// serveWithFewDescriptors serves until standard input ends.
func serveWithFewDescriptors(t *testing.T) {
	var s *engine.Server
	handler := ws.Funcs{
		Handshake: func(q *ws.Request) { q.Accept(ws.AcceptOptions{Data: q.Path}) },
		Message: func(c *ws.Conn, m ws.Message) {
			if c.Data() != "/stats" {
				c.Send(m.Type, m.Data)
				return
			}
			figures, err := json.Marshal(s.Stats())
			if err != nil {
				panic(err)
			}
			c.Send(ws.Text, figures)
		},
	}
	s = &engine.Server{Handler: handler}
	r := serve(t, s)
	limit := uint64(countDescriptors(t) + fewDescriptors)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("serving on %v\n", r.addr)
	os.Stdin.Read(make([]byte, 1))
}
