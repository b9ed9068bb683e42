package interop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Requests that are no WebSocket, on the port of the WebSockets.

func TestCurl(t *testing.T) {
	certificate, _ := newCertificate(t)
	secure, clear := newFront(t, &certificate), newFront(t, nil)
	for _, c := range []struct {
		name    string
		front   *front
		flag    string
		version string // as curl says it
	}{
		{"TLS, h2", secure, "--http2", "2"},
		{"TLS, HTTP 1.1", secure, "--http1.1", "1.1"},
		{"cleartext, h2 with prior knowledge", clear, "--http2-prior-knowledge", "2"},
		{"cleartext, HTTP 1.1", clear, "--http1.1", "1.1"},
	} {
		curl := func(t *testing.T, path string, args ...string) string {
			return run(t, command(t, "curl", append(args, "--silent", "--show-error", "--insecure", c.flag,
				"--write-out", "\n%{http_version} %{http_code} %{num_connects}", c.front.origin+path)...))
		}
		t.Run(c.name, func(t *testing.T) {
			t.Run("GET", func(t *testing.T) {
				page, err := os.ReadFile("testdata/page/page.js")
				if err != nil {
					t.Fatal(err)
				}
				want := fmt.Sprintf("%s\n%s 200 1", page, c.version)
				if got := curl(t, "/page.js"); got != want {
					t.Errorf("got %.200q", got)
				}
			})
			t.Run("404", func(t *testing.T) { wantEnd(t, curl(t, "/none"), c.version+" 404 1") })
			t.Run("HEAD", func(t *testing.T) { wantEnd(t, curl(t, "/page.js", "--head"), c.version+" 200 1") })
			t.Run("POST", func(t *testing.T) {
				body := filepath.Join(t.TempDir(), "body")
				if err := os.WriteFile(body, bytes.Repeat([]byte("x"), postSize), 0o600); err != nil {
					t.Fatal(err)
				}
				want := fmt.Sprintf("%d\n%s 200 1", postSize, c.version)
				if got := curl(t, "/count", "--data-binary", "@"+body); got != want {
					t.Errorf("got %.200q, want %q", got, want)
				}
			})
			t.Run("8 MiB", func(t *testing.T) {
				got := curl(t, "/large")
				wantEnd(t, got, c.version+" 200 1")
				if n := len(got) - len("\n"+c.version+" 200 1"); n != largeSize {
					t.Errorf("got %d octets", n)
				}
			})
		})
	}
}

// Many requests at once on few connections.
func TestH2load(t *testing.T) {
	certificate, _ := newCertificate(t)
	for name, f := range map[string]*front{"TLS": newFront(t, &certificate), "cleartext": newFront(t, nil)} {
		t.Run(name, func(t *testing.T) {
			const requests = 2000
			text := run(t, command(t, "h2load", fmt.Sprint("-n", requests), "-c4", "-m50", f.origin+"/page.js"))
			want := fmt.Sprintf(`requests: %d total, %[1]d started, %[1]d done, %[1]d succeeded, 0 failed, 0 errored, 0 timeout`, requests)
			if !regexp.MustCompile(want).MatchString(text) {
				t.Errorf("h2load wrote %s", text)
			}
			if !regexp.MustCompile(`Application protocol: h2`).MatchString(text) {
				t.Errorf("h2load spoke something else: %s", text)
			}
		})
	}
}

func wantEnd(t *testing.T, text, end string) {
	t.Helper()
	if !strings.HasSuffix(text, "\n"+end) {
		t.Errorf("got %.200q, want %q at its end", text, end)
	}
}
