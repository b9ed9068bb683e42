package bench

import (
	"fmt"
	"math"
	"strings"
	"time"

	"h2ws/bench/raw"
)

// Config is what a Client is to do. Begin with DefaultConfig.
type Config struct {
	Target
	Sockets int // WebSockets in all
	Conns   int // connections they share
	Sources int // loopback addresses the connections come from without Locals; 0: as many as it takes

	InFlight int           // messages, or opening or closing handshakes, under way at a time
	Size     int           // of a message, in octets
	Random   bool          // echo: the next socket is drawn, not the next in turn
	Duration time.Duration // of Echo, and the most for Fanout
	Rounds   int           // of Fanout, the most
	Batch    int           // messages published in a round of Fanout

	Opening Pace  // of Open
	Pace    Pace  // of Echo
	Sizes   Sizes // of the messages of Echo; none: Size
	Churn   Churn // during Echo
	Load    Load
	Window  int // INITIAL_WINDOW_SIZE announced, in octets

	Memory   bool           // Dial is to read the server's memory with one socket open, for Idle
	LagMax   time.Duration  // at a rate, the loader may be late by this, 99 times in 100
	Interval time.Duration  // of the series; 0: a twentieth of Duration, within 100 ms and 1 s
	CPUs     *CPUs          // of the loop, and for the rest; nil: not divided
	Server   Server         // where its CPU and memory are read; nil: not measured
	Progress func(Progress) // told several times a second; nil: nobody
	Told     func(Point)    // told every point of the series, on a goroutine of its own; nil: nobody
}

// Progress is how far a scenario has come.
type Progress struct {
	Name    string
	Done    int
	Unit    string
	Elapsed time.Duration
}

// portsPerSource is how many connections leave one loopback address: Linux has 28,232 ports for them.
const portsPerSource = 20_000

// The least size of an echoed message, and the largest of any, in octets.
const (
	EchoSizeMin = 16
	SizeMax     = 64 << 10
)

// DefaultConfig returns the Config of the demonstration, without an address.
func DefaultConfig() Config {
	return Config{
		Target: Target{Target: raw.Target{Path: "/"}}, Sockets: 100_000, Conns: 1,
		InFlight: 256, Size: 64, Duration: 5 * time.Second, Rounds: 100, Batch: 1,
		Window: 1 << 20, Pace: Pace{WarmUp: -1}, LagMax: lagMaxDefault,
	}
}

// lagMaxDefault is what the loader keeps to at 80 % of what it can do.
const lagMaxDefault = time.Millisecond

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Check says what is wrong with a Config. Its errors begin with the name of the wsbench flag they are about.
func (cfg Config) Check() error {
	for _, c := range []struct {
		name               string
		value, least, most int
	}{
		{"sockets", cfg.Sockets, 1, 1 << 30}, // stream identifiers have 31 bits, clients use the odd ones
		{"conns", cfg.Conns, 1, 1 << 20},
		{"sources", cfg.Sources, 0, 1 << 16},
		{"inflight", cfg.InFlight, 1, 1 << 24},
		{"size", cfg.Size, 1, SizeMax},
		{"rounds", cfg.Rounds, 1, math.MaxInt32},
		{"batch", cfg.Batch, 1, 1 << 20},
		{"window", cfg.Window, 1, math.MaxInt32},
	} {
		if c.value < c.least || c.value > c.most {
			return fmt.Errorf("%s must be %d to %d, not %d", c.name, c.least, c.most, c.value)
		}
	}
	switch {
	case cfg.Conns > cfg.Sockets:
		return fmt.Errorf("conns is %d, but sockets is only %d: every connection carries at least one", cfg.Conns, cfg.Sockets)
	case cfg.HTTP1 && cfg.Conns != cfg.Sockets:
		return fmt.Errorf("conns is %d, but over HTTP/1.1 each of the %d sockets has a connection of its own", cfg.Conns, cfg.Sockets)
	case cfg.Duration <= 0:
		return fmt.Errorf("duration must be more than 0, not %v", cfg.Duration)
	}
	if err := cfg.Target.check(); err != nil {
		return err
	}
	if err := cfg.checkPace(); err != nil {
		return err
	}
	return cfg.checkLoad()
}

// pathBytesMax keeps the request in one HEADERS frame.
const pathBytesMax = 8 << 10

func validPath(p string) bool {
	return strings.HasPrefix(p, "/") && len(p) <= pathBytesMax &&
		!strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// checkPace is the part of Check about paces and Churn.
func (cfg Config) checkPace() error {
	for _, p := range []Pace{cfg.Opening, cfg.Pace} {
		if err := p.check(); err != nil {
			return err
		}
	}
	switch {
	case cfg.LagMax <= 0:
		return fmt.Errorf("max-lag must be more than 0, not %v", cfg.LagMax)
	case cfg.Interval < 0:
		return fmt.Errorf("interval must be more than 0, not %v", cfg.Interval)
	}
	for _, c := range []struct {
		name string
		rate float64
	}{{"churn", cfg.Churn.Closes}, {"resets", cfg.Churn.Resets}, {"kills", cfg.Churn.Kills}} {
		if !(c.rate >= 0 && c.rate <= paceRateMax) {
			return fmt.Errorf("%s must be 0 or a number a second, not %v", c.name, c.rate)
		}
	}
	if cfg.Sizes.text != "" && (cfg.Sizes.least < 1 || cfg.Sizes.most > SizeMax) {
		return fmt.Errorf("size must be 1 to %d, not %s", SizeMax, cfg.Sizes)
	}
	return nil
}
