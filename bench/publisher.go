package bench

import (
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"h2ws/engine"
	"h2ws/ws"
)

// publisher sends published messages to every socket of a registry, one job and one message after
// another, from a goroutine of its own that lives as long as there are jobs.
type publisher struct {
	sockets  *registry
	patience time.Duration // how long a socket may be full before it is given up

	mu      sync.Mutex
	jobs    []job
	running bool

	sequence uint64       // of the latest publish; of the goroutine
	batch    [64]*ws.Conn // sockets being sent to; of the goroutine
}

const (
	jobsMax = 1024 // commands that wait

	// A socket holds at most 64 KiB or 256 messages. The publisher uses half of that, and leaves the
	// other half to echoes.
	queueOctets   = 32 << 10
	queueMessages = 128

	// drainTimeout is a publisher's patience, and drainPoll how often it looks at a full socket.
	drainTimeout = 10 * time.Second
	drainPoll    = 200 * time.Microsecond
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
		payload := make([]byte, j.size)
		for range j.count {
			p.publish(payload)
		}
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

// publish frames one message, once, and sends it to all sockets.
func (p *publisher) publish(payload []byte) {
	p.sequence++
	var head [16]byte
	binary.BigEndian.PutUint64(head[:], p.sequence)
	binary.BigEndian.PutUint64(head[8:], uint64(time.Now().UnixNano()))
	copy(payload, head[:])
	m, err := ws.Prepare(ws.Binary, payload)
	if err != nil {
		panic("BUG: bench: " + err.Error())
	}
	for conns, at := p.sockets.walk(p.batch[:], 0); len(conns) > 0; conns, at = p.sockets.walk(p.batch[:], at) {
		for _, c := range conns {
			p.deliver(c, m)
		}
	}
	clear(p.batch[:])
}

// deliver sends m to one socket as soon as it has room. A socket that has none for too long would miss
// a message: it is closed with 1008 instead.
func (p *publisher) deliver(c *ws.Conn, m *ws.Prepared) {
	if try(c, m) {
		return
	}
	for until := time.Now().Add(p.patience); time.Now().Before(until); {
		time.Sleep(drainPoll)
		if try(c, m) {
			return
		}
	}
	c.Close(ws.ClosePolicyViolation, "too slow for what is published")
}

// try says whether nothing is left to do for the socket.
func try(c *ws.Conn, m *ws.Prepared) bool {
	size := len(m.Frame())
	if queued := c.Buffered(); queued > 0 && queued+size > min(queueOctets, queueMessages*size) {
		return false
	}
	return !errors.Is(c.SendPrepared(m), engine.ErrMailboxFull)
}
