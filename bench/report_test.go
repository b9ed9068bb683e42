package bench

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

var someResults = []Result{
	{Name: "echo", Unit: "echoes", Count: 1_234_567, Lost: 3, Loader: &Loader{}, Elapsed: 2 * time.Second, ServerCPU: 500 * time.Millisecond, ClientCPU: 300 * time.Millisecond,
		Latency: &Latency{P50: 80 * time.Microsecond, P99: 1234 * time.Microsecond, Max: 3 * time.Second}},
	{Name: "idle", Unit: "sockets", Count: 1000, Elapsed: time.Second, Memory: &Memory{RSS: 7_200_000, Base: 7_000_000}},
}

func TestResultRatios(t *testing.T) {
	r := someResults[0]
	if got := r.PerSecond(); got != 617283.5 {
		t.Errorf("%v a second", got)
	}
	if got := r.ServerPerOp(); got != 405 {
		t.Errorf("%v of server CPU each", got)
	}
	if got := someResults[1].BytesPerSocket(); got != 200 {
		t.Errorf("%v octets a socket", got)
	}
	var none Result
	if none.PerSecond() != 0 || none.ServerPerOp() != 0 || none.BytesPerSocket() != 0 {
		t.Error("nothing measured is not 0")
	}
}

func TestTable(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Addr, cfg.Conns = "127.0.0.1:1", 2
	cfg.Server = &Process{PID: 4242, others: make([]*Process, 2)}
	r := NewReport(cfg)
	r.Results = someResults
	r.Results[0].Partial = true
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"100,000 WebSockets on 2 connections, messages of 64 octets, 256 in flight\n",
		"server 127.0.0.1:1, process 4242 and 2 more;",
		"echo  1,234,567     617,283           405 ns           243 ns  80.0 us  1.23 ms  3.00 s\n",
		"echo ended early, after 2.00 s.\n",
		"echo: 3 messages sent were never answered.\n",
		"idle: 200 octets of server memory a socket (RSS 7.2 MB, before the sockets 7.0 MB)\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("table lacks %q:\n%s", want, b.String())
		}
	}
	cfg.Server = nil
	r = NewReport(cfg)
	r.Results = []Result{someResults[0]}
	r.Results[0].ServerCPU = 0
	b.Reset()
	if err := r.WriteTable(&b); err != nil || strings.Contains(b.String(), "405 ns") || strings.Contains(b.String(), "process") {
		t.Errorf("server CPU is told although it was not measured:\n%s", b.String())
	}
}

func TestReportJSON(t *testing.T) {
	r := NewReport(DefaultConfig())
	r.Results = someResults
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Sockets int `json:"sockets"`
		Results []struct {
			Name      string
			PerSecond float64 `json:"per_second"`
			CPU       float64 `json:"server_cpu_ns_per_op"`
			Latency   *struct {
				P99 int `json:"p99_us"`
			}
			Memory *struct {
				PerSocket float64 `json:"rss_bytes_per_socket"`
			}
		}
	}
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	echo, idle := back.Results[0], back.Results[1]
	if back.Sockets != 100_000 || echo.PerSecond != 617283.5 || int(echo.CPU) != 405 || echo.Latency.P99 != 1234 ||
		echo.Memory != nil || idle.Memory.PerSocket != 200 || idle.Latency != nil {
		t.Errorf("got %s", b)
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := Thousands(n); got != want {
			t.Errorf("%d: got %s", n, got)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0 us", 999: "1.00 us", 1500: "1.50 us", 99 * time.Microsecond: "99.0 us", 345 * time.Microsecond: "345 us",
		1234 * time.Microsecond: "1.23 ms", 45 * time.Millisecond: "45.0 ms", 3 * time.Second: "3.00 s", 125 * time.Second: "125 s",
	} {
		if got := DurationText(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}
