package bench

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// someComparison has two shapes, a server that was not done in time and one that could not be measured.
func someComparison() *Comparison {
	results := func(factor int) []Result {
		return []Result{
			{Name: "open", Count: 9999, ServerCPU: time.Duration(9999*factor) * 2 * time.Microsecond},
			{Name: "idle", Count: 9999, Memory: &Memory{RSS: int64(1e6 + 9999*200*factor), Base: 1e6}},
			{Name: "echo", Count: 1000, ServerCPU: time.Duration(1000*factor) * 250 * time.Nanosecond},
			{Name: "fanout", Count: 10_000, ServerCPU: time.Duration(10_000*factor) * 20, Latency: &Latency{P50: time.Duration(factor) * 500 * time.Microsecond}},
		}
	}
	return &Comparison{Size: 64, Cells: []Cell{
		{Server: "h2ws", Conns: 1, Sockets: 10_000, Results: results(1)},
		{Server: "net/http HTTP/2", Conns: 1, Sockets: 10_000, Results: results(1500)[:3], Failure: errors.New("not done after 30s")},
		{Server: "h2ws", Conns: 10_000, Sockets: 10_000, Results: results(10), Connected: Result{ServerCPU: 9999 * 80 * time.Microsecond}},
		{Server: "net/http HTTP/2", Conns: 10_000, Sockets: 10_000, Results: []Result{}, Failure: errors.New("the server did not start")},
		{Server: "lxzan/gws 1.8.9", HTTP1: true, Conns: 10_000, Sockets: 10_000, Results: results(9)},
	}}
}

func TestComparisonTable(t *testing.T) {
	var b strings.Builder
	if err := someComparison().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	want := `
1 connection x 10,000      open              idle             echo          fan-out        last socket
h2ws                    2.00 us             200 B           250 ns            20 ns             500 us
net/http HTTP/2         3.00 ms  1,500x  300.0 KB  1,500x   375 us  1,500x   failed             failed

10,000 connections x 1     open              idle             echo          fan-out        last socket
h2ws                     100 us            2.0 KB          2.50 us           200 ns            5.00 ms
net/http HTTP/2          failed            failed           failed           failed             failed
lxzan/gws 1.8.9         18.0 us    0.2x    1.8 KB    0.9x  2.25 us    0.9x   180 ns  0.9x      4.50 ms  0.9x
`[1:]
	head, notes, _ := strings.Cut(b.String(), "\nopen ")
	if head != want {
		t.Errorf("got\n%s\nwant\n%s", head, want)
	}
	for _, want := range []string{
		"Cleartext on the loopback; HTTP/2, but HTTP/1.1 with lxzan/gws 1.8.9.\n",
		"message of 64 octets",
		"Failed: net/http HTTP/2, 1 connection x 10,000: not done after 30s.\n",
		"Failed: net/http HTTP/2, 10,000 connections x 1: the server did not start.\n",
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes lack %q:\n%s", want, notes)
		}
	}
}

func TestComparisonWithoutHTTP1(t *testing.T) {
	c := someComparison()
	c.Cells = c.Cells[:1]
	var b strings.Builder
	if err := c.WriteTable(&b); err != nil || !strings.Contains(b.String(), "Cleartext on the loopback; HTTP/2.\n") || strings.Contains(b.String(), "Failed") {
		t.Errorf("got %s, %v", b.String(), err)
	}
}

func TestComparisonJSON(t *testing.T) {
	c := someComparison()
	if n := c.Failures(); n != 2 {
		t.Errorf("%d failures, want 2", n)
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Cells []struct {
			Server, Protocol, Failure string
			Figures                   map[string]struct{ Value, Ratio float64 }
			Results                   []struct{ Name string }
		}
	}
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	slow, none, gws := back.Cells[1], back.Cells[3], back.Cells[4]
	if echo := slow.Figures["echo_cpu_ns"]; echo.Value != 375_000 || echo.Ratio != 1500 {
		t.Errorf("echo of net/http: got %+v", echo)
	}
	if _, ok := slow.Figures["delivery_cpu_ns"]; ok || slow.Failure != "not done after 30s" {
		t.Errorf("what was not measured is told: %+v", slow)
	}
	if len(none.Figures) > 0 || none.Results == nil {
		t.Errorf("a server that did not start: got %+v", none)
	}
	if gws.Protocol != "HTTP/1.1" || slow.Protocol != "HTTP/2" || len(gws.Results) != 4 || len(gws.Figures) != 5 || gws.Figures["open_cpu_ns"].Ratio != 0.18 {
		t.Errorf("gws: got %+v", gws)
	}
}

// What is wrong with figures is beside them, wherever they go.
func TestComparisonElsewhere(t *testing.T) {
	c := someComparison()
	c.Elsewhere, c.Cells = true, c.Cells[2:]
	c.Cells[0].Invalid = "echo: the loader was late"
	c.Cells[2].SLOs = []Verdict{{Objective: "p99<1ms", Value: 2e6, Text: "2.00 ms"}, {Objective: "loss==0", Text: "0", Met: true}}
	for range 2 { // as it is, and as it was read again
		var b strings.Builder
		if err := c.WriteTable(&b); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"\nh2ws, INVALID ", "\nlxzan/gws 1.8.9 ", "\nINVALID: h2ws: echo: the loader was late\n",
			"\nslo: lxzan/gws 1.8.9: p99<1ms: missed, 2.00 ms\nslo: lxzan/gws 1.8.9: loss==0: met, 0\n",
		} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("the table lacks %q:\n%s", want, b.String())
			}
		}
		reports := c.Reports()
		if reports[0].Invalid != c.Cells[0].Invalid || len(reports[2].SLOs) != 2 {
			t.Errorf("reports %+v", reports)
		}
		saved, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		c = &Comparison{}
		if err := json.Unmarshal(saved, c); err != nil {
			t.Fatal(err)
		}
	}
}
