package bench

import (
	"sync"

	"h2ws/ws"
)

// publisher publishes to the topic that every socket has joined, one job and one message after another,
// from a goroutine of its own that lives as long as there are jobs.
type publisher struct {
	publish func(m *ws.Prepared, done func()) // engine.Topic.PublishThen

	mu      sync.Mutex
	jobs    []job
	running bool

	sequence uint64 // of the latest publish; of the goroutine
}

const (
	jobsMax = 1024 // commands that wait

	// publishesMax and publishOctetsMax are how much is published ahead of the slowest loop: a quarter of
	// what a topic's log holds, so that nothing falls off it while connections are read.
	publishesMax     = 1024
	publishOctetsMax = 1 << 20
)

// post queues a job. Any goroutine.
func (p *publisher) post(j job) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.jobs) >= jobsMax {
		return errBusy
	}
	p.jobs = append(p.jobs, j)
	if !p.running {
		p.running = true
		go p.run()
	}
	return nil
}

func (p *publisher) run() {
	for {
		j, ok := p.take()
		if !ok {
			return
		}
		p.publishAll(j)
	}
}

// take returns the next job; without one the goroutine is over.
func (p *publisher) take() (j job, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.jobs) == 0 {
		p.running = false
		return job{}, false
	}
	j = p.jobs[0]
	p.jobs = p.jobs[1:]
	return j, true
}

// publishAll does a job at the pace of the slowest loop. Every message it starts holds a ticket
// until it has left the log.
func (p *publisher) publishAll(j job) {
	tickets := make(chan struct{}, max(1, min(publishesMax, publishOctetsMax/max(j.size, 1))))
	payload := make([]byte, j.size)
	for range j.count {
		tickets <- struct{}{}
		p.sequence++
		p.publish(frameNow(0, p.sequence, 0, payload), func() { <-tickets })
	}
}
