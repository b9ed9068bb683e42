package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// atRate is small: 20 sockets and some messages, as many as cfg.Load.Rate, within a moment.
func atRate(addr string, l Load) Config {
	cfg := testConfig(addr)
	cfg.Sockets, cfg.Conns, cfg.Size = 20, 4, 50
	cfg.Duration = 50 * time.Millisecond
	cfg.Load = l
	return cfg
}

// openAll returns a Client whose sockets are open.
func openAll(t *testing.T, cfg Config) *Client {
	t.Helper()
	cl, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	if _, err := cl.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return cl
}

func TestFanoutAtRate(t *testing.T) {
	self, err := OpenProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		load      Load
		published int
		sockets   int // prompt ones in a topic
	}{
		"one topic":             {Load{Rate: 200}, 10, 20},
		"publishers":            {Load{Rate: 1000, Publishers: 10}, 50, 20},
		"a thousand publishers": {Load{Rate: 20_000, Publishers: 1000}, 1000, 20},
		"topics":                {Load{Rate: 1000, Topics: 5}, 50, 20},
		"sockets in several":    {Load{Rate: 1000, Topics: 5, Subscribers: 12, Publishers: 10}, 50, 20},
		"sockets in none":       {Load{Rate: 1000, Topics: 5, Subscribers: 3}, 50, 15},
		"topics without any":    {Load{Rate: 1000, Topics: 50, Subscribers: 2, Publishers: 10}, 50, 20},
		"stalled sockets":       {Load{Rate: 1000, SlowShare: 0.3}, 50, 14},
		"slow sockets":          {Load{Rate: 1000, SlowShare: 0.3, SlowRate: 1000, Policy: "DropOldest"}, 50, 14},
		"stopped connections":   {Load{Rate: 1000, SlowConns: 2, Policy: "DropNewest"}, 50, 10},
		"slow connections":      {Load{Rate: 1000, SlowConns: 2, SlowRate: 1e6}, 50, 10},
		"slow ones of all kind": {Load{Rate: 1000, SlowConns: 3, SlowShare: 0.1, SlowRate: 100}, 50, 3},
	} {
		t.Run(name, func(t *testing.T) {
			addr, r := startReference(t, 0)
			cfg := atRate(addr, c.load)
			cfg.Server = self
			cl := openAll(t, cfg)
			l := cl.plan.Load
			r.handler.topics.mu.Lock()
			if got := len(r.handler.topics.topics); got != l.Topics {
				t.Errorf("%d topics, want %d", got, l.Topics)
			}
			r.handler.topics.mu.Unlock()
			result, err := cl.Fanout(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			d := result.Delivery
			if d.Published != c.published || d.Prompt.Sockets != c.sockets {
				t.Errorf("published %d to %d prompt sockets, want %d to %d", d.Published, d.Prompt.Sockets, c.published, c.sockets)
			}
			owed := d.Published * l.Subscribers
			if l.Publishers < l.Topics || l.Publishers%l.Topics == 0 {
				if got := d.Prompt.Delivered + d.Slow.Delivered + d.Slow.Lost; got != owed {
					t.Errorf("%d deliveries and %d lost, want %d in all", d.Prompt.Delivered+d.Slow.Delivered, d.Slow.Lost, owed)
				}
			}
			if result.Count != d.Prompt.Delivered+d.Slow.Delivered || result.Latency == nil || d.ToLast == nil || d.Memory.RSS < d.Memory.Base {
				t.Errorf("got %+v with %+v", result, d)
			}
			if want := (Outcome{Sockets: c.sockets, Delivered: d.Prompt.Delivered}); d.Prompt != want {
				t.Errorf("prompt: %+v, want %+v", d.Prompt, want)
			}
			if l.SlowShare > 0 && l.SlowConns == 0 && l.SlowRate == 0 && d.Slow.Delivered != 0 {
				t.Errorf("%d deliveries to sockets without a window", d.Slow.Delivered)
			}
		})
	}
}

// asked is a server that has a megabyte more whenever it is asked.
type asked struct{ times atomic.Int64 }

func (a *asked) Usage() (Usage, error) { return Usage{RSS: a.times.Add(1) << 20}, nil }

// The loop has no time to ask the server: its memory is what the series says.
func TestMemoryOfAFanoutIsThatOfItsSeries(t *testing.T) {
	addr, _ := startReference(t, 0)
	cfg := atRate(addr, Load{Rate: 200, SlowShare: 0.1, SlowRate: 100})
	a := new(asked)
	cfg.Server, cfg.Interval, cfg.Memory = a, time.Hour, false
	cl := openAll(t, cfg)
	f := newRatedFanout(cl, cl.plan, 0)
	f.slow = &slowReaders{cl: cl}
	a.times.Store(0)
	r, err := f.measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Before, as it begins (the scenario and its series), and as it ends (both again).
	if n := a.times.Load(); n != 5 {
		t.Errorf("the server was asked %d times", n)
	}
	if want := (Memory{Base: 1 << 20, RSS: r.Series[0].Server.RSS}); r.Delivery.Memory != want || want.RSS < 4<<20 {
		t.Errorf("memory is %+v, want %+v", r.Delivery.Memory, want)
	}
}

func TestInvalidFanouts(t *testing.T) {
	for name, test := range map[string]struct {
		addr   string
		early  int
		loader Loader
		want   string
	}{
		"on this machine":    {"127.0.0.1:80", 0, Loader{Busy: 0.5}, ""},
		"bound":              {"127.0.0.1:80", 0, Loader{Busy: 1, Bound: true}, "no time to wait"},
		"a clock ahead":      {"127.0.0.1:80", 1000, Loader{}, "1,000 deliveries came before"},
		"on another machine": {"192.0.2.1:80", 0, Loader{}, "on another machine"},
	} {
		cl := &Client{}
		cl.cfg.Addr = test.addr
		f := &ratedFanout{cl: cl, tally: &tally{early: test.early}}
		if f.judge(&test.loader); !strings.Contains(test.loader.Invalid, test.want) || (test.want == "") != (test.loader.Invalid == "") {
			t.Errorf("%s: invalid is %q, want %q", name, test.loader.Invalid, test.want)
		}
	}
}

func TestDrainedSocketsHaveNoWindow(t *testing.T) {
	for _, window := range []int{130, 1000, 65535, 200_000} {
		addr, _ := startReference(t, 0)
		cfg := atRate(addr, Load{Rate: 100, SlowShare: 0.5})
		cfg.Window = window
		cl := openAll(t, cfg)
		r, err := cl.slowDown(t.Context(), cl.plan)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.sockets) != 10 {
			t.Errorf("%d sockets are slow", len(r.sockets))
		}
		for _, n := range r.sockets {
			c, i := cl.socket(n)
			if left := c.streams[i].recv; left != 0 {
				t.Errorf("window %d: %d left on socket %d", window, left, n)
			}
		}
	}
}

// unfair is a server that publishes to two sockets what a test tells it: lines for each "!P".
func unfair(t *testing.T, lines ...string) (Result, error) {
	t.Helper()
	s := fakeServer{settings: offer, onText: func(n int, _ uint32, p []byte) []string {
		if string(p) == collect {
			return nil
		}
		return lines
	}}
	cfg := atRate(s.start(t), Load{Rate: 60})
	cfg.Sockets, cfg.Conns = 2, 1
	cl := openAll(t, cfg)
	f := newRatedFanout(cl, cl.plan, 0)
	f.slow, f.quiet = &slowReaders{cl: cl}, 0 // what is missing when the time is over is lost
	return f.measure(t.Context())
}

// published is message n of publisher 1 on a stream.
func published(stream, n int) string { return publishedAt(stream, n, time.Now()) }

func publishedAt(stream, n int, at time.Time) string {
	p := make([]byte, 50)
	head{uint64(n), at.UnixNano(), 1, 0}.put(p)
	return fmt.Sprintf("DATA %d 0x%x", stream, unmaskedFrame(opBinary, p))
}

func TestUnfairServers(t *testing.T) {
	for name, c := range map[string]struct {
		lines []string
		want  *DeliveryError
	}{
		"fair":      {[]string{published(1, 1), published(1, 2), published(3, 1), published(1, 3), published(3, 2), published(3, 3)}, nil},
		"repeated":  {[]string{published(1, 1), published(1, 1), published(1, 2), published(1, 3), published(3, 1), published(3, 2), published(3, 3)}, &DeliveryError{Repeated: 1}},
		"reordered": {[]string{published(1, 1), published(1, 2), published(1, 3), published(3, 3), published(3, 1), published(3, 2)}, &DeliveryError{Reordered: 2}},
		"lost":      {[]string{published(1, 1), published(1, 3), published(3, 1)}, &DeliveryError{Lost: 3}},
	} {
		r, err := unfair(t, c.lines...)
		var got *DeliveryError
		if errors.As(err, &got); (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if want := 6; c.want != nil { // of 3 messages to 2 sockets
			if want -= c.want.Lost; r.Count != want {
				t.Errorf("%s: %d deliveries, want %d: what came twice counts once", name, r.Count, want)
			}
		}
		if d := r.Delivery; d == nil || c.want != nil && (d.Prompt.Lost != c.want.Lost || d.Prompt.Repeated != c.want.Repeated || d.Prompt.Reordered != c.want.Reordered) {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

// A server whose clock is ahead would have delivered in no time.
func TestClockOfAFanout(t *testing.T) {
	for _, ahead := range []time.Duration{0, time.Hour} {
		var lines []string
		for n := 1; n <= 3; n++ {
			at := time.Now().Add(ahead)
			lines = append(lines, publishedAt(1, n, at), publishedAt(3, n, at))
		}
		r, err := unfair(t, lines...)
		if err != nil || strings.HasPrefix(r.Loader.Invalid, "6 deliveries came before") != (ahead > 0) {
			t.Errorf("%v ahead: invalid is %q, %v", ahead, r.Loader.Invalid, err)
		}
	}
}

func TestServersThatPublishWhatTheyShouldNot(t *testing.T) {
	for want, line := range map[string]string{
		"command to publish was answered: \"!E no\"": fmt.Sprintf("DATA 1 0x%x", unmaskedFrame(opText, []byte("!E no"))),
		"delivery of 5 octets":                       fmt.Sprintf("DATA 3 0x%x", unmaskedFrame(opBinary, make([]byte, 5))),
		"sequence number 4":                          published(3, 4),
	} {
		_, err := unfair(t, line)
		wantFault(t, err, want)
	}
	_, err := unfair(t, "DATA 3 END_STREAM 0x880203e8")
	var closed *ClosedError
	if !errors.As(err, &closed) || closed.Code != 1000 {
		t.Errorf("a socket that is not slow was closed: got %v", err)
	}
}

// endings counts the sockets that ended.
type endings struct {
	unexpected
	slow map[string]int
}

func (e *endings) closed(c *conn, i int, err error) error {
	e.slow[fmt.Sprint(c.number, err)]++
	return nil
}

func TestPausedConnectionMayEnd(t *testing.T) {
	s := fakeServer{settings: offer, hangUp: true, onMessage: func(int, uint32, byte, []byte) []string { return []string{} }}
	cl := openAll(t, atRate(s.start(t), Load{Rate: 100}))
	c := cl.conns[2]
	if err := cl.pause(c); err != nil {
		t.Fatal(err)
	}
	c.send(0, opBinary, []byte("hang up"), false)
	c.send(1, opBinary, make([]byte, 60_000), false) // not read: the connection is reset
	e := &endings{slow: map[string]int{}}
	if err := cl.run(t.Context(), e, func() bool { return len(e.slow) > 0 }); err != nil {
		t.Fatal(err)
	}
	if e.slow[fmt.Sprint(2, io.EOF)] != 5 || len(e.slow) != 1 {
		t.Errorf("ended: %v, want the 5 sockets of connection 2", e.slow)
	}
	if c.active != 0 {
		t.Errorf("%d are still active", c.active)
	}
	c.send(0, opPong, nil, false)
	if err := cl.flush(); err != nil {
		t.Errorf("output to a connection that is lost: %v", err)
	}
	if err := cl.readSome(c, 100); err != nil {
		t.Errorf("reading it: %v", err)
	}
}

func TestPausedConnectionIsReadAsMuchAsAsked(t *testing.T) {
	addr, _ := startReference(t, 0)
	cl := openAll(t, atRate(addr, Load{Rate: 100}))
	c := cl.conns[1]
	if err := cl.pause(c); err != nil {
		t.Fatal(err)
	}
	var a answers
	c.send(0, opBinary, make([]byte, 50), false) // its echo is a frame of 9+2+50 octets
	for steps := 1; len(a.got) == 0; steps++ {
		err := cl.run(t.Context(), &a, func() bool { return true })
		if err == nil {
			err = cl.readSome(c, 1)
		}
		if err != nil {
			t.Fatal(err)
		}
		if k := len(cl.links[1].rest); k > steps || len(a.got) > 0 && steps < 61 {
			t.Fatalf("%d octets and %d echoes were read in %d steps of 1 octet", k, len(a.got), steps)
		}
	}
}

func TestPublishersEndWithTheirSocket(t *testing.T) {
	addr, r := startReference(t, 0)
	cl := openAll(t, atRate(addr, Load{Rate: 100}))
	c, i := cl.socket(1)
	c.send(i, opText, []byte("!P 0 1 1000000 20 0.001"), false)
	c.send(i, opText, []byte("!P 0 2 1000000 20 0.001"), false)
	// An echo behind them tells that they have begun.
	var a answers
	c.send(i, opText, []byte("x"), false)
	if err := cl.run(t.Context(), &a, func() bool { return len(a.got) > 0 }); err != nil {
		t.Fatal(err)
	}
	if n := r.handler.publishers.Load(); n != 2 {
		t.Errorf("%d publishers, want 2", n)
	}
	c.close(i, 1000)
	e := &endings{slow: map[string]int{}}
	err := cl.run(t.Context(), e, func() bool { return len(e.slow) > 0 && r.handler.publishers.Load() == 0 })
	if err != nil {
		t.Fatal(err)
	}
}

func TestPublishersAreBounded(t *testing.T) {
	addr, r := startReference(t, 0)
	cl := openAll(t, atRate(addr, Load{Rate: 100}))
	r.handler.publishers.Add(publishersMax)
	if got := ask(t, cl, "!P 0 1 1 20 100"); !strings.HasPrefix(got, "!E too many publishes") {
		t.Errorf("got %q", got)
	}
	if n := r.handler.publishers.Add(-publishersMax); n != 0 {
		t.Errorf("%d publishers are counted", n)
	}
	table := r.handler.topics
	table.mu.Lock()
	defer table.mu.Unlock()
	if table.topics["0"].holders != len(table.sets) {
		t.Error("the topic is still held")
	}
}

func TestInterruptedFanoutIsPartial(t *testing.T) {
	addr, _ := startReference(t, 0)
	cfg := atRate(addr, Load{Rate: 1000})
	cfg.Duration = time.Hour
	r, err := interruptedFanout(t, cfg)
	d := r.Delivery
	if !errors.Is(err, context.Canceled) || !r.Partial || r.Count == 0 || d == nil || d.Prompt.Lost != 0 {
		t.Fatalf("got %+v with %+v, %v", r, d, err)
	}
	// Of what was published somebody has it, and nobody has more.
	if d.Published < d.Most || d.Published > d.Prompt.Delivered {
		t.Errorf("%d published, %d to %d on each socket, %d in all", d.Published, d.Fewest, d.Most, d.Prompt.Delivered)
	}
}
