package attack

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
	"h2ws/ws"
)

const (
	// bystanderEvery is often enough to have a hundred echoes, or there is no p99, during the shortest attack.
	bystanderEvery = time.Millisecond
	// bystanderPatience is how long an echo may take before the bystander gives up.
	bystanderPatience = 10 * time.Second
)

// Waits are how long a bystander waited for its echoes.
type Waits struct {
	Count    int
	P99, Max time.Duration
	Lost     bool   // it lost its connection, or got none
	Why      string // in words
}

// Stand is what a bystander does, best in a process that has nothing else to do: on one connection with one WebSocket it
// echoes every millisecond, whatever others do to the server. For each line of in it writes to out, as JSON, its Waits
// since the line before, as soon as all that was done before the question has been seen. It returns at the end of in.
//
// When it has told that its connection is lost it makes another.
func Stand(ctx context.Context, target *raw.Target, in io.Reader, out io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	var standing sync.WaitGroup
	defer standing.Wait()
	defer stop()
	questions, answers := bufio.NewScanner(in), json.NewEncoder(out)
	var s *stander
	for questions.Scan() {
		if s == nil {
			s = new(stander)
			s.echoed = sync.NewCond(&s.mu)
			standing.Go(func() { s.stand(ctx, target) })
		}
		waits := s.take()
		if waits.Lost {
			s = nil
		}
		if err := answers.Encode(waits); err != nil {
			return err
		}
	}
	return questions.Err()
}

// stander is a bystander's connection.
type stander struct {
	mu      sync.Mutex
	echoed  *sync.Cond // an echo came, or none comes any more
	count   int
	samples []time.Duration
	lost    bool
	why     string
}

// stand sends at intervals. A wait counts from when the message was sent or, if the echo before came late, from when it
// should have been: that this program was late to wake up is not the server's doing.
func (s *stander) stand(ctx context.Context, target *raw.Target) {
	why := ""
	defer func() { s.lose(why) }()
	f, err := dial(ctx, target, manner{})
	if err != nil {
		why = err.Error()
		return
	}
	defer f.close()
	defer context.AfterFunc(ctx, f.close)()
	if _, ok := f.open(1); !ok {
		why = "it was refused"
		return
	}
	why = "it is not echoed any more"
	message := frame.AppendData(nil, 1, 0, ws.AppendMasked(nil, ws.OpText, 0x01020304, []byte("bystander")))
	due := time.Now()
	for n := 1; ctx.Err() == nil; n++ {
		due = due.Add(bystanderEvery)
		start := due
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
			start = time.Now()
			due = start
		}
		if _, ok := f.send(message); !ok || !f.await(func(t *tally) bool { return t.data >= n }, bystanderPatience) {
			return
		}
		s.heard(time.Since(start))
	}
}

func (s *stander) heard(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	s.samples = append(s.samples, took)
	s.echoed.Broadcast()
}

func (s *stander) lose(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost, s.why = true, why
	s.echoed.Broadcast()
}

// take waits for an echo of what is yet to be sent, and returns the waits since the last call.
func (s *stander) take() Waits {
	s.mu.Lock()
	defer s.mu.Unlock()
	for enough := s.count + 2; s.count < enough && !s.lost; {
		s.echoed.Wait()
	}
	w := Waits{Count: len(s.samples), Lost: s.lost, Why: s.why}
	if slices.Sort(s.samples); w.Count > 0 {
		w.P99, w.Max = s.samples[(w.Count*99+99)/100-1], s.samples[w.Count-1]
	}
	s.samples = nil
	return w
}

// Bystander is one that stands somewhere: who writes a line to it can read its Waits, as Stand says. It stands until it
// is closed.
type Bystander struct {
	rw      io.ReadWriteCloser
	answers *json.Decoder
}

// NewBystander speaks to what Stand reads and writes.
func NewBystander(rw io.ReadWriteCloser) *Bystander { return &Bystander{rw, json.NewDecoder(rw)} }

// StandHere has a bystander in this process: it waits for the attackers, too.
func StandHere(ctx context.Context, target *raw.Target) *Bystander {
	in, questions := io.Pipe()
	answers, out := io.Pipe()
	h := &here{answers, questions, make(chan struct{})}
	go func() {
		defer close(h.done)
		err := Stand(ctx, target, in, out)
		in.CloseWithError(err)
		out.CloseWithError(err)
	}()
	return NewBystander(h)
}

// here are the ends of the pipes to a bystander in this process.
type here struct {
	*io.PipeReader
	*io.PipeWriter
	done chan struct{}
}

// Close waits until nothing is sent any more.
func (h *here) Close() error {
	h.PipeWriter.Close()
	h.PipeReader.Close()
	<-h.done
	return nil
}

// Close ends it.
func (b *Bystander) Close() error { return b.rw.Close() }

// take asks how long it has waited since the last time.
func (b *Bystander) take() (w Waits) {
	if b == nil {
		return w
	}
	if _, err := io.WriteString(b.rw, "\n"); err != nil {
		return Waits{Lost: true, Why: err.Error()}
	}
	if err := b.answers.Decode(&w); err != nil {
		return Waits{Lost: true, Why: err.Error()}
	}
	return w
}

var errBystander = errors.New("no WebSocket for the bystander")

// quiet returns the shortest waits of four times in a row, which is when nothing else went on.
func (b *Bystander) quiet(ctx context.Context, all time.Duration) (least Waits, err error) {
	const times = 4
	if waits := b.take(); waits.Lost {
		return Waits{}, fmt.Errorf("%w: %s", errBystander, waits.Why)
	}
	for i := range times {
		if err := sleep(ctx, all/times); err != nil {
			return Waits{}, err
		}
		waits := b.take()
		if waits.Lost {
			return Waits{}, fmt.Errorf("%w: %s", errBystander, waits.Why)
		}
		if i == 0 || waits.P99 < least.P99 {
			least = waits
		}
	}
	return least, nil
}

// present takes until it has a connection, or has just failed to get one.
func (b *Bystander) present() {
	if b.take().Lost {
		b.take()
	}
}

// comeBack waits until it has a connection again, but no longer than patience.
func (b *Bystander) comeBack(ctx context.Context, patience time.Duration) error {
	for end := time.Now().Add(patience); b.take().Lost; {
		if time.Now().After(end) {
			return errBystander
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
