package bench

import (
	"encoding/json"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// MarshalJSON spells units out in the names.
func (r Result) MarshalJSON() ([]byte, error) {
	out := resultJSON{
		Name: r.Name, Unit: r.Unit, Count: r.Count, Seconds: r.Elapsed.Seconds(), Partial: r.Partial, Failure: r.Failure,
		Began: r.Began, ServerCPU: r.ServerCPU.Seconds(), ClientCPU: r.ClientCPU.Seconds(), Begun: r.Begun, Lost: r.Lost,
		Latency: r.Latency.json(), Raw: r.Raw.json(), Loader: r.Loader.json(),
	}
	if r.Latency != nil {
		out.PerSecond = r.PerSecond()
		out.ServerPerOp, out.ClientPerOp = perOp(r.ServerCPU, r.Count), perOp(r.ClientCPU, r.Count)
	}
	if r.Churned != (Churned{}) {
		out.Churned = &r.Churned
	}
	if r.Delivery != nil {
		out.Delivery = r.Delivery.json()
	}
	if r.Memory != nil {
		out.Memory = &memoryJSON{r.Memory.RSS, r.Memory.Base, r.BytesPerSocket()}
	}
	for _, p := range r.Series {
		out.Series = append(out.Series, p.json())
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote. Figures that follow from others are not read.
func (r *Result) UnmarshalJSON(b []byte) error {
	var in resultJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*r = Result{
		Name: in.Name, Unit: in.Unit, Count: in.Count, Elapsed: seconds(in.Seconds), Partial: in.Partial, Failure: in.Failure,
		Began: in.Began, ServerCPU: seconds(in.ServerCPU), ClientCPU: seconds(in.ClientCPU), Begun: in.Begun, Lost: in.Lost,
		Latency: in.Latency.latency(), Raw: in.Raw.latency(), Loader: in.Loader.loader(),
	}
	if in.Churned != nil {
		r.Churned = *in.Churned
	}
	if in.Delivery != nil {
		r.Delivery = in.Delivery.delivery()
	}
	if in.Memory != nil {
		r.Memory = &Memory{in.Memory.RSS, in.Memory.Base}
	}
	for _, p := range in.Series {
		r.Series = append(r.Series, p.point())
	}
	return nil
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * float64(time.Second))) }

type resultJSON struct {
	Name        string        `json:"name"`
	Unit        string        `json:"unit"`
	Began       time.Time     `json:"began,omitzero"`
	Count       int           `json:"count"`
	Begun       int           `json:"begun,omitempty"`
	Lost        int           `json:"lost"`
	Seconds     float64       `json:"seconds"`
	PerSecond   float64       `json:"per_second,omitempty"`
	ServerCPU   float64       `json:"server_cpu_seconds"`
	ServerPerOp float64       `json:"server_cpu_ns_per_op,omitempty"`
	ClientCPU   float64       `json:"client_cpu_seconds"`
	ClientPerOp float64       `json:"client_cpu_ns_per_op,omitempty"`
	Latency     *latencyJSON  `json:"latency,omitempty"`
	Raw         *latencyJSON  `json:"uncorrected_latency,omitempty"`
	Churned     *Churned      `json:"churned,omitempty"`
	Memory      *memoryJSON   `json:"memory,omitempty"`
	Delivery    *deliveryJSON `json:"delivery,omitempty"`
	Loader      *loaderJSON   `json:"loader,omitempty"`
	Partial     bool          `json:"partial,omitempty"`
	Failure     string        `json:"failure,omitempty"`
	Series      []pointJSON   `json:"series,omitempty"`
}

type latencyJSON struct {
	P50   float64 `json:"p50_us"`
	P99   float64 `json:"p99_us"`
	Max   float64 `json:"max_us"`
	Count int     `json:"count,omitempty"`
	Mean  float64 `json:"mean_us,omitempty"`
	P90   float64 `json:"p90_us,omitempty"`
	P95   float64 `json:"p95_us,omitempty"`
	P999  float64 `json:"p99.9_us,omitempty"`
	P9999 float64 `json:"p99.99_us,omitempty"`
	// Histogram is a compressed HdrHistogram (V2) of nanoseconds, in base64.
	Histogram string `json:"hdr_ns,omitempty"`
}

func microseconds(d time.Duration) float64 { return float64(d) / 1e3 }

// json spells the unit out. nil stays nil.
func (l *Latency) json() *latencyJSON {
	if l == nil {
		return nil
	}
	out := &latencyJSON{
		P50: microseconds(l.P50), P99: microseconds(l.P99), Max: microseconds(l.Max), Count: l.Count, Mean: microseconds(l.Mean),
		P90: microseconds(l.P90), P95: microseconds(l.P95), P999: microseconds(l.P999), P9999: microseconds(l.P9999),
	}
	if l.Histogram != nil {
		out.Histogram = encode(l.Histogram)
	}
	return out
}

// encode returns "" for what cannot be encoded, which nothing that was recorded is.
func encode(h *hdrhistogram.Histogram) string {
	b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return ""
	}
	return string(b)
}

func (l *latencyJSON) latency() *Latency {
	if l == nil {
		return nil
	}
	d := func(us float64) time.Duration { return time.Duration(math.Round(us * 1e3)) }
	out := &Latency{
		P50: d(l.P50), P99: d(l.P99), Max: d(l.Max), Count: l.Count, Mean: d(l.Mean),
		P90: d(l.P90), P95: d(l.P95), P999: d(l.P999), P9999: d(l.P9999),
	}
	if h, err := hdrhistogram.Decode([]byte(l.Histogram)); err == nil {
		out.Histogram = h
	}
	return out
}

type memoryJSON struct {
	RSS       int64   `json:"rss_bytes"`
	Base      int64   `json:"rss_base_bytes"`
	PerSocket float64 `json:"rss_bytes_per_socket"`
}

type loaderJSON struct {
	Busy        float64      `json:"busy"`
	Lag         *latencyJSON `json:"lag,omitempty"`
	Wanted      float64      `json:"wanted_per_second,omitempty"`
	Begun       float64      `json:"begun_per_second,omitempty"`
	Waited      float64      `json:"waited_for_cpu_us"`
	Collections int          `json:"gc"`
	Paused      float64      `json:"gc_paused_us"`
	RSS         int64        `json:"rss_bytes"`
	Bound       bool         `json:"bound"`
	Invalid     string       `json:"invalid,omitempty"`
}

func (l *Loader) json() *loaderJSON {
	if l == nil {
		return nil
	}
	return &loaderJSON{l.Busy, l.Lag.json(), l.Wanted, l.Begun, microseconds(l.Waited), l.Collections, microseconds(l.Paused), l.RSS, l.Bound, l.Invalid}
}

func (l *loaderJSON) loader() *Loader {
	if l == nil {
		return nil
	}
	return &Loader{
		Busy: l.Busy, Lag: l.Lag.latency(), Wanted: l.Wanted, Begun: l.Begun, Collections: l.Collections,
		Waited: time.Duration(math.Round(l.Waited * 1e3)), Paused: time.Duration(math.Round(l.Paused * 1e3)), RSS: l.RSS, Bound: l.Bound, Invalid: l.Invalid,
	}
}

type pointJSON struct {
	Until   float64      `json:"until_seconds"`
	Span    float64      `json:"span_seconds"`
	Count   int          `json:"count"`
	Latency *latencyJSON `json:"latency,omitempty"`
	CPU     float64      `json:"server_cpu_seconds"`
	Client  float64      `json:"client_cpus"`
	RSS     int64        `json:"server_rss_bytes,omitempty"`
	Sockets int64        `json:"server_socket_bytes,omitempty"`
}

func (p Point) json() pointJSON {
	out := pointJSON{p.Until.Seconds(), p.Span.Seconds(), p.Count, p.Lat.json(), p.Server.CPU.Seconds(), p.Client, p.Server.RSS, p.Server.Sockets}
	if out.Latency != nil {
		out.Latency.Histogram = p.HDR
	}
	return out
}

func (p pointJSON) point() Point {
	out := Point{
		Until: seconds(p.Until), Span: seconds(p.Span), Count: p.Count, Client: p.Client,
		Server: Usage{CPU: seconds(p.CPU), RSS: p.RSS, Sockets: p.Sockets},
	}
	if p.Latency != nil {
		out.HDR, p.Latency.Histogram = p.Latency.Histogram, ""
		out.Lat = p.Latency.latency()
	}
	return out
}
