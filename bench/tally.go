package bench

import "time"

// tally keeps the books on what was published by a plan: what each member of a topic got of each
// publisher of that topic, and when.
//
//	delivered + missing <= owed, for both groups; last[slot] <= plan.count
type tally struct {
	plan       *plan
	base       uint32 // publishers have the numbers base+1 ... base+Publishers
	publishers []tallyPublisher
	stride     int         // slots of a membership: one for each publisher of its topic
	last       []uint32    // of a slot: the highest sequence number that came
	gaps       map[int]gap // of a slot: what is missing below that, last first
	reached    []int32     // of a publish: sockets of the prompt ones that have it
	prompt     deliveries
	slow       deliveries
	early      int     // prompt deliveries that came before they were published, as the server's clock has it
	latency    samples // of prompt deliveries, from when their publish was due
	raw        samples // and from when it was
	toLast     samples // from when a publish was due until the last prompt socket has it
}

type tallyPublisher struct {
	topic   int
	slot    int   // of the topic's first membership
	publish int   // its first, in tally.reached
	prompt  int32 // sockets of its topic that are not slow
}

// deliveries are those to one group of sockets.
type deliveries struct {
	owed      int // by what will have been published in the end
	delivered int // each once
	missing   int // overtaken by later ones, and not here
	repeated  int // once more
	reordered int // of those delivered: after later ones
}

// gap is a range of sequence numbers that did not come in order. Those before it are in next.
type gap struct {
	from, to uint32
	next     *gap
}

// newTally expects all that p publishes. slow says of a socket which group it is in.
func newTally(p *plan, base uint32, slow func(n int) bool) *tally {
	t := &tally{plan: p, base: base, stride: perTopic(p.Load), gaps: map[int]gap{}}
	prompt := make([]int32, p.Topics)
	for m := range p.memberships() {
		if !slow(m % p.sockets) {
			prompt[m/p.Subscribers]++
		}
	}
	t.last = make([]uint32, p.memberships()*t.stride)
	t.reached = make([]int32, p.Publishers*p.count)
	for i := range p.Publishers {
		topic := i % p.Topics
		t.publishers = append(t.publishers, tallyPublisher{
			topic:   topic,
			slot:    topic*p.Subscribers*t.stride + i/p.Topics,
			publish: i * p.count,
			prompt:  prompt[topic],
		})
		t.prompt.owed += int(prompt[topic]) * p.count
		t.slow.owed += (p.Subscribers - int(prompt[topic])) * p.count
	}
	return t
}

// complete says whether every prompt socket has all there is for it.
func (t *tally) complete() bool { return t.prompt.delivered == t.prompt.owed }

// published is how many messages are known to have been published.
func (t *tally) published() (n int) {
	for _, p := range t.publishers {
		highest := uint32(0)
		for k := range t.plan.Subscribers {
			highest = max(highest, t.last[p.slot+k*t.stride])
		}
		n += int(highest)
	}
	return n
}

// deliver notes a message that arrived on socket n at now, in nanoseconds since 1970. An error is a
// fault of the server.
func (t *tally) deliver(n int, slow bool, h head, now int64) error {
	i := h.publisher - t.base - 1
	if i >= uint32(len(t.publishers)) {
		return faultf("socket %d: delivery from publisher %d, who does not publish", n, h.publisher)
	}
	p := &t.publishers[i]
	k, ok := t.plan.subscriber(p.topic, n)
	if !ok {
		return faultf("socket %d: delivery from topic %d, where it is no member", n, p.topic)
	}
	if h.sequence-1 >= uint64(t.plan.count) {
		return faultf("socket %d: delivery has sequence number %d, the last one is %d", n, h.sequence, t.plan.count)
	}
	d := &t.prompt
	if slow {
		d = &t.slow
	}
	if !t.note(d, p.slot+k*t.stride, uint32(h.sequence)) || slow {
		return nil
	}
	age := time.Duration(now - h.at)
	if age < 0 {
		t.early++
		age = 0
	}
	t.raw.add(age)
	age += h.lateness()
	t.latency.add(age)
	reached := &t.reached[p.publish+int(h.sequence)-1]
	if *reached++; *reached == p.prompt {
		t.toLast.add(age)
	}
	return nil
}

// note says whether a sequence number is new to its slot.
func (t *tally) note(d *deliveries, slot int, sequence uint32) bool {
	last := t.last[slot]
	switch {
	case sequence == last+1:
		t.last[slot] = sequence
	case sequence > last:
		t.miss(slot, last+1, sequence-1)
		d.missing += int(sequence - 1 - last)
		t.last[slot] = sequence
	case t.find(slot, sequence):
		d.missing--
		d.reordered++
	default:
		d.repeated++
		return false
	}
	d.delivered++
	return true
}

// miss notes that from..to have not come.
func (t *tally) miss(slot int, from, to uint32) {
	g := gap{from: from, to: to}
	if before, ok := t.gaps[slot]; ok {
		g.next = &before
	}
	t.gaps[slot] = g
}

// find takes a sequence number out of the gaps of a slot, if it is in one.
func (t *tally) find(slot int, sequence uint32) bool {
	first, ok := t.gaps[slot]
	for g := &first; ok && g != nil; g = g.next {
		if sequence < g.from || sequence > g.to {
			continue
		}
		// What is left of it are two ranges, either of which may be empty, and then matches nothing.
		g.next = &gap{from: g.from, to: sequence - 1, next: g.next}
		g.from = sequence + 1
		t.gaps[slot] = first
		return true
	}
	return false
}
