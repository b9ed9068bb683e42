package engine

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"h2ws/ws"
)

var (
	fanSeed  = flag.Uint64("fan.seed", 0, "run TestFanSim with this seed alone, and print what happened before a failure")
	fanSeeds = flag.Uint64("fan.seeds", 0, "run TestFanSim with so many seeds; 0: 150, with -short 50")
)

// TestFanSim runs the whole fan-out, several cores with several connections each, against a model of it: who is
// a member when, what each socket may receive, how far every window is. What is compared after every phase of
// every turn is in topic_sim_check_test.go. Everything is derived from the seed:
//
//	go test ./engine -run TestFanSim -fan.seed=N
func TestFanSim(t *testing.T) {
	first, n := uint64(1), uint64(150)
	switch {
	case *fanSeed != 0:
		first, n = *fanSeed, 1
	case *fanSeeds != 0:
		n = *fanSeeds
	case testing.Short():
		n = 50
	}
	var seen fanSeen
	failed := 0
	for seed := first; seed < first+n && failed < 5; seed++ {
		if err := runFan(seed, &seen); err != "" {
			failed++
			t.Errorf("%s\nreplay: go test ./engine -run TestFanSim -fan.seed=%d", err, seed)
		}
	}
	t.Logf("%+v", seen)
	if n >= 50 && failed == 0 {
		seen.check(t)
	}
}

// fanSeen counts what happened in all runs, so that a model in which nothing happens is found out.
type fanSeen struct {
	delivered, dropped, conflated, offLog, missed uint64
	slow, late, except, retained, reliefs, held   uint64
	counted, lagged                               uint64
}

func (n *fanSeen) check(t *testing.T) {
	for what, count := range map[string]uint64{
		"delivered": n.delivered, "dropped": n.dropped, "conflated": n.conflated, "fell off a log": n.offLog,
		"missed by a mailbox": n.missed, "closed as slow": n.slow, "joined late": n.late, "excepted": n.except,
		"retained": n.retained, "reliefs of memory": n.reliefs, "held back by MaxRate": n.held, "counted by socket": n.counted,
		"lagged": n.lagged,
	} {
		if count == 0 {
			t.Errorf("%s: never in all runs", what)
		}
	}
}

// fan is one run.
type fan struct {
	r        *rand.Rand
	seen     *fanSeen
	now      time.Duration
	gather   *gather
	cores    []*fanCore
	clients  []*fanClient
	topics   []*fanTopic
	sockets  []*fanSocket // all that were dialled
	messages []*fanMessage
	of       map[*ws.Prepared]*fanMessage
	base     int64 // what other tests have left in held

	gentle  bool // nothing is done that could cost a message
	healing bool // the end: everything is let through
	step    int
	trace   []string
}

// fanCore is a loop without its I/O.
type fanCore struct {
	f    *fan
	n    int
	core *core
	turn int
}

// runFan returns what went wrong, or "".
func runFan(seed uint64, seen *fanSeen) (failure string) {
	f := newFan(seed, seen)
	defer func() {
		if v := recover(); v != nil {
			failure = fmt.Sprintf("seed %d, step %d: %v", seed, f.step, v)
			if _, ours := v.(simFailure); !ours {
				failure += "\n" + string(debug.Stack())
			}
			if *fanSeed != 0 {
				failure = strings.Join(f.trace, "\n") + "\n" + failure
			}
			held.Store(f.base) // the other runs are not to blame
		}
	}()
	steps := 150
	if f.r.IntN(30) == 0 {
		steps = 500
	}
	for f.step = range steps {
		f.act()
		f.turns()
	}
	f.heal()
	return ""
}

func (f *fan) failf(format string, args ...any) { panic(simFailure(fmt.Sprintf(format, args...))) }

func (f *fan) note(format string, args ...any) {
	if *fanSeed != 0 {
		f.trace = append(f.trace, fmt.Sprintf("%4d: ", f.step)+fmt.Sprintf(format, args...))
	}
}

func newFan(seed uint64, seen *fanSeen) *fan {
	f := &fan{r: rand.New(rand.NewPCG(seed, 3)), seen: seen, now: time.Hour, gather: newGather(gatherSize),
		of: make(map[*ws.Prepared]*fanMessage), base: held.Load()}
	f.gentle = f.r.IntN(3) == 0
	for n := range 1 + f.r.IntN(3) {
		l := f.limits()
		e := ws.NewEndpoint(pick[ws.Handler](f.r, fanApp{f: f}, fanDropper{fanApp{f: f}}), ws.EndpointOptions{Queue: l.Queue})
		k := &fanCore{f: f, n: n, core: newCore(l, e, slog.New(slog.NewTextHandler(io.Discard, nil)))}
		k.core.now = f.now
		f.cores = append(f.cores, k)
	}
	for n := range 1 + f.r.IntN(4) {
		f.topics = append(f.topics, f.newTopic(n))
	}
	for range len(f.cores) + f.r.IntN(4) {
		f.clients = append(f.clients, f.dial())
	}
	return f
}

// limits are small, so that they are met, unless nothing is to be lost.
func (f *fan) limits() Limits {
	l := Limits{
		MaxConcurrentStreams: 100,
		PrefaceTimeout:       -1, SettingsTimeout: -1, HeaderTimeout: -1, CloseTimeout: -1,
		PingInterval: -1, PingTimeout: -1, IdleTimeout: -1, WriteTimeout: -1, StreamTimeout: -1,
	}
	if f.gentle {
		l.Queue = f.noLimits()
		return l.withDefaults()
	}
	l.Queue = f.queue()
	l.MailboxSize = pick(f.r, 0, 0, 5000)
	l.MemorySize = pick(f.r, 0, 0, f.base+5000, f.base+100_000)
	return l.withDefaults()
}

func (f *fan) noLimits() ws.QueueLimits {
	return ws.QueueLimits{MaxBytes: 1 << 30, MaxMessages: 1 << 20, Policy: pick(f.r, ws.CloseSlow, ws.DropNewest, ws.DropOldest)}
}

// queue is any kind of queue.
func (f *fan) queue() ws.QueueLimits {
	return ws.QueueLimits{
		MaxBytes:    pick(f.r, 500, 5000, 64_000),
		MaxMessages: pick(f.r, 2, 10, 256),
		MaxAge:      pick(f.r, 0, 0, 50*time.Millisecond, time.Second),
		Policy:      pick(f.r, ws.CloseSlow, ws.DropNewest, ws.DropOldest, ws.Conflate),
	}
}

// act is one step of the world outside.
func (f *fan) act() {
	for range 1 + f.r.IntN(5) {
		switch n := f.r.IntN(100); {
		case n < 30:
			f.publish()
		case n < 45:
			f.joinOrLeave()
		case n < 52:
			f.send()
		case n < 94:
			pick(f.r, f.clients...).act()
		case n < 99:
			f.now += time.Duration(f.r.Int64N(int64(50 * time.Millisecond)))
		default:
			f.rareActs()
		}
	}
}

func (f *fan) rareActs() {
	for i, c := range f.clients {
		if c.over() {
			f.clients[i] = f.dial()
		}
	}
	if len(f.sockets) > 0 && !f.gentle {
		k := pick(f.r, f.sockets...)
		if k.conn != nil && k.conn.Close(simCodeApp, "enough") == nil {
			f.note("%s: Close", k)
		}
	}
	if c := pick(f.r, f.clients...); f.r.IntN(4) == 0 && !f.gentle {
		f.note("client %d: connection lost", c.n)
		c.conn.lose(io.EOF)
	}
}

// interleave is what goroutines of the application do in the middle of a turn.
func (f *fan) interleave() {
	if f.healing || f.r.IntN(8) != 0 {
		return
	}
	switch f.r.IntN(4) {
	case 0:
		f.joinOrLeave()
	case 1:
		f.send()
	default:
		f.publish()
	}
}

func (f *fan) send() {
	if len(f.sockets) == 0 {
		return
	}
	k := pick(f.r, f.sockets...)
	if k.conn == nil {
		return
	}
	m := f.newMessage(nil)
	m.to = k
	err := error(nil)
	if f.r.IntN(2) == 0 {
		err = k.conn.SendPrepared(m.p)
	} else {
		err = k.conn.Send(ws.Binary, m.p.Data())
	}
	if err == nil {
		k.direct = append(k.direct, m)
	} else if f.gentle {
		f.failf("%s: Send: %v", k, err)
	}
}

// joinOrLeave is a call for any socket that has been opened, closed or not.
func (f *fan) joinOrLeave() {
	if len(f.sockets) == 0 {
		return
	}
	k, t := pick(f.r, f.sockets...), pick(f.r, f.topics...)
	switch {
	case k.conn == nil:
	case f.gentle || f.r.IntN(3) > 0:
		k.posted[t.n] = append(k.posted[t.n], t.copyRetained())
		err := t.t.Join(k.conn)
		if err != nil {
			k.posted[t.n] = k.posted[t.n][:len(k.posted[t.n])-1]
		}
		if err != ErrMailboxFull && (err != nil) != (k.closed > 0) {
			f.failf("%s: closed %d: Join: %v", k, k.closed, err)
		}
		f.note("%s: joins topic %d: %v", k, t.n, err)
	default:
		t.t.Leave(k.conn)
		f.note("%s: leaves topic %d", k, t.n)
	}
}
