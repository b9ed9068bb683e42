package soak

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"h2ws/bench"
	"h2ws/bench/attack"
	"h2ws/bench/raw"
)

// Sample is what a server held at one time.
type Sample struct {
	At          time.Duration // since the load began
	RSS         int64         // octets, after the server has collected its garbage
	Anonymous   int64         // of that what is no file's; the rest is the executable, as far as it has been used
	Descriptors int
	Goroutines  int // 0: not known
}

func (s Sample) String() string {
	return fmt.Sprintf("%v  RSS %.1f MB, %.1f of it anonymous, %d descriptors, %d goroutines",
		s.At.Round(time.Second), float64(s.RSS)/(1<<20), float64(s.Anonymous)/(1<<20), s.Descriptors, s.Goroutines)
}

// sampler looks at a server.
type sampler struct {
	process  *bench.Process
	target   raw.Target
	metrics  string
	client   http.Client
	patience time.Duration
}

const (
	metricsTimeout = 10 * time.Second
	lookEvery      = 100 * time.Millisecond
)

func newSampler(cfg *Config) *sampler {
	// A connection of its own for each look, which is there whenever it counts, and gone afterwards.
	transport := &http.Transport{DisableKeepAlives: true}
	if cfg.Target.TLS != nil {
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: cfg.Target.TLS.InsecureSkipVerify, RootCAs: cfg.Target.TLS.RootCAs}
	}
	return &sampler{
		process: cfg.Server, target: cfg.Target.Target, metrics: cfg.Metrics, patience: cfg.patience,
		client: http.Client{Transport: transport, Timeout: metricsTimeout},
	}
}

// take has the server collect its garbage, and looks at it. A server that cannot be asked to, as it is under attack, is
// looked at as it is.
func (s *sampler) take(ctx context.Context) (Sample, error) {
	attack.Collect(ctx, &s.target)
	return s.look(ctx)
}

func (s *sampler) look(ctx context.Context) (sample Sample, err error) {
	if sample.RSS, err = s.process.RSS(); err != nil {
		return sample, err
	}
	if sample.Anonymous, err = s.process.Anonymous(); err != nil {
		return sample, err
	}
	if sample.Descriptors, err = s.process.Descriptors(); err != nil {
		return sample, err
	}
	if s.metrics != "" {
		sample.Goroutines, err = s.goroutines(ctx)
	}
	return sample, err
}

// settled looks until twice in a row the server holds as many descriptors and goroutines.
func (s *sampler) settled(ctx context.Context) (Sample, error) {
	before, err := s.take(ctx)
	for end := time.Now().Add(s.patience); err == nil && time.Now().Before(end); {
		if err := sleep(ctx, 2*lookEvery); err != nil {
			return before, err
		}
		now, err := s.take(ctx)
		if err != nil || now.Descriptors == before.Descriptors && now.Goroutines == before.Goroutines {
			return now, err
		}
		before = now
	}
	return before, err
}

// back looks until the server holds no more descriptors and goroutines than before, or its time is up. The memory is
// that of the last look.
func (s *sampler) back(ctx context.Context, before Sample) (Sample, error) {
	for end := time.Now().Add(s.patience); ; {
		now, err := s.take(ctx)
		if err != nil || now.Descriptors <= before.Descriptors && now.Goroutines <= before.Goroutines || time.Now().After(end) {
			return now, err
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return now, err
		}
	}
}

// goroutines asks the server for them.
func (s *sampler) goroutines(ctx context.Context) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.metrics, nil)
	if err != nil {
		return 0, err
	}
	response, err := s.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	return parseGoroutines(io.LimitReader(response.Body, 1<<20))
}

func parseGoroutines(r io.Reader) (int, error) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			return strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return 0, errors.New("there is no go_goroutines among the metrics")
}
