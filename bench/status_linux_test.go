package bench

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"h2ws/engine"
)

func TestStatus(t *testing.T) {
	addr, _ := startReference(t, 100)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for _, x := range []struct {
		method, path, contentType, body string
		status                          int
	}{
		{"GET", "/", "text/html; charset=utf-8", "<title>h2ws</title>", 200},
		{"GET", "/healthz", "text/plain; charset=utf-8", "ok\n", 200},
		{"GET", "/metrics", "text/plain; version=0.0.4; charset=utf-8", "\ngo_goroutines ", 200},
		{"GET", "/stats", "application/json", `"RequestsServed":`, 200},
		{"GET", "/nowhere", "text/plain; charset=utf-8", "404", 404},
		{"POST", "/", "text/plain; charset=utf-8", "Not Allowed", 405},
	} {
		request, err := http.NewRequest(x.method, "http://"+addr+x.path, strings.NewReader("content"))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != x.status || response.Header.Get("Content-Type") != x.contentType || !strings.Contains(string(body), x.body) {
			t.Errorf("%s %s: %s, %v, %v, %.200q", x.method, x.path, response.Status, response.Header, err, body)
		}
		if x.path == "/stats" {
			var stats engine.Stats
			if err := json.Unmarshal(body, &stats); err != nil || stats.RequestsRunning != 1 {
				t.Errorf("stats: %v, %+v", err, stats)
			}
		}
	}
}
