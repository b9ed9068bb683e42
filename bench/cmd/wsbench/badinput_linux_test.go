package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"h2ws/bench"
)

// wantLine checks that a run failed with a status and one line, which contains what is wanted.
func wantLine(t *testing.T, status int, wants []string, args ...string) {
	t.Helper()
	got, stdout, stderr := wsbench(t.Context(), args...)
	lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
	last := lines[len(lines)-1]
	if got != status || stdout != "" || len(lines) != 1 {
		t.Errorf("%v: status %d, want %d; wrote %q and %q", args, got, status, stdout, stderr)
	}
	for _, want := range wants {
		if !strings.Contains(last, want) {
			t.Errorf("%v: %q lacks %q", args, last, want)
		}
	}
}

// h2cServer is net/http's HTTP/2 without extended CONNECT.
func h2cServer(t *testing.T, h http.Handler) string {
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

func TestServersThatCannotBeMeasured(t *testing.T) {
	refusing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "members only", http.StatusForbidden)
	})
	http1 := httptest.NewServer(refusing)
	defer http1.Close()
	secure := httptest.NewTLSServer(refusing)
	defer secure.Close()
	at := func(url, scheme string) string { return scheme + url[strings.Index(url, ":"):] }
	for name, test := range map[string]struct {
		args  []string
		wants []string
	}{
		"nobody listens":     {[]string{"http://127.0.0.1:1/"}, []string{"dial tcp 127.0.0.1:1: connect: connection refused"}},
		"no such host":       {[]string{"http://host.invalid/"}, []string{"host.invalid"}},
		"refused":            {[]string{"-proto", "h1", at(http1.URL, "ws")}, []string{"refused with status 403", "members only"}},
		"no CONNECT":         {[]string{h2cServer(t, refusing)}, []string{"ENABLE_CONNECT_PROTOCOL", "-proto h1"}},
		"HTTP/1.1 only":      {[]string{http1.URL}, []string{"does not speak HTTP/2", "-proto h1"}},
		"unknown issuer":     {[]string{"-proto", "h1", at(secure.URL, "wss")}, []string{"certificate", "-ca FILE", "-insecure"}},
		"cleartext":          {[]string{at(http1.URL, "https")}, []string{"does not look like a TLS handshake", "http or ws"}},
		"TLS, asked without": {[]string{at(secure.URL, "http")}, []string{"does not speak HTTP/2", "https or wss"}},
		"TLS without HTTP/2": {[]string{"-insecure", secure.URL}, []string{"TLS", "-proto h1"}},
	} {
		t.Run(name, func(t *testing.T) {
			wantLine(t, exitFailure, test.wants, append([]string{"echo", "-sockets", "5"}, test.args...)...)
		})
	}
}

// What was measured is printed and written when the server dies.
func TestServerDiesMidRun(t *testing.T) {
	o := newOptions()
	child, err := startServer(t.Context(), o, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w := &interrupter{at: "echo 1 s: ", cancel: func() { child.cmd.Process.Kill() }}
	var stdout strings.Builder
	status := run(t.Context(), []string{"echo", "-sockets", "20", "-rate", "1000", "-duration", "1h", "-warmup", "0", "-interval", "100ms",
		"-json", filepath.Join(dir, "r.json"), "-html", filepath.Join(dir, "r.html"), "http://" + child.addr}, &stdout, w)
	child.stop(nil)
	if status != exitFailure || !strings.Contains(stdout.String(), "echo ended early, after ") {
		t.Errorf("status %d, wrote %q and %q", status, stdout.String(), w.String())
	}
	r := savedReport(t, filepath.Join(dir, "r.json"))
	echo := r.Results[len(r.Results)-1]
	if r.Failure == "" || echo.Name != "echo" || !echo.Partial || echo.Failure == "" || echo.Count == 0 || len(echo.Series) < 5 {
		t.Errorf("saved %+v", r)
	}
	if page, err := os.ReadFile(filepath.Join(dir, "r.html")); err != nil || !strings.Contains(string(page), "Ended early: ") {
		t.Errorf("page: %v", err)
	}
}

func savedReport(t *testing.T, file string) (r bench.Report) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil || len(r.Results) == 0 {
		t.Fatalf("%v in %s", err, b)
	}
	return r
}

func TestInterruptWritesWhatWasMeasured(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir := t.TempDir()
	w := &interrupter{at: "echo 1 s: ", cancel: cancel}
	var stdout strings.Builder
	status := run(ctx, []string{"echo", "-sockets", "20", "-rate", "1000", "-duration", "1h", "-warmup", "0", "-max-lag", "1h", "-interval", "100ms",
		"-slo", "loss==0", "-json", filepath.Join(dir, "r.json"), "-hlog", filepath.Join(dir, "r.hlog")}, &stdout, w)
	if status != exitInterrupted || !strings.Contains(stdout.String(), "echo ended early, after ") || !strings.HasSuffix(w.String(), "wsbench: interrupted\n") {
		t.Errorf("status %d, wrote %q and %q", status, stdout.String(), w.String())
	}
	r := savedReport(t, filepath.Join(dir, "r.json"))
	if echo := r.Results[len(r.Results)-1]; echo.Name != "echo" || !echo.Partial || echo.Failure != "" || echo.Count == 0 {
		t.Errorf("saved %+v", echo)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "r.hlog")); err != nil || strings.Count(string(b), "Tag=echo,") < 5 {
		t.Errorf("log: %v", err)
	}
}

// A file that cannot be written does not cost the others, nor the table.
func TestFileThatCannotBeWritten(t *testing.T) {
	good := filepath.Join(t.TempDir(), "r.json")
	status, stdout, stderr := wsbench(t.Context(), "open", "-sockets", "5", "-csv", "/nonexistent/r.csv", "-json", good)
	if status != exitFailure || !strings.Contains(stdout, "  open ") || !strings.Contains(stderr, "/nonexistent/r.csv") {
		t.Errorf("status %d, wrote %q and %q", status, stdout, stderr)
	}
	savedReport(t, good)
}

func TestAbortOnSLO(t *testing.T) {
	status, stdout, stderr := wsbench(t.Context(), "echo", "-sockets", "20", "-rate", "1000", "-duration", "1h", "-warmup", "0", "-max-lag", "1h",
		"-interval", "100ms", "-slo", "echo.p50<1ns", "-abort-on-slo")
	if status != exitMissed || !strings.Contains(stdout, "slo: echo.p50<1ns: missed") {
		t.Errorf("status %d, wrote %q and %q", status, stdout, stderr)
	}
}

func TestInvalidRun(t *testing.T) {
	status, stdout, stderr := wsbench(t.Context(), "echo", "-sockets", "20", "-rate", "1000", "-duration", "100ms", "-max-lag", "1ns")
	if status != exitInvalid || !strings.Contains(stdout, "INVALID: echo: the loader was late") || !strings.Contains(stderr, "wsbench: INVALID: ") {
		t.Errorf("status %d, wrote %q and %q", status, stdout, stderr)
	}
}
