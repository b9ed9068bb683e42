package bench

import (
	"context"
	"errors"
	"time"
)

// Result is what one scenario measured.
type Result struct {
	Name      string // open, echo, fanout, idle or close
	Unit      string // of Count: opens, echoes, deliveries, sockets, closes
	Count     int    // operations
	Began     time.Time
	Elapsed   time.Duration // while they were done
	ServerCPU time.Duration // user and system time of the server meanwhile; 0: not measured
	ClientCPU time.Duration // and of this process
	Latency   *Latency      // of single operations, at a rate from when they were due; of rounds in fanout one at a time; nil: none was taken
	Raw       *Latency      // at a rate, from when they began, which flatters
	Begun     int           // echo, and open at a rate: messages or requests sent
	Lost      int           // of these, not answered; those under way when it was interrupted are not lost
	Churned   Churned       // echo
	Series    []Point
	Loader    *Loader
	Memory    *Memory   // idle only
	Delivery  *Delivery // fanout at a rate only
	Partial   bool      // ended early
	Failure   string    // why; "": it did not, or was interrupted
}

// Memory is the server's resident memory, in octets.
type Memory struct {
	RSS  int64
	Base int64 // with one connection and one socket
}

// settle notes how many operations began until it ended with err.
func (r *Result) settle(begun int, err error) {
	r.Begun = begun
	if !errors.Is(err, context.Canceled) {
		r.Lost = begun - r.Count
	}
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

// perOp is in nanoseconds.
func perOp(cpu time.Duration, count int) float64 { return float64(cpu) / float64(max(count, 1)) }
