package bench

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// rateReport is that of a fan-out with slow sockets.
func rateReport() *Report {
	cfg := DefaultConfig()
	cfg.Server = &Process{PID: 4242}
	cfg.Load = Load{Rate: 20, Topics: 2, SlowShare: 0.01}
	r := NewReport(cfg)
	r.Results = []Result{{
		Name: "fanout", Unit: "deliveries", Count: 9_900_000, Elapsed: 5 * time.Second, ServerCPU: time.Second,
		Latency: &Latency{P50: time.Millisecond, P99: 2 * time.Millisecond, Max: 3 * time.Millisecond},
		Delivery: &Delivery{
			Published: 100, ToLast: &Latency{P50: 4 * time.Millisecond, P99: 5 * time.Millisecond, Max: 6 * time.Millisecond},
			Fewest: 99, Most: 101,
			Prompt: Outcome{Sockets: 99_000, Delivered: 9_899_000, Lost: 1000, Repeated: 2, Reordered: 3},
			Slow:   Outcome{Sockets: 1000, Delivered: 1000, Lost: 99_000, Repeated: 4, Reordered: 5, Closed: 6},
			Memory: Memory{Base: 50e6, RSS: 60e6},
		},
	}}
	return r
}

func TestTableOfDeliveries(t *testing.T) {
	r := rateReport()
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"fanout: 100 messages to 2 topics of 50,000 sockets, from 2 publishers at 20 a second in all.\n",
		"fanout: p50, p99 and max are from when a publish was due to a delivery, uncorrected from when it was; to the last socket 4.00 ms, 5.00 ms and 6.00 ms.\n",
		"fanout: 99,000 sockets had 99 to 101 deliveries each; 1,000 lost, 2 twice, 3 out of order.\n",
		"fanout: 1,000 slow sockets had 1,000 deliveries; 99,000 lost, 4 twice, 5 out of order; the server gave up 6.\n",
		"fanout: server RSS 50.0 MB before, 60.0 MB at most.\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("table lacks %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "rounds") {
		t.Errorf("latency is explained as that of rounds:\n%s", b.String())
	}
	r.PID, r.Results[0].Delivery.Slow, r.Results[0].Delivery.ToLast = 0, Outcome{}, nil
	b.Reset()
	if err := r.WriteTable(&b); err != nil || strings.Contains(b.String(), "slow") || strings.Contains(b.String(), "RSS") || strings.Contains(b.String(), "last socket") {
		t.Errorf("the table tells what there was not:\n%s", b.String())
	}
}

func TestDeliveryJSON(t *testing.T) {
	b, err := json.Marshal(rateReport())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"load":{"messages_per_second":20,"publishers":2,"topics":2,"subscribers":50000,"slow_share":0.01,"slow_conns":0,"slow_rate":0}`,
		`"delivery":{"published":100,"to_last_socket":{"p50_us":4000,"p99_us":5000,"max_us":6000},"fewest_per_socket":99,"most_per_socket":101,` +
			`"prompt":{"sockets":99000,"delivered":9899000,"lost":1000,"repeated":2,"reordered":3,"closed":0},` +
			`"slow":{"sockets":1000,"delivered":1000,"lost":99000,"repeated":4,"reordered":5,"closed":6},"rss_base_bytes":50000000,"rss_most_bytes":60000000}`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s lacks %s", b, want)
		}
	}
	r := rateReport()
	r.Results[0].Delivery.Slow = Outcome{}
	if b, err = json.Marshal(r); err != nil || strings.Contains(string(b), `"slow":`) {
		t.Errorf("%v in %s", err, b)
	}
	if b, err = json.Marshal(NewReport(DefaultConfig())); err != nil || strings.Contains(string(b), "load") {
		t.Errorf("%v in %s", err, b)
	}
}

func TestDeliveryError(t *testing.T) {
	err := &DeliveryError{Lost: 1, Repeated: 2000, Reordered: 0}
	if want := "sockets that are not slow lost 1 message, were sent 2,000 twice and 0 out of order"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}
