package bench

import (
	"encoding/json"
	"time"
)

// Result is what one scenario measured.
type Result struct {
	Name      string        // open, echo, fanout, idle or close
	Unit      string        // of Count: opens, echoes, deliveries, sockets, closes
	Count     int           // operations
	Elapsed   time.Duration // while they were done
	ServerCPU time.Duration // user and system time of the server meanwhile; 0: not measured
	ClientCPU time.Duration // and of this process
	Latency   *Latency      // of single operations; of rounds in fanout one at a time; nil: none was taken
	Memory    *Memory       // idle only
	Delivery  *Delivery     // fanout at a rate only
	Partial   bool          // ended early
}

// Memory is the server's resident memory, in octets.
type Memory struct {
	RSS  int64
	Base int64 // with one connection and one socket
}

// PerSecond is the rate of operations.
func (r Result) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Count) / r.Elapsed.Seconds()
}

// ServerPerOp is the server's CPU time per operation.
func (r Result) ServerPerOp() time.Duration { return r.ServerCPU / time.Duration(max(r.Count, 1)) }

// ClientPerOp is the client's.
func (r Result) ClientPerOp() time.Duration { return r.ClientCPU / time.Duration(max(r.Count, 1)) }

// BytesPerSocket is what the sockets have added to the server's memory, each.
func (r Result) BytesPerSocket() float64 {
	if r.Memory == nil {
		return 0
	}
	return float64(r.Memory.RSS-r.Memory.Base) / float64(max(r.Count, 1))
}

// MarshalJSON spells units out in the names.
func (r Result) MarshalJSON() ([]byte, error) {
	out := resultJSON{
		Name: r.Name, Unit: r.Unit, Count: r.Count, Seconds: r.Elapsed.Seconds(), Partial: r.Partial,
		ServerCPU: r.ServerCPU.Seconds(), ClientCPU: r.ClientCPU.Seconds(),
	}
	if r.Latency != nil {
		out.PerSecond = r.PerSecond()
		out.ServerPerOp, out.ClientPerOp = perOp(r.ServerCPU, r.Count), perOp(r.ClientCPU, r.Count)
		out.Latency = r.Latency.json()
	}
	if r.Delivery != nil {
		out.Delivery = r.Delivery.json()
	}
	if r.Memory != nil {
		out.Memory = &memoryJSON{r.Memory.RSS, r.Memory.Base, r.BytesPerSocket()}
	}
	return json.Marshal(out)
}

type resultJSON struct {
	Name        string        `json:"name"`
	Unit        string        `json:"unit"`
	Count       int           `json:"count"`
	Seconds     float64       `json:"seconds"`
	PerSecond   float64       `json:"per_second,omitempty"`
	ServerCPU   float64       `json:"server_cpu_seconds"`
	ServerPerOp float64       `json:"server_cpu_ns_per_op,omitempty"`
	ClientCPU   float64       `json:"client_cpu_seconds"`
	ClientPerOp float64       `json:"client_cpu_ns_per_op,omitempty"`
	Latency     *latencyJSON  `json:"latency,omitempty"`
	Memory      *memoryJSON   `json:"memory,omitempty"`
	Delivery    *deliveryJSON `json:"delivery,omitempty"`
	Partial     bool          `json:"partial,omitempty"`
}

type latencyJSON struct {
	P50 int64 `json:"p50_us"`
	P99 int64 `json:"p99_us"`
	Max int64 `json:"max_us"`
}

// json spells the unit out. nil stays nil.
func (l *Latency) json() *latencyJSON {
	if l == nil {
		return nil
	}
	return &latencyJSON{l.P50.Microseconds(), l.P99.Microseconds(), l.Max.Microseconds()}
}

type memoryJSON struct {
	RSS       int64   `json:"rss_bytes"`
	Base      int64   `json:"rss_base_bytes"`
	PerSocket float64 `json:"rss_bytes_per_socket"`
}

// perOp is in nanoseconds.
func perOp(cpu time.Duration, count int) float64 { return float64(cpu) / float64(max(count, 1)) }
