package bench

import (
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Point is one interval of a scenario.
type Point struct {
	Until time.Duration // its end, since the scenario began
	Span  time.Duration
	Count int      // operations in it
	Lat   *Latency // of them, without a histogram; nil: none
	HDR   string   // the histogram, as Latency has it in JSON

	Server Usage   // at its end; CPU is that of the interval
	Client float64 // CPUs this process kept busy
}

// Busy is how many CPUs the server kept busy.
func (p Point) Busy() float64 { return share(p.Server.CPU, p.Span) }

// PerSecond is the rate of operations.
func (p Point) PerSecond() float64 { return share(time.Duration(p.Count)*time.Second, p.Span) }

func share(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// interval is what the loop hands to the clerk. The histogram is the clerk's from then on.
type interval struct {
	until, span time.Duration
	count       int
	h           *hdrhistogram.Histogram // nil: no operation
}

// clerk keeps the series of a scenario, so that the loop spends no time on summaries and /proc. It is a
// goroutine, from start to finish.
type clerk struct {
	in     chan interval
	spare  chan *hdrhistogram.Histogram // empty ones, for the loop to go on with
	done   chan struct{}
	server Server // nil: not measured

	points []Point
	counts []sparse // of points, to be encoded when there is no load any more
	total  *hdrhistogram.Histogram
	told   func(Point)

	at             time.Time
	usage          Usage
	serverAt, used time.Duration
}

// intervalsMax is how many intervals may wait for the clerk: more than a second of the shortest.
const intervalsMax = 16

func startClerk(server Server, told func(Point), cpus *CPUs) *clerk {
	c := &clerk{
		in: make(chan interval, intervalsMax), spare: make(chan *hdrhistogram.Histogram, 1), done: make(chan struct{}),
		server: server, told: told, total: newHistogram(), at: time.Now(),
	}
	c.serverAt, c.used = c.read(), ownCPU()
	go c.run(cpus)
	return c
}

// read samples the server. What fails is as if nothing had changed: the end of the scenario tells why.
func (c *clerk) read() time.Duration {
	if c.server == nil {
		return 0
	}
	if u, err := c.server.Usage(); err == nil {
		c.usage = u
	}
	return c.usage.CPU
}

func (c *clerk) run(cpus *CPUs) {
	defer close(c.done)
	if cpus != nil {
		runtime.LockOSThread() // until both end
		cpus.Others()          // or the loop waits for it
	}
	for i := range c.in {
		c.note(i)
	}
}

func (c *clerk) note(i interval) {
	now := time.Now()
	span := now.Sub(c.at)
	cpu, used := c.read(), ownCPU()
	p := Point{Until: i.until, Span: i.span, Count: i.count, Server: c.usage, Client: share(used-c.used, span)}
	// Sampling and intervals do not end at quite the same time.
	p.Server.CPU = time.Duration(share(cpu-c.serverAt, span) * float64(i.span))
	c.at, c.serverAt, c.used = now, cpu, used
	var counts sparse
	if i.h != nil {
		c.total.Merge(i.h)
		if p.Lat = newLatency(i.h); p.Lat != nil {
			counts = newSparse(i.h)
			p.Lat.Histogram = nil // many of them take memory
		}
		c.giveBack(i.h)
	}
	c.points, c.counts = append(c.points, p), append(c.counts, counts)
	if c.told != nil {
		c.told(p)
	}
}

// giveBack has the loop use a histogram again.
func (c *clerk) giveBack(h *hdrhistogram.Histogram) {
	h.Reset()
	select {
	case c.spare <- h:
	default:
	}
}

// empty returns a histogram without values. For the loop.
func (c *clerk) empty() *hdrhistogram.Histogram {
	select {
	case h := <-c.spare:
		return h
	default:
		return newHistogram()
	}
}

// finish ends the clerk, and returns what it has.
func (c *clerk) finish() (points []Point, total *Latency) {
	close(c.in)
	<-c.done
	for i, counts := range c.counts {
		if counts != nil {
			c.points[i].HDR = encode(counts.histogram())
		}
	}
	return c.points, newLatency(c.total)
}
