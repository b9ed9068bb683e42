package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Metrics is a Server that tells its usage itself, as text for Prometheus at a URL.
type Metrics struct {
	url    string
	client http.Client
}

// metricsTimeout is less than the shortest run.
const metricsTimeout = 2 * time.Second

// OpenMetrics returns the metrics at a URL, or an error if what is needed is not among them.
func OpenMetrics(ctx context.Context, url string) (*Metrics, error) {
	m := &Metrics{url: url, client: http.Client{Timeout: metricsTimeout}}
	_, err := m.usage(ctx)
	return m, err
}

// Usage asks the server.
func (m *Metrics) Usage() (Usage, error) { return m.usage(context.Background()) }

func (m *Metrics) usage(ctx context.Context) (Usage, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url, nil)
	if err != nil {
		return Usage{}, err
	}
	response, err := m.client.Do(r)
	if err != nil {
		return Usage{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return Usage{}, fmt.Errorf("%s answered with %s", m.url, response.Status)
	}
	return parseMetrics(response.Body)
}

// parseMetrics reads what every Prometheus client library tells of its process. One that has no CPU is of
// no use; memory may be missing.
func parseMetrics(r io.Reader) (u Usage, err error) {
	found := false
	for lines := bufio.NewScanner(r); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if !ok || err != nil {
			continue
		}
		name, _, _ = strings.Cut(name, "{")
		switch name {
		case "process_cpu_seconds_total":
			u.CPU, found = seconds(v), true
		case "process_resident_memory_bytes":
			u.RSS = int64(v)
		}
	}
	if !found {
		return u, fmt.Errorf("there is no process_cpu_seconds_total among the metrics")
	}
	return u, nil
}
