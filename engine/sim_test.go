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
	simSeed  = flag.Uint64("sim.seed", 0, "run TestSim with this seed alone, and print what happened before a failure")
	simSeeds = flag.Uint64("sim.seeds", 0, "run TestSim with so many seeds; 0: 250, with -short 40")
)

// TestSim runs everything below the loop, some connections on one core, against clients that model every window,
// stream and message for themselves. Whatever the seed makes happen, what both sides know must agree after every
// phase of every turn; see sim_check_test.go for what that is. Everything is derived from the seed:
//
//	go test ./engine -run TestSim -sim.seed=N
func TestSim(t *testing.T) {
	first, n := uint64(1), uint64(250)
	switch {
	case *simSeed != 0:
		first, n = *simSeed, 1
	case *simSeeds != 0:
		n = *simSeeds
	case testing.Short():
		n = 40
	}
	failed := 0
	for seed := first; seed < first+n && failed < 5; seed++ {
		if err := runSim(seed); err != "" {
			failed++
			t.Errorf("%s\nreplay: go test ./engine -run TestSim -sim.seed=%d", err, seed)
		}
	}
}

// sim is one run: a core, its application, and the clients of its connections.
type sim struct {
	r       *rand.Rand
	core    *core
	gather  *gather
	clients []*simClient
	sockets []*simSocket // all that were dialled
	shared  []*ws.Prepared

	timely   bool // no deadline but that of closing is ever missed
	healing  bool // the end: everything is let through
	step     int
	serial   int // of messages, so that no two are alike
	accepted uint64
	largest  int // message accepted
	trace    []string
	scratch  []byte
}

// runSim returns what went wrong, or "".
func runSim(seed uint64) (failure string) {
	s := newSim(seed)
	defer func() {
		if v := recover(); v != nil {
			failure = fmt.Sprintf("seed %d, step %d: %v", seed, s.step, v)
			if _, ours := v.(simFailure); !ours {
				failure += "\n" + string(debug.Stack())
			}
			if *simSeed != 0 {
				failure = strings.Join(s.trace, "\n") + "\n" + failure
			}
		}
	}()
	steps := 300
	if s.r.IntN(50) == 0 {
		steps = 3000
	}
	for s.step = range steps {
		s.act()
		s.turn()
	}
	s.heal()
	return ""
}

type simFailure string

func (s *sim) failf(format string, args ...any) { panic(simFailure(fmt.Sprintf(format, args...))) }

// note adds a line to the trace. Formatting costs more than the rest, so only when somebody reads it.
func (s *sim) note(format string, args ...any) {
	if *simSeed != 0 {
		s.trace = append(s.trace, fmt.Sprintf("%4d: ", s.step)+fmt.Sprintf(format, args...))
	}
}

func newSim(seed uint64) *sim {
	s := &sim{r: rand.New(rand.NewPCG(seed, 1)), gather: newGather(gatherSize)}
	s.timely = s.r.IntN(4) > 0
	l := s.limits()
	e := ws.NewEndpoint(simApp{s}, ws.EndpointOptions{MessageBytesMax: l.MessageSize, Queue: l.Queue})
	s.core = newCore(l, e, slog.New(slog.NewTextHandler(io.Discard, nil)))
	s.core.now = time.Hour
	for _, n := range []int{0, 10, 700, 4094, 9000, 40000} {
		p, err := ws.Prepare(ws.Binary, s.payload(n))
		if err != nil {
			panic(err)
		}
		s.shared = append(s.shared, p)
	}
	for range 1 + s.r.IntN(3) {
		s.clients = append(s.clients, s.dial())
	}
	return s
}

// limits are small, so that they are met.
func (s *sim) limits() Limits {
	l := Limits{
		MaxConcurrentStreams: uint32(2 + s.r.IntN(30)),
		MessageSize:          pick(s.r, 1000, 20_000, 100_000),
		AssemblySize:         pick(s.r, 0, 0, 30_000),
		Queue: ws.QueueLimits{
			MaxBytes:    pick(s.r, 3000, 20_000, 64_000),
			MaxMessages: pick(s.r, 3, 30, 256),
		},
		MailboxSize:  pick(s.r, 0, 0, 20_000),
		StreamWindow: pick[int32](s.r, 0, 0, 100_000),

		SocketPingInterval: pick(s.r, 0, 0, 300*time.Millisecond, 2*time.Second),
		SocketPongTimeout:  pick(s.r, 100*time.Millisecond, time.Second, -1),

		PendingHandshakes:    pick(s.r, 0, 2, 5),
		PendingHandshakesAll: pick(s.r, 0, 0, 4),
		CloseTimeout:         pick(s.r, 200*time.Millisecond, 2*time.Second, time.Hour, -1),
	}
	timeout := pick(s.r, time.Second, 3*time.Second)
	if s.timely {
		timeout = -1
	}
	l.HandshakeTimeout = pick(s.r, timeout, -1, 500*time.Millisecond)
	l.PrefaceTimeout, l.SettingsTimeout, l.HeaderTimeout, l.IdleTimeout = timeout, timeout, timeout, timeout
	l.PingInterval, l.PingTimeout, l.WriteTimeout, l.StreamTimeout = timeout, timeout, timeout, -1
	l = l.withDefaults()
	l.ConnWindow = pick[int32](s.r, 70_000, 300_000, 1<<20) // less than a Server has, so that credit is due more often
	return l
}

// act is one step of the world outside: of clients, the application's own goroutines, networks, and time.
func (s *sim) act() {
	for range 1 + s.r.IntN(6) {
		c := s.clients[s.r.IntN(len(s.clients))]
		switch n := s.r.IntN(100); {
		case n < 70:
			c.act()
		case n < 85:
			s.applicationActs()
		case n < 92:
			c.networkActs()
		case n < 97:
			s.timePasses()
		default:
			s.rareActs(c)
		}
	}
}

func (s *sim) rareActs(c *simClient) {
	switch n := s.r.IntN(40); {
	case n == 0:
		s.note("client %d: connection lost", c.n)
		c.conn.lose(io.EOF)
	case n == 1:
		c.drain()
	case n == 2:
		c.sendGoAway()
	case n == 3:
		c.breakConnection()
	case n < 14:
		c.breakStream()
	}
	for i, c := range s.clients {
		if c.over() && s.r.IntN(10) == 0 {
			s.clients[i] = s.dial()
		}
	}
}

func (s *sim) timePasses() {
	d := time.Duration(s.r.Int64N(int64(100 * time.Millisecond)))
	if s.r.IntN(20) == 0 {
		d *= 100
	}
	s.core.now += d
}

// applicationActs is a call from a goroutine of the application, on any socket, open or not.
func (s *sim) applicationActs() {
	if len(s.sockets) == 0 {
		return
	}
	k := s.sockets[s.r.IntN(len(s.sockets))]
	if s.r.IntN(2) == 0 { // those that wait are among the last
		s.sockets[max(0, len(s.sockets)-1-s.r.IntN(20))].decide()
	}
	if k.conn == nil {
		k.decide()
		return
	}
	switch n := s.r.IntN(100); {
	case n < 2:
		k.close()
	case n < 4:
		k.conn.Pause()
	case n < 7:
		k.conn.Resume()
	case n < 9:
		k.conn.AwaitDrain()
		k.awaits = true
		k.drains++
	case n < 13:
		for range s.r.IntN(400) {
			k.send(s.size(200))
		}
	default:
		k.sendSome()
	}
}

// payload is n octets of ASCII that no other message of at least eight octets has.
func (s *sim) payload(n int) []byte {
	s.serial++
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + (i+s.serial)%26)
	}
	copy(b, fmt.Sprintf("%08d", s.serial))
	return b
}

// size is of a message, small more often than large, and at most limit.
func (s *sim) size(limit int) int {
	switch s.r.IntN(10) {
	case 0:
		return min(limit, 120+s.r.IntN(12))
	case 1, 2:
		return min(limit, s.r.IntN(3000))
	case 3:
		return min(limit, s.r.IntN(30_000))
	}
	return min(limit, s.r.IntN(60))
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }
