package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"h2ws/bench"
)

var somePoint = bench.Point{
	Until: 1500 * time.Millisecond, Span: 500 * time.Millisecond, Count: 5000, Client: 0.3,
	Lat:    &bench.Latency{P50: 50 * time.Microsecond, P99: time.Millisecond, Max: 2 * time.Millisecond},
	Server: bench.Usage{CPU: 250 * time.Millisecond, RSS: 5e6},
}

func TestLiveWithoutATerminal(t *testing.T) {
	var b bytes.Buffer
	l := newLive(&b, bench.DefaultConfig())
	l.show(bench.Progress{Name: "echo", Done: 5000, Unit: "echoes", Elapsed: time.Second})
	l.told(bench.Point{Until: 500 * time.Millisecond, Span: time.Second}) // less than a second after the last line
	l.told(somePoint)
	l.finish(bench.Result{Name: "echo", Count: 12345, Unit: "echoes", Elapsed: 1500 * time.Millisecond})
	l.close()
	want := "echo 2 s: 10,000/s, p50 50.0 us, p99 1.00 ms, max 2.00 ms, server 0.50 CPU\necho: 12,345 echoes in 1.5s\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestView(t *testing.T) {
	l := newLive(&bytes.Buffer{}, bench.DefaultConfig())
	v := view{l}
	if got := v.View(); got != "" {
		t.Errorf("before anything: %q", got)
	}
	l.show(bench.Progress{Name: "echo", Done: 5000, Unit: "echoes", Elapsed: 2500 * time.Millisecond})
	l.told(somePoint)
	for _, want := range []string{"echo", " 50 %", "2.5 s", "5,000", "10,000/s", "p50 50.0 us", "p99 1.00 ms", "server 0.50", "loader 0.30", "5.0 MB", "█"} {
		if got := v.View(); !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
	l.show(bench.Progress{Name: "open", Done: 25_000, Unit: "opens"})
	if got := v.View(); !strings.Contains(got, " 25 %") || strings.Contains(got, "latency") {
		t.Errorf("the next scenario: %q", got)
	}
}

// The view is drawn on what it is given, and what is said stays above it.
func TestViewIsDrawn(t *testing.T) {
	var b bytes.Buffer
	l := &live{w: &b, state: liveState{cfg: bench.DefaultConfig()}}
	l.start()
	l.show(bench.Progress{Name: "echo", Unit: "echoes"})
	l.say("a line")
	l.close()
	if !strings.Contains(b.String(), "a line") {
		t.Errorf("drew %q", b.String())
	}
}

func TestCurve(t *testing.T) {
	if got := curve([]float64{0, 4, 8}); got != "▁▅█" {
		t.Errorf("got %s", got)
	}
	if got := curve(nil) + curve([]float64{0}); got != "▁" {
		t.Errorf("got %s", got)
	}
	if got := bar(0.5, 4); got != "██░░" {
		t.Errorf("got %s", got)
	}
}

var _ tea.Model = view{}
