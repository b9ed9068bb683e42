package bench

import (
	"context"
	"time"

	"h2ws/ws"
)

// rated is what one "!P" asks for: messages to a topic at a rate, whoever keeps up with it.
type rated struct {
	topic     string
	publisher uint32
	count     int
	size      int     // of a message, octets
	rate      float64 // messages a second, above 0
}

// publishersMax bounds the publishers that run at a time: each has a goroutine.
const publishersMax = 1 << 16

// run publishes until all is published or ctx is done. What is late is made up for at once.
func (r *rated) run(ctx context.Context, publish func(*ws.Prepared)) {
	begun := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	payload := make([]byte, r.size)
	for n := range r.count {
		timer.Reset(max(0, r.due(n)-time.Since(begun)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		publish(frameNow(r.publisher, uint64(n+1), time.Since(begun)-r.due(n), payload))
	}
}

// due is when message n, from 0, is to be published, after the beginning. Where in the first interval
// that is differs between publishers, so that many of them are spread over it.
func (r *rated) due(n int) time.Duration {
	const golden = 0x9e3779b9 // 2^32 divided by the golden ratio: multiples spread evenly
	phase := float64(r.publisher*golden) / (1 << 32)
	const latest = 1 << 62 // 146 years
	return time.Duration(min(latest, (float64(n)+phase)*float64(time.Second)/r.rate))
}

// asker is a socket that had publishers started. They end with it.
type asker struct {
	set    *topicSet // nil: its path names none
	ctx    context.Context
	cancel context.CancelFunc
}

// askerOf makes c an asker. In callbacks only.
func askerOf(c *ws.Conn) *asker {
	if a, ok := c.Data().(*asker); ok {
		return a
	}
	a := &asker{}
	a.set, _ = c.Data().(*topicSet)
	a.ctx, a.cancel = context.WithCancel(context.Background())
	c.SetData(a)
	return a
}

// start begins to publish what c asked for, from a goroutine of its own.
func (h *referenceHandler) start(c *ws.Conn, r rated) error {
	topic := h.topics.hold(r.topic)
	if topic == nil {
		return errNoTopic
	}
	if h.publishers.Add(1) > publishersMax {
		h.publishers.Add(-1)
		h.topics.release(topic)
		return errBusy
	}
	a := askerOf(c)
	go func() {
		defer h.publishers.Add(-1)
		defer h.topics.release(topic)
		r.run(a.ctx, topic.Publish)
	}()
	return nil
}
