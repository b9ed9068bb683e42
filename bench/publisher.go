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

	// Of the goroutine:
	sequence uint64                 // of the latest publish
	batch    [batchSockets]*ws.Conn // sockets being sent to
	marks    [leadBatches]*ws.Conn  // one socket of each of the latest batches
	turn     int                    // counts batches
}

const (
	jobsMax = 1024 // commands that wait

	// A socket holds at most 64 KiB or 256 messages. The publisher uses half of that, and leaves the
	// other half to echoes.
	queueOctets   = 32 << 10
	queueMessages = 128

	// The publisher is at most lead messages ahead of the loops, so that what waits for them is small,
	// however many sockets there are: a few MB, and still in the processor's caches.
	batchSockets = 64
	leadBatches  = 256
	lead         = batchSockets * leadBatches

	// markPatience is how long it waits for a mark: a socket that is slow itself says nothing about the loops.
	markPatience = time.Millisecond

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
		clear(p.marks[:])
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
	depth := p.depth()
	conns, at := p.sockets.walk(p.batch[:], 0)
	for len(conns) > 0 {
		p.pace(conns[0])
		for _, c := range conns {
			p.deliver(c, m, depth)
		}
		conns, at = p.sockets.walk(p.batch[:], at)
	}
	clear(p.batch[:])
}

// pace waits until the loops have done what was sent lead messages ago, that is, until the socket that was
// marked then has an empty queue. It marks c for later. With no more than lead sockets the marked one
// has been sent to since, and says nothing: then depth is the limit.
func (p *publisher) pace(c *ws.Conn) {
	mark := &p.marks[p.turn%leadBatches]
	if *mark != nil && p.sockets.open() > lead {
		await(*mark, markPatience, drained)
	}
	*mark = c
	p.turn++
}

// depth is how many messages a socket may have in its queue.
func (p *publisher) depth() int {
	return min(max(1, lead/max(1, p.sockets.open())), queueMessages)
}

func drained(c *ws.Conn) bool { return c.Buffered() == 0 }

// await asks ok about c until it says yes or patience is over, and returns its answer.
func await(c *ws.Conn, patience time.Duration, ok func(*ws.Conn) bool) bool {
	if ok(c) {
		return true
	}
	for until := time.Now().Add(patience); time.Now().Before(until); {
		time.Sleep(drainPoll)
		if ok(c) {
			return true
		}
	}
	return false
}

// deliver sends m to one socket as soon as it has room. A socket that has none for too long would miss
// a message: it is closed with 1008 instead.
func (p *publisher) deliver(c *ws.Conn, m *ws.Prepared, depth int) {
	if try(c, m, depth) {
		return
	}
	if !await(c, p.patience, func(c *ws.Conn) bool { return try(c, m, depth) }) {
		c.Close(ws.ClosePolicyViolation, "too slow for what is published")
	}
}

// try says whether nothing is left to do for the socket.
func try(c *ws.Conn, m *ws.Prepared, depth int) bool {
	size := len(m.Frame())
	if queued := c.Buffered(); queued > 0 && queued+size > min(queueOctets, depth*size) {
		return false
	}
	return !errors.Is(c.SendPrepared(m), engine.ErrMailboxFull)
}
