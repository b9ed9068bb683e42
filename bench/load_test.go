package bench

import (
	"strings"
	"testing"
	"time"
)

func TestCheckLoad(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"rate must be 0, or 0.1 to 1e+06, not 0.01":                             func(c *Config) { c.Load.Rate = 0.01 },
		"rate must be 0, or 0.1 to 1e+06, not 2e+06":                            func(c *Config) { c.Load.Rate = 2e6 },
		"rate must be 0, or 0.1 to 1e+06, not -1":                               func(c *Config) { c.Load.Rate = -1 },
		"rate is 100000: 1h0m0s of it":                                          func(c *Config) { c.Load.Rate, c.Duration = 1e5, time.Hour },
		"publishers must be 1 to 32768, not -1":                                 func(c *Config) { c.Load.Publishers = -1 },
		"publishers must be 1 to 32768, not 40000":                              func(c *Config) { c.Load.Topics = 40000 },
		"topics must be 1 to":                                                   func(c *Config) { c.Load.Topics = -1 },
		"subscribers must be 1 to 100000":                                       func(c *Config) { c.Load.Subscribers = 100_001 },
		"topics is 5000: with 100000 subscribers":                               func(c *Config) { c.Load.Topics, c.Load.Subscribers = 5000, 100_000 },
		"topics is 1000: a socket would be in about":                            func(c *Config) { c.Load.Topics, c.Load.Subscribers = 1000, 100_000 },
		"size must be at least 20 at a rate, not 19:":                           func(c *Config) { c.Size = 19 },
		"policy must be one of [CloseSlow DropNewest DropOldest Conflate], not": func(c *Config) { c.Load.Policy = "drop" },

		"slow must be a share":            func(c *Config) { c.Load.SlowShare = 1 },
		"slow is for HTTP/2":              func(c *Config) { c.HTTP1, c.Conns, c.Load.SlowShare = true, c.Sockets, 0.5 },
		"kills is 1: what makes":          func(c *Config) { c.Load.SlowShare, c.Churn.Kills = 0.5, 1 },
		"slow-conns must be 0 to 0, one":  func(c *Config) { c.Load.SlowConns = 1 },
		"slow-rate must be 0 to":          func(c *Config) { c.Load.SlowRate = -1 },
		"publishers is for publishing at": func(c *Config) { c.Load = Load{Publishers: 1} },
		"topics is for publishing at":     func(c *Config) { c.Load = Load{Topics: 1} },
		"subscribers is for publishing":   func(c *Config) { c.Load = Load{Subscribers: 1} },
		"policy is for publishing at":     func(c *Config) { c.Load = Load{Policy: "DropOldest"} },
	} {
		cfg := DefaultConfig()
		cfg.Load.Rate = 100
		if err := cfg.Check(); err != nil {
			t.Fatalf("100 messages a second are refused: %v", err)
		}
		change(&cfg)
		if err := cfg.Check(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %q...", err, want)
		}
	}
}

// TestLongestPath has sockets in as many topics as are allowed.
func TestLongestPath(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Sockets = 100
	cfg.Load = Load{Rate: 1, Publishers: 1}
	cfg.Load.Policy = "DropOldest"
	for topics := 1; ; topics *= 2 {
		cfg.Load.Topics, cfg.Load.Subscribers = topics, 100
		if cfg.Check() != nil {
			if topics < 100 {
				t.Errorf("a socket may not be in %d topics", topics)
			}
			return
		}
		for n := range cfg.Sockets {
			if path := newPlan(cfg).path(n); !validPath(path) {
				t.Fatalf("%d topics: socket %d has a path of %d octets", topics, n, len(path))
			}
		}
	}
}
