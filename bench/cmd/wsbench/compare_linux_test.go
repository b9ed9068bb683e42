package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"h2ws/bench"
)

// ours is the reference server, by another name.
func ours(t *testing.T, title string) contender {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return contender{title: title, path: exe, args: []string{"serve"}}
}

// mute says where it listens, but there is nobody who answers.
func mute(t *testing.T) contender {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return contender{title: "mute", path: "/bin/sh", args: []string{"-c", "echo listening on " + l.Addr().String() + "; exec sleep 1000"}}
}

func TestComparison(t *testing.T) {
	dead := contender{title: "dead", path: "/bin/false"}
	http1 := ours(t, "over HTTP/1.1")
	http1.http1 = true
	c := &comparison{
		contenders: []contender{ours(t, "first"), ours(t, "second"), dead, http1},
		shapes:     []shape{{2, 20}, {5, 5}},
		duration:   200 * time.Millisecond, // that the kernel accounts for some of it, on a busy machine, too
		limit:      time.Minute,
	}
	file := filepath.Join(t.TempDir(), "c.json")
	var stdout, stderr strings.Builder
	err := c.run(t.Context(), &outputs{json: file}, &stdout, &stderr)
	if err == nil || err.Error() != "2 of 7 measurements failed" {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{
		"2 connections x 10 ", "5 connections x 1 ", "\nfirst ", "\nsecond ", "\ndead ", "\nover HTTP/1.1 ",
		"Failed: dead, 2 connections x 10: the server did not start",
		"Failed: dead, 5 connections x 1: the server did not start",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, stdout.String())
		}
	}
	if strings.Contains(stdout.String(), "Failed: second") || strings.Contains(stdout.String(), "Failed: over HTTP/1.1") {
		t.Errorf("got\n%s", stdout.String())
	}
	wantCells(t, file, 7)
}

// wantCells reads the JSON of a comparison whose first two servers did everything.
func wantCells(t *testing.T, file string, n int) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Cells []struct {
			Figures map[string]struct{ Value, Ratio float64 }
		}
	}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Cells) != n || len(r.Cells[0].Figures) != 5 || len(r.Cells[1].Figures) != 5 || r.Cells[1].Figures["delivery_cpu_ns"].Ratio <= 0 {
		t.Errorf("got %s", b)
	}
}

func TestContenderThatIsNotDone(t *testing.T) {
	cell := mute(t).measure(t.Context(), shape{1, 5}, bench.DefaultConfig(), 50*time.Millisecond, io.Discard)
	if cell.Failure == nil || cell.Failure.Error() != "not done after 50ms" || len(cell.Results) != 0 {
		t.Errorf("got %+v", cell)
	}
}

func TestComparisonInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := &comparison{
		contenders: []contender{ours(t, "first"), mute(t)},
		shapes:     []shape{{1, 5}},
		duration:   time.Millisecond,
		limit:      time.Minute,
	}
	stderr := &interrupter{at: "first, 1 connection x 5: ", cancel: cancel}
	var stdout strings.Builder
	if err := c.run(ctx, &outputs{}, &stdout, stderr); !errors.Is(err, context.Canceled) || !strings.Contains(stdout.String(), "\nfirst ") || strings.Contains(stdout.String(), "mute") {
		t.Errorf("got %v, wrote\n%s", err, stdout.String())
	}
}
