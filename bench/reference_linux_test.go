package bench

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// startReference serves on the loopback until the test is over.
func startReference(t *testing.T, maxStreams uint32) (addr string, r *Reference) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r = NewReference(ReferenceConfig{Loops: 2, MaxStreams: maxStreams, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	served := make(chan error, 1)
	go func() { served <- r.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if n := r.handler.topics.all.Len(); n != 0 {
			t.Errorf("%d sockets are left in the topic", n)
		}
		if table := r.handler.topics; len(table.sets) != 0 {
			t.Errorf("%d paths are left", len(table.sets))
		}
	})
	return l.Addr().String(), r
}

func TestScenarios(t *testing.T) {
	self, err := OpenProcess(os.Getpid()) // the server is in this process, here
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"one connection":      func(c *Config) { c.Server = self },
		"several connections": func(c *Config) { c.Conns = 7 },
		"one each":            func(c *Config) { c.Conns = c.Sockets },
		"one socket":          func(c *Config) { c.Sockets = 1 },
		"least size":          func(c *Config) { c.Size = EchoSizeMin },
		"largest size":        func(c *Config) { c.Size = SizeMax },
		"batches":             func(c *Config) { c.Batch = 1000 },
		"a small window":      func(c *Config) { c.Window = 100; c.Batch = 100 },
		"random order":        func(c *Config) { c.Random = true },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig("")
			cfg.Sockets = 20
			change(&cfg)
			addr, _ := startReference(t, 0)
			cfg.Addr = addr
			echoMessages(t, cfg, 200)
			runAll(t, cfg)
		})
	}
}

// runAll runs every scenario and checks what it counts.
func runAll(t *testing.T, cfg Config) {
	t.Helper()
	ctx := t.Context()
	cl, err := Dial(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, s := range []struct {
		run         func(context.Context) (Result, error)
		name        string
		least, most int
	}{
		{cl.Open, "open", cfg.Sockets - 1, cfg.Sockets - 1},
		{cl.Echo, "echo", 0, 1 << 40},
		{cl.Fanout, "fanout", cfg.Sockets * cfg.Batch, cfg.Sockets * cfg.Batch * cfg.Rounds},
		{cl.Echo, "echo", 0, 1 << 40},
		{cl.Idle, "idle", cfg.Sockets - 1, cfg.Sockets - 1},
		{cl.CloseSockets, "close", cfg.Sockets, cfg.Sockets},
	} {
		r, err := s.run(ctx)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if r.Name != s.name || r.Count < s.least || r.Count > s.most || r.Partial || r.Elapsed <= 0 {
			t.Errorf("%s: got %+v, want a count of %d to %d", s.name, r, s.least, s.most)
		}
		if (r.Memory != nil) != (s.name == "idle" && cfg.Server != nil) {
			t.Errorf("%s: memory is %v", s.name, r.Memory)
		}
	}
}

func TestReferenceStreamLimit(t *testing.T) {
	addr, _ := startReference(t, 3)
	_, err := Dial(t.Context(), testConfig(addr))
	if err == nil || !strings.Contains(err.Error(), "allows 3 streams") {
		t.Errorf("got %v", err)
	}
}

// answers collects the text messages that arrive.
type answers struct {
	unexpected
	got []string
}

func (a *answers) message(c *conn, i int, m message) error {
	a.got = append(a.got, string(m.data))
	return nil
}

// ask sends a text on socket 0 and returns the answer.
func ask(t *testing.T, cl *Client, text string) string {
	t.Helper()
	var a answers
	c, i := cl.socket(0)
	c.send(i, opText, []byte(text), false)
	if err := cl.run(t.Context(), &a, func() bool { return len(a.got) > 0 }); err != nil {
		t.Fatal(err)
	}
	return a.got[0]
}

func TestCommands(t *testing.T) {
	addr, _ := startReference(t, 0)
	cl, err := Dial(t.Context(), testConfig(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for text, want := range map[string]string{
		"hello":      "hello",
		"":           "",
		"!G":         "!G",
		"!":          "!E unknown command",
		"! G":        "!E unknown command",
		"!Goodbye":   "!E unknown command",
		"!B":         "!E unknown command",
		"!B 1":       "!E unknown command",
		"!B 1 2 3":   "!E unknown command",
		"!B x 2":     `!E bad COUNT "x"`,
		"!B -1 2":    `!E bad COUNT "-1"`,
		"!B 1 70000": `!E bad SIZE "70000"`,
		"!B 1 x":     `!E bad SIZE "x"`,

		"!P":                    "!E unknown command",
		"!P a 1 1 20":           "!E unknown command",
		"!P a 1 1 20 10 b":      "!E unknown command",
		"!P a x 1 20 10":        `!E bad PUBLISHER "x"`,
		"!P a 4294967296 1 1 1": `!E bad PUBLISHER "4294967296"`,
		"!P a 1 x 20 10":        `!E bad COUNT "x"`,
		"!P a 1 1 70000 10":     `!E bad SIZE "70000"`,
		"!P a 1 1 20 0":         `!E bad RATE "0": 1e-06 to 1e+09`,
		"!P a 1 1 20 -1":        `!E bad RATE "-1"`,
		"!P a 1 1 20 NaN":       `!E bad RATE "NaN"`,
		"!P a 1 1 20 +Inf":      `!E bad RATE "+Inf"`,
		"!P a 1 1 20 10":        "!E no socket has that TOPIC in its path",
		"!P all 1 1 20 10":      "!E no socket has that TOPIC in its path",

		"!B 1 0":       "",
		"!B 1 3":       "\x00\x00\x00",
		"\u00e9 not !": "\u00e9 not !",
	} {
		if got := ask(t, cl, text); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%q: got %q, want %q...", text, got, want)
		}
	}
}

func TestPublishedMessage(t *testing.T) {
	addr, _ := startReference(t, 0)
	cl, err := Dial(t.Context(), testConfig(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	before := time.Now()
	for n := byte(1); n <= 3; n++ {
		got := []byte(ask(t, cl, "!B 1 20"))
		if len(got) != 20 || string(got[:8]) != string([]byte{0, 0, 0, 0, 0, 0, 0, n}) {
			t.Errorf("publish %d: got % x, want its number in 8 octets", n, got)
		}
		var ns int64
		for _, b := range got[8:16] {
			ns = ns<<8 | int64(b)
		}
		if at := time.Unix(0, ns); at.Before(before.Round(0)) || at.After(time.Now().Round(0)) {
			t.Errorf("publish %d: framed at %v", n, at)
		}
	}
}
