package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"h2ws/bench"
)

// referenceServer runs in this process, until the test is over.
func referenceServer(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := bench.NewReference(bench.ReferenceConfig{Loops: 1, Logger: slog.New(slog.DiscardHandler)})
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Shutdown(context.Background())
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func TestConform(t *testing.T) {
	addr := referenceServer(t)
	file := filepath.Join(t.TempDir(), "conform.json")
	status, stdout, stderr := wsbench(t.Context(), "conform", "-strict", "-run", "^length/text-1$", "-v", "-json", file, "http://"+addr+"/")
	if status != exitOK || stderr != "" || !strings.Contains(stdout, "1 cases in ") || !strings.Contains(stdout, "\n        < DATA 1 0x810130") {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
	var r struct {
		Strict int
		Cases  []struct{ Name, Section string }
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &r); err != nil || r.Strict != 1 || len(r.Cases) != 1 || r.Cases[0].Section != "RFC 6455 §5.2" {
		t.Errorf("%v in %s", err, b)
	}
}

// What the exit statuses tell.
func TestConformStatuses(t *testing.T) {
	addr := referenceServer(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for line, want := range map[string]int{
		"-run ^length/text-1$ -strict " + addr:                                exitOK,
		"-run ^length/text-1$ -path no-slash " + addr:                         exitMissed,
		"-run ^length/text-1$ " + addr:                                        exitOK,
		"-run ^length/text-1$ -header Sec:x -header Connection:close " + addr: exitMissed,
		"-run ^malformed/path-asterisk$ -path /x " + addr:                     exitOK,
		"-wait 1s " + l.Addr().String():                                       exitFailure,
	} {
		if status, stdout, stderr := wsbench(t.Context(), append([]string{"conform"}, strings.Fields(line)...)...); status != want {
			t.Errorf("%s: status %d, want %d\n%s%s", line, status, want, stdout, stderr)
		}
	}
}

// passOn passes connections on to addr, but first says which it is, from 1.
func passOn(t *testing.T, addr string, said func(n int)) (at string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for n := 1; ; n++ {
			from, err := l.Accept()
			if err != nil {
				return
			}
			said(n)
			to, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				from.Close()
				return
			}
			for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
				all.Go(func() {
					io.Copy(way[0], way[1])
					way[0].Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

// Interrupted, conform tells of the cases that it has done, and of no others: neither as strict nor as failed.
func TestConformInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	addr := passOn(t, referenceServer(t), func(n int) {
		if n == 4 { // the first finds out who is there
			cancel()
		}
	})
	file := filepath.Join(t.TempDir(), "conform.json")
	status, stdout, stderr := wsbench(ctx, "conform", "-run", "^length/", "-parallel", "1", "-json", file, addr)
	var r struct {
		Strict, Lenient, Failed int
		Cases                   []struct{ Name string }
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &r); err != nil || status != exitInterrupted || len(r.Cases) < 2 || len(r.Cases) > 3 || r.Strict != len(r.Cases) ||
		!strings.Contains(stdout, fmt.Sprintf("\n%d cases in ", len(r.Cases))) || stderr != "wsbench: interrupted\n" {
		t.Errorf("status %d, %v in %s\n%s%s", status, err, b, stdout, stderr)
	}
}

// Interrupted, soak tells what it has seen, and does not call it passed.
func TestSoakInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	file := filepath.Join(t.TempDir(), "soak.json")
	stdout := &interrupter{at: "soak: ", cancel: cancel}
	var stderr strings.Builder
	status := run(ctx, []string{"soak", "-duration", "5m", "-json", file}, stdout, &stderr)
	var r struct{ Passed, Partial bool }
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &r); err != nil || status != exitInterrupted || r.Passed || !r.Partial ||
		!strings.Contains(stdout.String(), "\nended early: ") || !strings.HasSuffix(stderr.String(), "wsbench: interrupted\n") {
		t.Errorf("status %d, %v in %s\n%s%s", status, err, b, stdout.String(), stderr.String())
	}
}

func TestAttack(t *testing.T) {
	addr := referenceServer(t)
	status, stdout, stderr := wsbench(t.Context(), "attack", "-give-way=false", "-quick", "-rule", "size/above-limit,hpack/index-0", "-json", "-", addr)
	var r struct {
		Passed, Failed int
		Attacks        []struct {
			Name, Did string
			After     int64 `json:"rss_after_bytes"`
		}
	}
	// How long the bystander waited is not this test's: others share the machine.
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != exitOK && status != exitMissed || len(r.Attacks) != 2 ||
		!strings.HasPrefix(r.Attacks[0].Did, "GOAWAY FRAME_SIZE_ERROR") || r.Attacks[1].After == 0 || !strings.Contains(stderr, "2 attacks in ") {
		t.Errorf("status %d, %v\n%s%s", status, err, stdout, stderr)
	}
}

func TestAttackRefuses(t *testing.T) {
	for line, want := range map[string]struct {
		status int
		text   string
	}{
		"-rule nonsense 127.0.0.1:1": {exitUsage, `-rule: no attack is called "nonsense"`},
		"":                           {exitUsage, "0 arguments where the URL of a server belongs"},
		"http://192.0.2.1/":          {exitFailure, "attacks are for servers on the loopback"},
		"http://example.com/":        {exitFailure, "attacks are for servers on the loopback"},
	} {
		status, stdout, stderr := wsbench(t.Context(), append([]string{"attack"}, strings.Fields(line)...)...)
		if status != want.status || stdout != "" || !strings.Contains(stderr, want.text) {
			t.Errorf("%s: status %d\n%s%s", line, status, stdout, stderr)
		}
	}
	status, stdout, _ := wsbench(t.Context(), "attack", "-list")
	if status != exitOK || !strings.Contains(stdout, "ping/flood\n") {
		t.Errorf("-list: status %d\n%s", status, stdout)
	}
}

// A run that tries nothing does not pass.
func TestNothingChosen(t *testing.T) {
	addr := referenceServer(t)
	for line, want := range map[string]string{
		"conform -strict -run utf-8 " + addr:                 `-run: no case matches "utf-8" (see wsbench conform -h)`,
		"attack -quick -rule message/unfinished,tls " + addr: `-rule: nothing of "message/unfinished,tls" is left: -quick leaves out`,
	} {
		status, stdout, stderr := wsbench(t.Context(), strings.Fields(line)...)
		if status != exitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: status %d\n%s%s", line, status, stdout, stderr)
		}
	}
}
