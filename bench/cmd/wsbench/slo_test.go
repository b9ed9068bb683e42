package main

import (
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"h2ws/bench"
)

func TestObjectives(t *testing.T) {
	results := []bench.Result{
		{Name: "open", Count: 10, Elapsed: time.Second, Latency: &bench.Latency{P99: time.Millisecond}, Loader: &bench.Loader{}},
		{
			Name: "echo", Count: 900, Begun: 1000, Lost: 100, Elapsed: time.Second, ServerCPU: 90 * time.Microsecond,
			Latency: &bench.Latency{P50: time.Millisecond, P99: 20 * time.Millisecond}, Raw: &bench.Latency{P99: 10 * time.Millisecond},
			Series: []bench.Point{{Server: bench.Usage{RSS: 5 << 20}}, {Server: bench.Usage{RSS: 4 << 20}}},
			Loader: &bench.Loader{Lag: &bench.Latency{P99: 10 * time.Microsecond}},
		},
	}
	for text, want := range map[string]string{
		"p99<20ms":                       "missed 20.0 ms",
		"p99<=20ms":                      "met 20.0 ms",
		"open.p99 < 2ms":                 "met 1.00 ms",
		"uncorrected.p99==10ms":          "met 10.0 ms",
		"lag.p99<1ms":                    "met 10.0 us",
		"loss==0":                        "missed 100",
		"loss<=10%":                      "met 10 %",
		"rate>1000":                      "missed 900",
		"errors==0":                      "met 0",
		"server.cpu_per_delivery<=100ns": "met 0.10 us",
		"server.rss<5MB":                 "missed 5.2 MB",
		"server.rss_per_socket<1KB":      "missed not measured",
		"fanout.p99<1s":                  "missed not measured",
		"last.p99<1s":                    "missed not measured",
	} {
		o, err := parseObjective(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		v := o.verdict(echoScenario, results)
		if got := map[bool]string{true: "met ", false: "missed "}[v.Met] + v.Text; got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// What one result has missed no later one makes good, be it opening before closing or the demonstration's scenarios.
func TestWhatIsMissedStaysMissed(t *testing.T) {
	slow, quick := &bench.Latency{P99: time.Second}, &bench.Latency{P99: time.Millisecond}
	storms := []bench.Result{{Name: "open", Latency: slow}, {Name: "close", Latency: quick}}
	all := []bench.Result{{Name: "open"}, {Name: "echo", Latency: slow, Begun: 10, Lost: 5}, {Name: "fanout", Latency: quick}, {Name: "idle"}, {Name: "close"}}
	for _, test := range []struct {
		text     string
		scenario *scenario
		results  []bench.Result
		want     string
	}{
		{"p99<10ms", scenarioNamed("open"), storms, "missed 1.00 s"},
		{"close.p99<10ms", scenarioNamed("open"), storms, "met 1.00 ms"},
		{"p99<10ms", demonstration, all, "missed 1.00 s"},
		{"loss==0", demonstration, all, "missed 5"},
		{"p99<2s", demonstration, all, "met 1.00 ms"},
	} {
		o, err := parseObjective(test.text)
		if err != nil {
			t.Fatal(err)
		}
		v := o.verdict(test.scenario, test.results)
		if got := map[bool]string{true: "met ", false: "missed "}[v.Met] + v.Text; got != test.want {
			t.Errorf("%s: %s, want %s", test.text, got, test.want)
		}
	}
}

func TestBadObjectives(t *testing.T) {
	for text, want := range map[string]string{
		"p99":       "it is metric, operator and value",
		"p98<1ms":   `there is no metric "p98"`,
		"p99!1ms":   "the operators are",
		"p99<20":    `"20" is no duration`,
		"loss<x":    `"x" is no number`,
		"rate>NaN":  `"NaN" is no number`,
		"rate>5%":   `"5%" is no number`,
		"":          "it is metric",
		"x.p99<1ms": `there is no metric "x.p99"`,
	} {
		if _, err := parseObjective(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestJudge(t *testing.T) {
	late := &bench.Loader{Invalid: "late"}
	bound := &bench.Loader{Bound: true}
	slow := &bench.Latency{P99: time.Second}
	failure := errors.New("connection lost")
	for _, test := range []struct {
		name   string
		result bench.Result
		slo    string
		err    error
		want   int
	}{
		{"fine", bench.Result{Loader: &bench.Loader{}}, "", nil, exitOK},
		{"met", bench.Result{Latency: &bench.Latency{P99: 1}, Loader: &bench.Loader{}}, "p99<1ms", nil, exitOK},
		{"missed", bench.Result{Latency: slow, Loader: &bench.Loader{}}, "p99<1ms", nil, exitMissed},
		{"given up", bench.Result{Latency: &bench.Latency{P99: 1}, Loader: &bench.Loader{}}, "p99<1ms", errMissed, exitMissed},
		{"late", bench.Result{Latency: slow, Loader: late}, "", nil, exitInvalid},
		{"late and missed", bench.Result{Latency: slow, Loader: late}, "p99<1ms", nil, exitInvalid},
		{"busy without a rate", bench.Result{Latency: slow, Loader: bound}, "", nil, exitOK},
		{"busy and missed", bench.Result{Latency: slow, Loader: bound}, "p99<1ms", nil, exitInvalid},
		{"busy and met", bench.Result{Latency: &bench.Latency{P99: 1}, Loader: bound}, "p99<1ms", nil, exitOK},
		{"failed", bench.Result{Latency: slow, Loader: late}, "p99<1ms", failure, exitFailure},
		{"overloaded", bench.Result{Latency: slow, Loader: &bench.Loader{}}, "p99<1ms", &bench.OverloadError{}, exitMissed},
		{"overloaded without objectives", bench.Result{Latency: slow}, "", &bench.OverloadError{}, exitFailure},
	} {
		var f sloFlag
		if test.slo != "" {
			if err := f.Set(test.slo); err != nil {
				t.Fatal(err)
			}
		}
		r := &bench.Report{Results: []bench.Result{test.result}}
		var stderr strings.Builder
		if got := status(echoScenario.judge(r, f, test.err), &stderr); got != test.want || (got == exitOK) != (stderr.String() == "") {
			t.Errorf("%s: status %d, want %d; said %q", test.name, got, test.want, stderr.String())
		}
	}
}

// What is missed is not the fault of a loader that was busy with something else.
func TestBusyWithWhatNoObjectiveIsAbout(t *testing.T) {
	slow := &bench.Latency{P99: time.Second}
	open := bench.Result{Name: "open", Latency: slow, Loader: &bench.Loader{Bound: true}}
	echo := bench.Result{Name: "echo", Latency: slow, Loader: &bench.Loader{}}
	for slo, want := range map[string]int{"p99<1ms": exitMissed, "echo.p99<1ms": exitMissed, "open.p99<1ms": exitInvalid} {
		var f sloFlag
		if err := f.Set(slo); err != nil {
			t.Fatal(err)
		}
		r := &bench.Report{Results: []bench.Result{open, echo}}
		if got := status(echoScenario.judge(r, f, nil), io.Discard); got != want {
			t.Errorf("%s: status %d, want %d; invalid %q", slo, got, want, r.Invalid)
		}
	}
}

// A server that falls behind meets nothing: neither by what it has answered, nor, when it was still the warm-up, by how
// soon it opened the sockets.
func TestOverloadMeetsNothing(t *testing.T) {
	quick := &bench.Latency{P99: time.Millisecond}
	open := bench.Result{Name: "open", Latency: quick, Loader: &bench.Loader{}}
	echo := bench.Result{Name: "echo", Latency: quick, Count: 1e6, Begun: 1e6 + 1<<20, Lost: 1 << 20, Loader: &bench.Loader{}, Partial: true}
	overload := &bench.OverloadError{Away: 1 << 20}
	for name, test := range map[string]struct {
		results []bench.Result
		slo     string
		met     bool
	}{
		"latency":                 {[]bench.Result{open, echo}, "p99<20ms", true},
		"losses":                  {[]bench.Result{open, echo}, "loss==0", false},
		"latency in the warm-up":  {[]bench.Result{open}, "p99<20ms", false},
		"losses in the warm-up":   {[]bench.Result{open}, "loss==0", false},
		"what was met until then": {[]bench.Result{open}, "open.p99<20ms", true},
	} {
		var f sloFlag
		if err := f.Set(test.slo); err != nil {
			t.Fatal(err)
		}
		r := &bench.Report{Results: test.results}
		var stderr strings.Builder
		got := status(echoScenario.judge(r, f, overload), &stderr)
		if got != exitMissed || !strings.Contains(stderr.String(), overload.Error()) || r.Failure != overload.Error() || r.SLOs[0].Met != test.met {
			t.Errorf("%s: status %d, %+v, failure %q; said %q", name, got, r.SLOs, r.Failure, stderr.String())
		}
	}
}

// Three bad intervals in a row end the run, three bad ones with a good one between them do not.
func TestWatch(t *testing.T) {
	var f sloFlag
	if err := f.Set("p99<1ms"); err != nil {
		t.Fatal(err)
	}
	ended := 0
	w := newWatch(echoScenario, f, func(err error) {
		if err == errMissed {
			ended++
		}
	})
	w.begin(stepEcho)
	bad, good := bench.Point{Lat: &bench.Latency{P99: time.Second}}, bench.Point{Lat: &bench.Latency{P99: 1}}
	for _, p := range []bench.Point{bad, bad, good, bad, {}, bad} {
		w.told(p)
	}
	if ended != 0 {
		t.Error("ended too early")
	}
	w.told(bad)
	if ended != 1 {
		t.Errorf("ended %d times", ended)
	}
}

// A run ends for what its objectives are about, in one step of it.
func TestWatchOfSteps(t *testing.T) {
	for _, test := range []struct {
		scenario *scenario
		slo      string
		bad      map[string]int // intervals, by step
		want     bool
	}{
		{echoScenario, "p99<1ms", map[string]int{"open": 3}, false},
		{echoScenario, "echo.p99<1ms", map[string]int{"open": 3}, false},
		{echoScenario, "open.p99<1ms", map[string]int{"open": 3}, true},
		{echoScenario, "open.p99<1ms", map[string]int{"echo": 3}, false},
		{echoScenario, "p99<1ms", map[string]int{"echo": 3}, true},
		{scenarioNamed("open"), "p99<1ms", map[string]int{"open": 3}, true},
		{scenarioNamed("open"), "p99<1ms", map[string]int{"open": 2, "close": 2}, false},
		{demonstration, "p99<1ms", map[string]int{"open": 3, "echo": 2, "fanout": 1, "close": 3}, false},
		{demonstration, "p99<1ms", map[string]int{"fanout": 3}, true},
	} {
		var f sloFlag
		if err := f.Set(test.slo); err != nil {
			t.Fatal(err)
		}
		ended := false
		w := newWatch(test.scenario, f, func(error) { ended = true })
		for _, step := range test.scenario.steps {
			w.begin(step)
			for range test.bad[step.name] {
				w.told(bench.Point{Lat: &bench.Latency{P99: time.Second}})
			}
		}
		if ended != test.want {
			t.Errorf("%s with %s, bad %v: ended %v, want %v", test.scenario.name, test.slo, test.bad, ended, test.want)
		}
	}
}

func TestPlotsHaveNoNaN(t *testing.T) {
	if number(math.NaN()) != nil || number(math.Inf(1)) != nil || *number(1) != 1 {
		t.Error("NaN and infinity are no JSON")
	}
}
