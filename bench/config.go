package bench

import (
	"fmt"
	"math"
	"strings"
	"time"
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

	Load   Load
	Window int // INITIAL_WINDOW_SIZE announced, in octets

	Server   *Process       // where its CPU and memory are read; nil: not measured
	Progress func(Progress) // told several times a second; nil: nobody
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
		Target: Target{Path: "/"}, Sockets: 100_000, Conns: 1,
		InFlight: 256, Size: 64, Duration: 5 * time.Second, Rounds: 100, Batch: 1,
		Window: 1 << 20,
	}
}

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
	return cfg.checkLoad()
}

// pathBytesMax keeps the request in one HEADERS frame.
const pathBytesMax = 8 << 10

func validPath(p string) bool {
	return strings.HasPrefix(p, "/") && len(p) <= pathBytesMax &&
		!strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}
