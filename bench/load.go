package bench

import (
	"fmt"
	"math"
)

// Load is what Fanout publishes at a rate, to whom, and which of them are slow. The zero value is one
// message at a time to every socket.
type Load struct {
	Rate        float64 `json:"messages_per_second"` // published in all; 0: one at a time
	Publishers  int     `json:"publishers"`          // in all; 0: one for each topic
	Topics      int     `json:"topics"`              // 0: one
	Subscribers int     `json:"subscribers"`         // sockets in each topic; 0: the sockets are dealt out
	Policy      string  `json:"policy,omitempty"`    // of the sockets' queues (ws.Policy); "": the server's

	SlowShare float64 `json:"slow_share"` // of the sockets: how many grant hardly any stream window
	SlowConns int     `json:"slow_conns"` // connections that are hardly read
	SlowRate  int     `json:"slow_rate"`  // octets a second that each of them grants or is read; 0: none
}

// slow says whether anybody is.
func (l Load) slow() bool { return l.SlowShare > 0 || l.SlowConns > 0 }

// What a load can be. A publisher is a goroutine of the server, which runs as many again for the warm-up.
const (
	loadRateMin      = 0.1 // messages a second: the silence between them is no fault
	loadRateMax      = 1e6
	loadPublishesMax = 1 << 26 // messages in all
	membershipsMax   = 1 << 28 // sockets times their topics
)

// withDefaults replaces zeros.
func (l Load) withDefaults(sockets int) Load {
	def(&l.Topics, 1)
	def(&l.Publishers, l.Topics)
	def(&l.Subscribers, max(1, sockets/l.Topics))
	return l
}

// checkLoad is the part of Check about Load.
func (cfg Config) checkLoad() error {
	l := cfg.Load
	if l.Rate == 0 {
		return cfg.checkNoLoad()
	}
	if !(l.Rate >= loadRateMin && l.Rate <= loadRateMax) {
		return fmt.Errorf("rate must be 0, or %v to %v, not %v", loadRateMin, float64(loadRateMax), l.Rate)
	}
	if l.Topics < 0 || l.Topics > membershipsMax {
		return fmt.Errorf("topics must be 1 to %d, not %d", membershipsMax, l.Topics)
	}
	l = l.withDefaults(cfg.Sockets)
	memberships := l.Topics * l.Subscribers
	switch {
	case l.Publishers < 1 || l.Publishers > publishersMax/2:
		return fmt.Errorf("publishers must be 1 to %d, not %d", publishersMax/2, l.Publishers)
	case l.Subscribers < 1 || l.Subscribers > cfg.Sockets:
		return fmt.Errorf("subscribers must be 1 to %d, the sockets there are, not %d", cfg.Sockets, l.Subscribers)
	case memberships > membershipsMax || memberships*perTopic(l) > membershipsMax:
		return fmt.Errorf("topics is %d: with %d subscribers and %d publishers that is more than wsbench keeps track of",
			l.Topics, l.Subscribers, l.Publishers)
	case (memberships/cfg.Sockets+1)*len("/268435456") > pathBytesMax/2:
		return fmt.Errorf("topics is %d: a socket would be in about %d of them, and its path names all", l.Topics, memberships/cfg.Sockets)
	case cfg.Size < headSize:
		return fmt.Errorf("size must be at least %d at a rate, not %d: deliveries are known by what is in them", headSize, cfg.Size)
	case l.Rate*cfg.Duration.Seconds() > loadPublishesMax:
		return fmt.Errorf("rate is %v: %v of it are more than %d messages", l.Rate, cfg.Duration, loadPublishesMax)
	case l.Policy != "" && queues[l.Policy] == nil:
		return fmt.Errorf("policy must be one of %v, not %.40q", policies, l.Policy)
	}
	return cfg.checkSlow()
}

// checkNoLoad refuses what only means something at a rate.
func (cfg Config) checkNoLoad() error {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"publishers", cfg.Load.Publishers != 0},
		{"topics", cfg.Load.Topics != 0},
		{"subscribers", cfg.Load.Subscribers != 0},
		{"policy", cfg.Load.Policy != ""},
	} {
		if f.set {
			return fmt.Errorf("%s is for publishing at a rate: give that too", f.name)
		}
	}
	return cfg.checkSlow()
}

func (cfg Config) checkSlow() error {
	l := cfg.Load
	switch {
	case l.SlowShare > 0 && cfg.HTTP1:
		return fmt.Errorf("slow is for HTTP/2, where sockets have windows; over HTTP/1.1 there is slow-conns")
	case !(l.SlowShare >= 0 && l.SlowShare < 1):
		return fmt.Errorf("slow must be a share of the sockets, at least 0 and below 1, not %v", l.SlowShare)
	case l.SlowShare > 0 && cfg.Churn.Kills > 0:
		return fmt.Errorf("kills is %v: what makes a socket slow would be gone with its connection; with slow-conns instead of slow, others are killed", cfg.Churn.Kills)
	case l.SlowConns < 0 || l.SlowConns >= cfg.Conns:
		return fmt.Errorf("slow-conns must be 0 to %d, one less than the connections, not %d", cfg.Conns-1, l.SlowConns)
	case l.SlowRate < 0 || l.SlowRate > math.MaxInt32:
		return fmt.Errorf("slow-rate must be 0 to %d, not %d", math.MaxInt32, l.SlowRate)
	}
	return nil
}

// perTopic is the most publishers of one topic.
func perTopic(l Load) int { return (l.Publishers + l.Topics - 1) / l.Topics }
