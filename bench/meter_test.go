package bench

import (
	"errors"
	"testing"
	"time"
)

// usages is a server that tells these in turn, and then an error.
type usages []time.Duration

var errUsage = errors.New("the metrics are gone")

func (u *usages) Usage() (Usage, error) {
	if len(*u) == 0 {
		return Usage{}, errUsage
	}
	cpu := (*u)[0]
	*u = (*u)[1:]
	return Usage{CPU: cpu}, nil
}

func TestServerCPUIsMeasuredOrZero(t *testing.T) {
	died := errors.New("the server died")
	for name, test := range map[string]struct {
		server  usages
		run     error // how the scenario ended
		cpu     time.Duration
		failure string
	}{
		"done":             {usages{5 * time.Second, 7 * time.Second}, nil, 2 * time.Second, ""},
		"not told":         {usages{5 * time.Second}, nil, 0, errUsage.Error()},
		"died":             {usages{5 * time.Second}, died, 0, died.Error()},
		"failed":           {usages{5 * time.Second, 7 * time.Second}, died, 2 * time.Second, died.Error()},
		"started anew":     {usages{5 * time.Second, time.Second}, died, 0, died.Error()},
		"nothing was used": {usages{5 * time.Second, 5 * time.Second}, nil, 0, ""},
	} {
		cl := &Client{cfg: Config{Server: &test.server}, start: time.Now()}
		count := 0
		if err := cl.begin("echo", "echoes", &count, nil); err != nil {
			t.Fatal(err)
		}
		r, err := cl.end(test.run)
		if r.ServerCPU != test.cpu || r.Failure != test.failure || r.Partial != (test.failure != "") || (err == nil) != (test.failure == "") {
			t.Errorf("%s: CPU %v, partial %v, failure %q, error %v; want %v and %q", name, r.ServerCPU, r.Partial, r.Failure, err, test.cpu, test.failure)
		}
	}
}

// A loop that has no time to wait is the bottleneck in every scenario.
func TestLoaderIsJudgedInEveryScenario(t *testing.T) {
	for _, slept := range []time.Duration{0, time.Hour} {
		cl := &Client{start: time.Now()}
		count := 0
		if err := cl.begin("fanout", "deliveries", &count, nil); err != nil {
			t.Fatal(err)
		}
		cl.slept += slept
		if r, err := cl.end(nil); err != nil || r.Loader.Bound != (slept == 0) {
			t.Errorf("slept %v: bound is %v, busy %v, %v", slept, r.Loader.Bound, r.Loader.Busy, err)
		}
	}
}
