package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"h2ws/bench"
)

func TestFind(t *testing.T) {
	addr, stop := serveInBackground(t)
	defer stop()
	common := "find -sockets 5 -duration 20ms -warmup 0 -of inflight -from 2 -to 40 "
	file := filepath.Join(t.TempDir(), "f.json")
	args := append(strings.Fields(common), "-slo", "errors==0", "-json", file, addr)
	status, stdout, stderr := wsbench(t.Context(), args...)
	if status != exitOK || !strings.Contains(stdout, "The objectives were met up to inflight 40, the highest that was tried.") {
		t.Errorf("status %d, wrote %q and %q", status, stdout, stderr)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s bench.Search
	if err := json.Unmarshal(b, &s); err != nil || s.Found != 40 || len(s.Probes) != 4 || s.Probes[3].Last().Name != "echo" {
		t.Errorf("found %v in %d probes, %v", s.Found, len(s.Probes), err)
	}
	args = append(strings.Fields(common), "-slo", "rate<0", addr)
	status, stdout, stderr = wsbench(t.Context(), args...)
	if status != exitMissed && status != exitInvalid || !strings.Contains(stdout, "No inflight met the objectives, down to 1.") {
		t.Errorf("status %d, wrote %q and %q", status, stdout, stderr)
	}
}

// A load that the loader did not apply is not met, however little was lost of what it did.
func TestFindOfALoadThatDoesNotCome(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.json")
	line := "find -sockets 5 -duration 10us -warmup 0 -max-lag 1us -from 1e9 -to 1e9 -precision 0.9 -slo loss==0 -json " + file + " " + referenceServer(t)
	status, stdout, stderr := wsbench(t.Context(), strings.Fields(line)...)
	if status != exitInvalid || !strings.Contains(stdout, "the loader is the bottleneck") || !strings.Contains(stderr, "wsbench: INVALID: rate ") {
		t.Errorf("status %d, wrote %q and %q", status, stdout, stderr)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s bench.Search
	if err := json.Unmarshal(b, &s); err != nil || s.Found > 1e8 || s.Probes[0].Met || s.Probes[0].Why != "the loader was the bottleneck" {
		t.Errorf("found %v in %s", s.Found, stdout)
	}
}

func TestExcused(t *testing.T) {
	met, missed := []bench.Verdict{{Met: true}}, []bench.Verdict{{Met: true}, {}}
	late := bench.Result{Loader: &bench.Loader{Wanted: 1000, Begun: 995, Invalid: "late"}}
	clock := bench.Result{Loader: &bench.Loader{Invalid: "two clocks"}}
	short := bench.Result{Loader: &bench.Loader{Wanted: 1000, Begun: 985, Invalid: "late"}}
	for name, test := range map[string]struct {
		report bench.Report
		want   bool
	}{
		"late":            {bench.Report{Results: []bench.Result{{}, late}, SLOs: met}, true},
		"late and missed": {bench.Report{Results: []bench.Result{late}, SLOs: missed}, false},
		"not all of it":   {bench.Report{Results: []bench.Result{late, short}, SLOs: met}, false},
		"two clocks":      {bench.Report{Results: []bench.Result{clock}, SLOs: met}, false},
		"overloaded":      {bench.Report{Results: []bench.Result{late}, SLOs: met, Failure: "the server is overloaded"}, false},
	} {
		if got := excused(&test.report); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// searched returns a search over a server that can do so much, and a loader.
func searched(of string, from, to, server, loader float64) *search {
	s := &search{of: of, from: from, to: to, precision: 0.05, limit: time.Hour, began: time.Now(), live: newLive(io.Discard, bench.Config{})}
	s.try = func(_ context.Context, load float64) *bench.Probe {
		p := &bench.Probe{Load: load, Report: &bench.Report{}, Met: load <= server && load <= loader}
		if load > loader {
			p.Report.Invalid = "late"
		}
		return p
	}
	return s
}

func TestSearchConverges(t *testing.T) {
	for _, test := range []struct {
		of                       string
		from, to, server, loader float64
		status                   int
	}{
		{"rate", 1000, 1e7, 123_456, 1e9, exitOK},
		{"rate", 1000, 1e7, 17, 1e9, exitOK}, // below the first
		{"rate", 1000, 1e7, 1e9, 1e9, exitOK},
		{"rate", 1000, 1e7, 0.5, 1e9, exitMissed},
		{"rate", 1000, 1e7, 1e9, 50_000, exitInvalid},
		{"sockets", 1, 1e6, 5, 1e9, exitOK}, // 5 and 6 are further from each other than 5 %
		{"sockets", 100, 1e6, 777_777, 1e9, exitOK},
	} {
		s := searched(test.of, test.from, test.to, test.server, test.loader)
		var stderr strings.Builder
		if got := status(s.run(t.Context()), &stderr); got != test.status || len(s.out.Probes) > 40 {
			t.Errorf("%+v: status %d after %d probes", test, got, len(s.out.Probes))
		}
		limit := min(test.server, test.loader, test.to)
		if found := s.out.Found; found > limit || found < limit/1.2 && limit >= 1 {
			t.Errorf("%+v: found %v: %s", test, found, s.out.Answer())
		}
	}
}

func TestCompareURLs(t *testing.T) {
	first, stopFirst := serveInBackground(t)
	defer stopFirst()
	second, stopSecond := serveInBackground(t)
	defer stopSecond()
	dir := t.TempDir()
	file := filepath.Join(dir, "c.json")
	status, stdout, stderr := wsbench(t.Context(), "compare", "-sockets", "5", "-duration", "20ms", "-json", file, "-html", filepath.Join(dir, "c.html"),
		"http://"+first, "http://"+second, "http://127.0.0.1:1")
	if status != exitFailure || !strings.Contains(stdout, "http://"+first) || !strings.Contains(stdout, "http://"+second) ||
		!strings.Contains(stdout, "Failed: http://127.0.0.1:1, ") || !strings.Contains(stderr, "connection refused") {
		t.Errorf("status %d, wrote %q and %q", status, stdout, stderr)
	}
	again := filepath.Join(dir, "again.json")
	status, table, stderr := wsbench(t.Context(), "report", "-json", again, file)
	if status != exitOK || table != stdout {
		t.Errorf("report: status %d, wrote %q and %q, want %q", status, table, stderr, stdout)
	}
	wantSameFile(t, file, again)
}

// What a report of one server would say of objectives, and of a loader that was late, a comparison says of each.
func TestCompareURLsHidesNothing(t *testing.T) {
	first, second := referenceServer(t), referenceServer(t)
	dir := t.TempDir()
	file, page := filepath.Join(dir, "c.json"), filepath.Join(dir, "c.html")
	line := "compare -sockets 5 -duration 50ms -rate 1000 -max-lag 1ns -slo p99<1ns -slo loss==0 -json " + file + " -html " + page + " http://" + first + " http://" + second
	status, stdout, stderr := wsbench(t.Context(), strings.Fields(line)...)
	if status != exitInvalid || !strings.Contains(stderr, "INVALID: echo: the loader was late") || strings.Contains(stdout, "Failed:") {
		t.Errorf("status %d, wrote %q and %q", status, stdout, stderr)
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{first, second} {
		url := "http://" + addr
		for _, want := range []string{"\n" + url + ", INVALID ", "\nslo: " + url + ": p99<1ns: missed, ", "\nslo: " + url + ": loss==0: met, 0\n", "\nINVALID: " + url + ": echo: the loader was late"} {
			if !strings.Contains(stdout, want) {
				t.Errorf("the table lacks %q:\n%s", want, stdout)
			}
		}
		for _, want := range []string{`<p class="alert">INVALID: ` + url + `: echo: the loader was late`, `<code>` + url + `: p99&lt;1ns</code>`} {
			if !strings.Contains(string(html), want) {
				t.Errorf("the page lacks %q", want)
			}
		}
	}
	again := filepath.Join(dir, "again.json")
	if status, table, stderr := wsbench(t.Context(), "report", "-json", again, file); status != exitOK || table != stdout {
		t.Errorf("report: status %d, wrote %q and %q, want %q", status, table, stderr, stdout)
	}
	wantSameFile(t, file, again)
}

func wantSameFile(t *testing.T, a, b string) {
	t.Helper()
	one, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if string(one) != string(two) {
		at := 0
		for at < min(len(one), len(two)) && one[at] == two[at] {
			at++
		}
		t.Errorf("what was read and written again differs: %.200q, %.200q", one[max(0, at-80):], two[max(0, at-80):])
	}
}

func TestFilesAndReport(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	args := strings.Fields("echo -sockets 20 -conns 2 -duration 100ms -interval 20ms -rate 2000 -size 16-200 -churn 50 -max-lag 1h -slo loss==0 -loops 1")
	args = append(args, "-json", in("a.json"), "-hlog", in("a.hlog"), "-csv", in("a.csv"), "-html", in("a.html"))
	status, stdout, stderr := wsbench(t.Context(), args...)
	if status != exitOK || !strings.Contains(stdout, "slo: loss==0: met, 0") || !strings.Contains(stdout, "uncorrected ") {
		t.Fatalf("status %d, wrote %q and %q", status, stdout, stderr)
	}
	for name, want := range map[string]string{
		"a.hlog": "Tag=echo,", "a.csv": ",echo,", "a.html": `"name":"from when it was sent (uncorrected)"`,
		"a.json": `"version": 1`,
	} {
		b, err := os.ReadFile(in(name))
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v, lacks %q", name, err, want)
		}
	}
	status, table, stderr := wsbench(t.Context(), "report", "-json", in("b.json"), "-hlog", in("b.hlog"), "-csv", in("b.csv"), "-html", in("b.html"), in("a.json"))
	if status != exitOK || table != stdout {
		t.Errorf("report: status %d, wrote %q and %q, want %q", status, table, stderr, stdout)
	}
	for _, name := range []string{"json", "hlog", "csv", "html"} {
		wantSameFile(t, in("a."+name), in("b."+name))
	}
}

func TestReportRefuses(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"x":               "invalid character",
		`{"version":1}`:   "there are no results in it",
		`{"version":99}`:  "it has version 99 of the format, and only 1 to 1 are known",
		`{"results": []}`: "it has version 0",
	} {
		file := filepath.Join(dir, "x.json")
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		status, stdout, stderr := wsbench(t.Context(), "report", file)
		if status != exitFailure || stdout != "" || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: status %d, wrote %q and %q", text, status, stdout, stderr)
		}
	}
}

func TestDoctor(t *testing.T) {
	status, stdout, stderr := wsbench(t.Context(), "doctor", "-conns", "10")
	for _, want := range []string{"descriptors", "ports", "clock", "timers", "cores", "memory", "backlog", "buffers"} {
		if !strings.Contains(stdout, "  "+want+" ") {
			t.Errorf("no word of %s", want)
		}
	}
	if status != exitOK || stderr != "" {
		t.Errorf("status %d, wrote %q and %q", status, stdout, stderr)
	}
}
