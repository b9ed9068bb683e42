package bench

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestMetrics(t *testing.T) {
	says := `# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total{job="a"} 1.5
process_resident_memory_bytes 2.048e+06
go_goroutines 7
`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, says) }))
	defer s.Close()
	m, err := OpenMetrics(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := m.Usage(); err != nil || u.CPU != 1500*time.Millisecond || u.RSS != 2048000 {
		t.Errorf("got %+v, %v", u, err)
	}
	says = "go_goroutines 7\n"
	if _, err := m.Usage(); err == nil || !strings.Contains(err.Error(), "process_cpu_seconds_total") {
		t.Errorf("without CPU: %v", err)
	}
	s.Config.Handler = http.NotFoundHandler()
	if _, err := OpenMetrics(t.Context(), s.URL); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("404: %v", err)
	}
}
