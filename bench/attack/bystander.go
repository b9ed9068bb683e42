package attack

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// bystander is a connection with one WebSocket that echoes every 10 ms, whatever others do to the server.
type bystander struct {
	foe  *foe
	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex
	echoed  *sync.Cond // an echo came, or none comes any more
	count   int
	samples []time.Duration
	lost    error
}

const (
	bystanderEvery = 10 * time.Millisecond
	// bystanderPatience is how long an echo may take before the bystander gives up.
	bystanderPatience = 10 * time.Second
)

var errBystander = errors.New("the bystander lost its connection")

func newBystander(ctx context.Context, target *raw.Target) (*bystander, error) {
	f, err := dial(ctx, target, manner{})
	if err != nil {
		return nil, err
	}
	if _, ok := f.open(1); !ok {
		f.close()
		return nil, errors.New("no WebSocket for the bystander")
	}
	ctx, stop := context.WithCancel(ctx)
	b := &bystander{foe: f, stop: stop, done: make(chan struct{})}
	b.echoed = sync.NewCond(&b.mu)
	go b.run(ctx)
	return b, nil
}

// run echoes at fixed times. A wait counts from when the message was sent or, if the echo before came late, from when it
// should have been: that this program was late to wake up is not the server's doing.
func (b *bystander) run(ctx context.Context) {
	defer close(b.done)
	defer b.foe.close()
	defer b.lose()
	message := frame.AppendData(nil, 1, 0, ws.AppendMasked(nil, ws.OpText, 0x01020304, []byte("bystander")))
	due := time.Now()
	for n := 1; ctx.Err() == nil; n++ {
		due = due.Add(bystanderEvery)
		start := due
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
			start = time.Now()
		}
		if _, ok := b.foe.send(message); !ok || !b.foe.await(func(t *tally) bool { return t.data >= n }, bystanderPatience) {
			return
		}
		took := time.Since(start)
		b.mu.Lock()
		b.count++
		b.samples = append(b.samples, took)
		b.echoed.Broadcast()
		b.mu.Unlock()
	}
}

func (b *bystander) lose() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost = errBystander
	b.echoed.Broadcast()
}

// look waits for an echo of what is yet to be sent, so that everything done until now has been seen.
func (b *bystander) look() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for enough := b.count + 2; b.count < enough && b.lost == nil; {
		b.echoed.Wait()
	}
}

// Waits are how long a bystander waited for its echoes.
type Waits struct {
	Count    int
	P99, Max time.Duration
}

// take returns the waits since the last call.
func (b *bystander) take() (Waits, error) {
	b.mu.Lock()
	samples, err := b.samples, b.lost
	b.samples = nil
	b.mu.Unlock()
	if len(samples) == 0 {
		return Waits{}, err
	}
	slices.Sort(samples)
	rank := (len(samples)*99 + 99) / 100
	return Waits{Count: len(samples), P99: samples[rank-1], Max: samples[len(samples)-1]}, err
}

// quiet returns the shortest waits of four times in a row, which is when nothing else went on.
func (b *bystander) quiet(ctx context.Context, all time.Duration) (least Waits, err error) {
	const times = 4
	for i := range times {
		if err := sleep(ctx, all/times); err != nil {
			return Waits{}, err
		}
		b.look()
		waits, err := b.take()
		if err != nil {
			return Waits{}, err
		}
		if i == 0 || waits.P99 < least.P99 {
			least = waits
		}
	}
	return least, nil
}

// close waits until nothing is sent any more.
func (b *bystander) close() {
	b.stop()
	b.foe.close()
	<-b.done
}
