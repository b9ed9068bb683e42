package bench

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// plan says which socket is in which topics, who publishes what, and who is slow. Topics, publishers and
// sockets have numbers from 0.
//
// A topic's sockets follow each other, and where they end the next topic's begin, around and around:
// membership m is of topic m / Subscribers and socket m % sockets. As many sockets
// are in several topics as that takes. Publisher p publishes to topic p % Topics.
type plan struct {
	Load    // without zeros for defaults
	sockets int
	conns   int
	count   int     // messages of each publisher
	each    float64 // messages a second of each publisher
}

func newPlan(cfg Config) *plan {
	l := cfg.Load.withDefaults(cfg.Sockets)
	each := l.Rate / float64(l.Publishers)
	return &plan{
		Load: l, sockets: cfg.Sockets, conns: cfg.Conns,
		each: each, count: max(1, int(math.Round(each*cfg.Duration.Seconds()))),
	}
}

func (p *plan) memberships() int { return p.Topics * p.Subscribers }

// length is how long publishing takes.
func (p *plan) length() time.Duration {
	return time.Duration(float64(p.count) / p.each * float64(time.Second))
}

// path returns what socket n opens.
func (p *plan) path(n int) string {
	b := []byte("/t")
	for m := n; m < p.memberships(); m += p.sockets {
		b = strconv.AppendInt(append(b, '/'), int64(m/p.Subscribers), 10)
	}
	if n >= p.memberships() {
		b = []byte("/") // in no topic
	}
	if p.Policy != "" {
		b = append(b, "?policy="+p.Policy...)
	}
	return string(b)
}

// listens says whether socket n is in any topic that somebody publishes to: the first it is in, if any.
func (p *plan) listens(n int) bool { return n < p.memberships() && n/p.Subscribers < p.Publishers }

// subscriber returns which of the topic's subscribers, from 0, socket n is. ok is false if it is none.
func (p *plan) subscriber(topic, n int) (k int, ok bool) {
	if k = n - topic*p.Subscribers%p.sockets; k < 0 {
		k += p.sockets
	}
	return k, k < p.Subscribers
}

// slowSockets draws the sockets that are slow, in ascending order. Not among them are the first, by which
// the server is controlled, and those on connections that are slow as a whole, the last ones.
func (p *plan) slowSockets() (slow []int) {
	var able []int
	for n := 1; n < p.sockets; n++ {
		if !p.slowConn(n % p.conns) {
			able = append(able, n)
		}
	}
	need := min(len(able), int(math.Round(p.SlowShare*float64(p.sockets))))
	random := rand.New(rand.NewPCG(1, 2))
	for i, n := range able {
		if random.IntN(len(able)-i) < need-len(slow) {
			slow = append(slow, n)
		}
	}
	return slow
}

// slowConn says whether a connection, by its number, is slow as a whole.
func (p *plan) slowConn(number int) bool { return number >= p.conns-p.SlowConns }

// command asks the server for what publisher p is to do. Its number there is base+1+p.
func (p *plan) command(publisher int, base uint32, size int) rated {
	return rated{
		topic:     strconv.Itoa(publisher % p.Topics),
		publisher: base + 1 + uint32(publisher),
		count:     p.count,
		size:      size,
		rate:      p.each,
	}
}
