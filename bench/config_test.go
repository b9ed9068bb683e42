package bench

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	if err := DefaultConfig().Check(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	for want, change := range map[string]func(*Config){
		"sockets must be":  func(c *Config) { c.Sockets = 0 },
		"conns must be":    func(c *Config) { c.Conns = -1 },
		"conns is":         func(c *Config) { c.Conns = c.Sockets + 1 },
		"conns is 1, but":  func(c *Config) { c.HTTP1 = true },
		"sources must be":  func(c *Config) { c.Sources = -1 },
		"inflight must be": func(c *Config) { c.InFlight = 0 },
		"size must be":     func(c *Config) { c.Size = SizeMax + 1 },
		"duration must be": func(c *Config) { c.Duration = 0 },
		"rounds must be":   func(c *Config) { c.Rounds = 0 },
		"batch must be":    func(c *Config) { c.Batch = 0 },
		"window must be":   func(c *Config) { c.Window = 1 << 31 },
		"path must begin":  func(c *Config) { c.Path = "chat" },
		"path must":        func(c *Config) { c.Path = "/a b" },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if err := cfg.Check(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %q...", err, want)
		}
	}
}
