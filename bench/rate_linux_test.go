package bench

import (
	"context"
	"errors"
	"testing"
	"time"
)

// rateConfig sends 2,000 messages a second for 100 ms, and does not mind being late.
func rateConfig(addr string) Config {
	cfg := echoConfig(addr)
	cfg.Duration, cfg.Interval, cfg.LagMax = 100*time.Millisecond, 20*time.Millisecond, time.Hour
	cfg.Pace = Pace{Rate: 2000, WarmUp: 10 * time.Millisecond, Ramp: 10 * time.Millisecond}
	return cfg
}

func echoOnce(t *testing.T, cfg Config) (Result, error) {
	t.Helper()
	cl, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := cl.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return cl.Echo(t.Context())
}

func TestEchoAtARate(t *testing.T) {
	addr, _ := startReference(t, 0)
	cfg := rateConfig(addr)
	cfg.Sizes, _ = ParseSizes("16-300")
	r, err := echoOnce(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if r.Begun < 199 || r.Begun > 201 || r.Count != r.Begun || r.Lost != 0 {
		t.Errorf("begun %d, back %d, lost %d: want 200 of 2,000 a second in 100 ms", r.Begun, r.Count, r.Lost)
	}
	if r.Latency.Count != r.Count || r.Raw.Count != r.Count || r.Loader.Lag.Count != r.Begun || r.Loader.Invalid != "" {
		t.Errorf("latency of %d, raw of %d, lag of %d, invalid %q", r.Latency.Count, r.Raw.Count, r.Loader.Lag.Count, r.Loader.Invalid)
	}
	sum := 0
	for _, p := range r.Series {
		sum += p.Count
	}
	if len(r.Series) == 0 || sum != r.Count { // one, if the machine kept it waiting
		t.Errorf("%d points with %d echoes, want %d", len(r.Series), sum, r.Count)
	}
}

// A loader that cannot keep up says so.
func TestLateLoader(t *testing.T) {
	addr, _ := startReference(t, 0)
	cfg := rateConfig(addr)
	cfg.LagMax = 1 // nobody is as exact
	r, err := echoOnce(t, cfg)
	if err != nil || r.Loader.Invalid == "" {
		t.Errorf("got %+v, %v", r.Loader, err)
	}
}

// No loader sends a message in a nanosecond. That all of them were sent in the end does not make it the rate.
func TestRateBeyondTheLoader(t *testing.T) {
	addr, _ := startReference(t, 0)
	cfg := rateConfig(addr)
	cfg.Duration, cfg.LagMax, cfg.Pace = 10*time.Microsecond, 1, Pace{Rate: 1e9}
	r, err := echoOnce(t, cfg)
	if err != nil || r.Begun < 9_900 || r.Count != r.Begun || r.Lost != 0 {
		t.Errorf("begun %d, back %d, lost %d: %v", r.Begun, r.Count, r.Lost, err)
	}
	if l := r.Loader; l.Wanted != 1e9 || l.Begun >= 0.99*l.Wanted || l.Invalid == "" {
		t.Errorf("%.0f a second of %.0f, invalid %q", l.Begun, l.Wanted, l.Invalid)
	}
}

// The rate is the share of what was due that began in time.
func TestBegun(t *testing.T) {
	const until = 3 * time.Second
	for name, test := range map[string]struct {
		next          time.Duration // due
		begun, timely int
		partial       bool
		want          float64
	}{
		"all in time":               {until, 1999, 1999, false, 1000},
		"half of it late":           {until, 2000, 1000, false, 500},
		"half of it never":          {2 * time.Second, 1000, 1000, false, 500},
		"half of it late, and more": {2 * time.Second, 1500, 500, false, 250},
		"nothing was due":           {until, 0, 0, false, 1000},
		"nothing was sent":          {time.Second, 0, 0, false, 0},
		"some was given up":         {until, 1990, 2000, false, 1000},
		"ended early":               {time.Second, 10, 10, true, 1000},
	} {
		cl := &Client{cfg: Config{Duration: 2 * time.Second, LagMax: time.Millisecond, Pace: Pace{Rate: 1000}}}
		e := &echo{cl: cl, pace: &pacer{next: test.next}, until: until, begun: test.begun}
		r := Result{Loader: &Loader{}, Elapsed: 2 * time.Second, Partial: test.partial}
		e.result(&r, test.timely)
		if l := r.Loader; l.Begun != test.want || (l.Invalid != "") != (test.want < 990) {
			t.Errorf("%s: %v a second, want %v; invalid %q", name, l.Begun, test.want, l.Invalid)
		}
	}
}

// A server that does not answer for a while makes messages late that were sent after: coordinated omission
// would not see them.
func TestLatencyIsFromWhenAMessageWasDue(t *testing.T) {
	stalled := make(chan bool)
	s := &fakeServer{settings: offer, credit: true, onMessage: func(n int, id uint32, op byte, p []byte) []string {
		if n == 100 {
			<-stalled
		}
		return nil
	}}
	cfg := rateConfig(s.start(t))
	cfg.Conns, cfg.Pace.WarmUp, cfg.Pace.Ramp = 1, 0, 0
	cfg.Told = func(p Point) {
		if p.Until > 80*time.Millisecond {
			select {
			case stalled <- true:
			default:
			}
		}
	}
	r, err := echoOnce(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	// It stops at 50 ms, and goes on at 80 ms or later: 60 messages or more were due meanwhile, and wait for 15 ms on average.
	if r.Latency.P90 < 10*time.Millisecond || r.Latency.Max < 25*time.Millisecond {
		t.Errorf("p90 %v, max %v", r.Latency.P90, r.Latency.Max)
	}
}

// forgetful is a server that answers 150 messages.
func forgetful() *fakeServer {
	return &fakeServer{settings: offer, credit: true, onMessage: func(n int, id uint32, op byte, p []byte) []string {
		if n >= 150 {
			return []string{}
		}
		return nil
	}}
}

func TestLostEchoes(t *testing.T) {
	cfg := rateConfig(forgetful().start(t))
	cfg.Conns, cfg.Pace.WarmUp, cfg.Pace.Ramp = 1, 0, 0
	e, err := newEcho(t.Context(), openAll(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	e.grace = 2 * cfg.Duration // rather than wait long for what does not come
	r, err := e.run(t.Context())
	if err != nil || r.Partial || r.Count != 150 || r.Lost != r.Begun-150 || r.Lost < 40 {
		t.Errorf("begun %d, back %d, lost %d: %v", r.Begun, r.Count, r.Lost, err)
	}
}

// What is under way when a run is interrupted is not lost.
func TestInterruptedEchoLosesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := rateConfig(forgetful().start(t))
	cfg.Conns, cfg.Pace.WarmUp, cfg.Pace.Ramp = 1, 0, 0
	cfg.Told = func(p Point) {
		if p.Until > cfg.Duration {
			cancel() // while the rest is awaited
		}
	}
	r, err := openAll(t, cfg).Echo(ctx)
	if !errors.Is(err, context.Canceled) || !r.Partial || r.Count == 0 || r.Count > 150 || r.Begun <= 150 || r.Lost != 0 {
		t.Errorf("begun %d, back %d, lost %d: %v", r.Begun, r.Count, r.Lost, err)
	}
}

func TestInterruptedOpeningLosesNothing(t *testing.T) {
	s := &fakeServer{settings: offer, onOpen: func(n int) []string {
		if n < 5 {
			return nil
		}
		return []string{}
	}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := rateConfig(s.start(t))
	cfg.Conns, cfg.Sockets, cfg.Opening = 1, 20, Pace{Rate: 1000}
	cfg.Told = func(p Point) {
		if p.Until > 19*time.Millisecond {
			cancel()
		}
	}
	cl, err := Dial(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	r, err := cl.Open(ctx)
	if !errors.Is(err, context.Canceled) || !r.Partial || r.Count != 4 || r.Begun <= r.Count || r.Lost != 0 {
		t.Errorf("begun %d, open %d, lost %d: %v", r.Begun, r.Count, r.Lost, err)
	}
}

// A closed loop whose messages are never answered ends, and says so.
func TestLostEchoesOfAClosedLoop(t *testing.T) {
	s := &fakeServer{settings: offer, credit: true, onMessage: func(int, uint32, byte, []byte) []string {
		return []string{"PING 0x0102030405060708"}
	}}
	cfg := testConfig(s.start(t))
	cfg.Memory = false
	e, err := newEcho(t.Context(), openAll(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	e.grace = 0
	r, err := e.run(t.Context())
	if err != nil || r.Partial || r.Count != 0 || r.Begun != cfg.InFlight || r.Lost != cfg.InFlight {
		t.Errorf("begun %d, back %d, lost %d: %v", r.Begun, r.Count, r.Lost, err)
	}
}

// Between operations that are far apart nothing is awaited.
func TestNothingIsMissedThatIsNotDue(t *testing.T) {
	for _, away := range []int{0, 1} {
		cl := &Client{start: time.Now().Add(-time.Hour), now: time.Hour} // and nothing was heard since
		e := &echo{cl: cl, away: away, until: 1 << 62, pace: &pacer{next: 1 << 62}}
		e.turn()
		if err := cl.look(t.Context()); (err != nil) != (away > 0) {
			t.Errorf("%d echoes away: %v", away, err)
		}
		cl.heard = 0
		o := &openings{cl: cl, next: 2 + away, count: 1, goal: 5, pace: &pacer{next: 1 << 62}}
		o.openDue()
		if err := cl.look(t.Context()); (err != nil) != (away > 0) {
			t.Errorf("%d requests away: %v", away, err)
		}
	}
}

// What was measured is kept when the server dies.
func TestServerDies(t *testing.T) {
	s := &fakeServer{settings: offer, credit: true, hangUp: true, onMessage: func(n int, id uint32, op byte, p []byte) []string {
		if n == 150 {
			return []string{}
		}
		return nil
	}}
	cfg := rateConfig(s.start(t))
	cfg.Conns, cfg.Pace.WarmUp, cfg.Pace.Ramp = 1, 0, 0
	r, err := echoOnce(t, cfg)
	if err == nil || !r.Partial || r.Failure == "" || r.Count == 0 || r.Latency == nil {
		t.Errorf("back %d, failure %q: %v", r.Count, r.Failure, err)
	}
}

func TestChurn(t *testing.T) {
	addr, _ := startReference(t, 0)
	for name, churn := range map[string]Churn{
		"closes": {Closes: 500}, "resets": {Resets: 500}, "kills": {Kills: 100}, "all": {Closes: 300, Resets: 300, Kills: 50},
	} {
		for _, rate := range []float64{0, 2000} {
			cfg := rateConfig(addr)
			cfg.Pace.Rate, cfg.Churn = rate, churn
			r, err := echoOnce(t, cfg)
			if err != nil {
				t.Fatalf("%s, rate %v: %v", name, rate, err)
			}
			c := r.Churned
			if r.Count == 0 || r.Lost != 0 || (c.Closes > 0) != (churn.Closes > 0) || (c.Resets > 0) != (churn.Resets > 0) || (c.Kills > 0) != (churn.Kills > 0) || c.Reopened == 0 {
				t.Errorf("%s, rate %v: %d echoes, %d lost, %+v", name, rate, r.Count, r.Lost, c)
			}
		}
	}
}

func TestChurnOverHTTP1(t *testing.T) {
	cfg := rateConfig(new(http1Server).start(t))
	cfg.HTTP1, cfg.Conns = true, cfg.Sockets
	cfg.Churn = Churn{Closes: 200, Resets: 200, Kills: 100}
	r, err := echoOnce(t, cfg)
	if err != nil || r.Count == 0 || r.Churned.Reopened == 0 || r.Churned.Closes == 0 {
		t.Errorf("%d echoes, %+v, %v", r.Count, r.Churned, err)
	}
}

func TestSlowReadersBesideEchoes(t *testing.T) {
	addr, _ := startReference(t, 0)
	cfg := rateConfig(addr)
	cfg.Window, cfg.Load.SlowShare, cfg.Load.SlowRate = 5000, 0.3, 1000
	r, err := echoOnce(t, cfg)
	if err != nil || r.Count < 190 || r.Lost != 0 {
		t.Errorf("%d echoes, %d lost, %v", r.Count, r.Lost, err)
	}
}

// Killed are the connections that are not slow: those stay as they are.
func TestSlowConnectionsBesideKilledOnes(t *testing.T) {
	addr, _ := startReference(t, 0)
	cfg := rateConfig(addr)
	cfg.Conns, cfg.Load.SlowConns, cfg.Load.SlowRate = 5, 2, 1000
	cfg.Churn.Kills = 100
	r, err := echoOnce(t, cfg)
	if err != nil || r.Count == 0 || r.Lost != 0 || r.Churned.Kills == 0 || r.Churned.Reopened != cfg.Sockets/cfg.Conns*r.Churned.Kills {
		t.Errorf("%d echoes, %d lost, %+v, %v", r.Count, r.Lost, r.Churned, err)
	}
}

func TestOpenAtARate(t *testing.T) {
	addr, _ := startReference(t, 0)
	cfg := rateConfig(addr)
	cfg.Sockets, cfg.Conns = 101, 2
	cfg.Opening = Pace{Rate: 1000, Ramp: 10 * time.Millisecond}
	cl, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	r, err := cl.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Count != 100 || r.Begun != 100 || r.Lost != 0 || r.Latency.Count != 100 || r.Raw.Count != 100 || r.Loader.Lag.Count != 100 {
		t.Errorf("got %+v", r)
	}
	if due := newPacer(1000, false, 10*time.Millisecond, 0).due(100); r.Elapsed.Seconds() < due {
		t.Errorf("the last of 100 was open after %v, before it was due", r.Elapsed)
	}
	if r.Raw.Max > r.Latency.Max {
		t.Errorf("from when it was sent %v, from when it was due %v", r.Raw.Max, r.Latency.Max)
	}
}

// What cannot be opened ends an opening at a rate, with what there was until then.
func TestOpenAtARateBeyondMaxConcurrentStreams(t *testing.T) {
	s := &fakeServer{settings: offer, credit: true}
	cfg := rateConfig(s.start(t))
	cfg.Sockets, cfg.Conns = 5, 1
	cfg.Opening = Pace{Rate: 1000, Poisson: true}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl, err := Dial(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	cl.conns[0].maxStreams = 2
	r, err := cl.Open(ctx)
	if err == nil || !r.Partial || r.Begun < 1 || r.Begun > 4 {
		t.Errorf("got %+v, %v", r, err)
	}
}
