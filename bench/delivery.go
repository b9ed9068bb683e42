package bench

import (
	"fmt"
	"math"
)

// Delivery is what became of what Fanout published at a rate. Sockets that keep up, the prompt ones,
// and those that are slow on purpose are told apart.
type Delivery struct {
	Published    int      // messages; of a partial result, those of which something arrived
	ToLast       *Latency // from a publish until the last prompt socket has it; nil: none was that far
	Fewest, Most int      // deliveries to one prompt socket in a topic with a publisher
	Prompt, Slow Outcome
	Memory       Memory // RSS is the most there was, Base that before
}

// Outcome is that of one group of sockets.
type Outcome struct {
	Sockets   int // in a topic with a publisher
	Delivered int // messages, each counted once for a socket
	Lost      int // owed to a socket, and not delivered; of a partial result, only what later ones have overtaken
	Repeated  int // delivered once more
	Reordered int // delivered behind later ones of the same publisher
	Closed    int // sockets given up by the server
}

// DeliveryError is a failure of the server towards sockets that kept up.
type DeliveryError struct {
	Lost, Repeated, Reordered int
}

func (e *DeliveryError) Error() string {
	return fmt.Sprintf("sockets that are not slow lost %s, were sent %s twice and %s out of order",
		Plural(e.Lost, "message"), Thousands(e.Repeated), Thousands(e.Reordered))
}

// verdict is a *DeliveryError or nil, when there is nothing more to come.
func (t *tally) verdict() error {
	d := &t.prompt
	if d.delivered == d.owed && d.repeated == 0 && d.reordered == 0 {
		return nil
	}
	return &DeliveryError{d.owed - d.delivered, d.repeated, d.reordered}
}

// outcome summarizes the deliveries to a group.
func (d *deliveries) outcome(partial bool) Outcome {
	o := Outcome{Delivered: d.delivered, Lost: d.owed - d.delivered, Repeated: d.repeated, Reordered: d.reordered}
	if partial {
		o.Lost = d.missing
	}
	return o
}

// summary is what was measured besides time and CPU.
func (f *ratedFanout) summary(partial bool) *Delivery {
	d, t := &Delivery{}, f.tally
	d.Published = t.plan.Publishers * t.plan.count
	if partial {
		d.Published = t.published()
	}
	d.ToLast = t.toLast.latency()
	d.Prompt, d.Slow = t.prompt.outcome(partial), t.slow.outcome(partial)
	d.Slow.Closed = f.givenUp
	d.Fewest = math.MaxInt
	for n := range f.cl.cfg.Sockets {
		c, i := f.cl.socket(n)
		s := &c.streams[i]
		switch {
		case !t.plan.listens(n):
		case s.slow:
			d.Slow.Sockets++
		default:
			d.Prompt.Sockets++
			d.Fewest, d.Most = min(d.Fewest, int(s.seen)), max(d.Most, int(s.seen))
		}
	}
	if d.Prompt.Sockets == 0 {
		d.Fewest = 0
	}
	return d
}

type deliveryJSON struct {
	Published int          `json:"published"`
	ToLast    *latencyJSON `json:"to_last_socket,omitempty"`
	Fewest    int          `json:"fewest_per_socket"`
	Most      int          `json:"most_per_socket"`
	Prompt    outcomeJSON  `json:"prompt"`
	Slow      *outcomeJSON `json:"slow,omitempty"`
	RSSBase   int64        `json:"rss_base_bytes,omitempty"`
	RSSMost   int64        `json:"rss_most_bytes,omitempty"`
}

type outcomeJSON struct {
	Sockets   int `json:"sockets"`
	Delivered int `json:"delivered"`
	Lost      int `json:"lost"`
	Repeated  int `json:"repeated"`
	Reordered int `json:"reordered"`
	Closed    int `json:"closed"`
}

func (d *deliveryJSON) delivery() *Delivery {
	out := &Delivery{
		Published: d.Published, ToLast: d.ToLast.latency(), Fewest: d.Fewest, Most: d.Most,
		Prompt: Outcome(d.Prompt), Memory: Memory{RSS: d.RSSMost, Base: d.RSSBase},
	}
	if d.Slow != nil {
		out.Slow = Outcome(*d.Slow)
	}
	return out
}

func (d *Delivery) json() *deliveryJSON {
	out := &deliveryJSON{
		Published: d.Published, ToLast: d.ToLast.json(), Fewest: d.Fewest, Most: d.Most,
		Prompt: outcomeJSON(d.Prompt), RSSBase: d.Memory.Base, RSSMost: d.Memory.RSS,
	}
	if d.Slow.Sockets > 0 {
		out.Slow = (*outcomeJSON)(&d.Slow)
	}
	return out
}
