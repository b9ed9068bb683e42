package attack

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

	"h2ws/bench/raw"
	"h2ws/bench/served"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// patient is a server that accepts everything, answers PINGs, echoes the messages that DATA holds whole, and minds nothing.
// It keeps no windows.
type patient struct {
	most  int  // MAX_CONCURRENT_STREAMS, of those that were ever opened; 0: all are accepted
	tires int  // it echoes so many messages of one octet on each connection; 0: all
	dies  bool // it closes all of its connections when it sees a frame that is too long
	gone  bool // and its listener, too
}

func (p *patient) start(t *testing.T) raw.Target {
	t.Helper()
	accept := raw.Block([]raw.Field{{Name: ":status", Value: "200"}})
	s := served.Frames(t, nil, func(s *served.Script, nc net.Conn) func(h frame.Header, payload []byte) {
		settings := []frame.Setting{{ID: frame.EnableConnectProtocol, Value: 1}}
		if p.most > 0 {
			settings = append(settings, frame.Setting{ID: frame.MaxConcurrentStreams, Value: uint32(p.most)})
		}
		nc.Write(frame.AppendSettings(nil, settings...))
		streams, tiny := 0, 0
		return func(h frame.Header, payload []byte) {
			switch {
			case p.dies && h.Length > frame.MaxPayloadMin:
				if p.gone {
					s.Close()
				}
				s.Drop()
			case h.Type == frame.Settings && !h.Flags.Has(frame.FlagAck):
				nc.Write(frame.AppendSettingsAck(nil))
			case h.Type == frame.Ping && !h.Flags.Has(frame.FlagAck) && len(payload) == 8:
				nc.Write(frame.AppendPing(nil, true, frame.ParsePing(payload)))
			case h.Type == frame.Headers && streams == p.most && p.most > 0:
				nc.Write(frame.AppendRSTStream(nil, h.StreamID, frame.RefusedStream))
			case h.Type == frame.Headers:
				streams++
				nc.Write(frame.AppendHeaders(nil, h.StreamID, frame.FlagEndHeaders, accept))
			case h.Type == frame.Data:
				echo := echoOf(payload)
				if len(echo) == 3 {
					tiny++
				}
				if len(echo) > 0 && (p.tires == 0 || tiny <= p.tires) {
					nc.Write(frame.AppendData(nil, h.StreamID, 0, echo))
				}
			}
		}
	})
	return raw.Target{Addr: s.Addr(), Path: "/"}
}

// echoOf is what a client hears that said p. Nobody looks at the payload.
func echoOf(p []byte) (echo []byte) {
	for {
		h, n := ws.ConsumeHeader(p)
		if n == 0 || h.Length > uint64(len(p)-n) {
			return echo
		}
		end := n + int(h.Length)
		echo = append(ws.AppendHeader(echo, true, h.Opcode(), int(h.Length)), p[n:end]...)
		p = p[end:]
	}
}

// attackOn makes attacks. How long the bystander waits is not judged: other tests share the machine.
func attackOn(t *testing.T, target raw.Target, only string, patience time.Duration) *Report {
	t.Helper()
	r, err := Run(t.Context(), Config{
		Target: target, Only: regexp.MustCompile(only), Quick: true,
		pace: pace{quiet: 50 * time.Millisecond, rest: time.Millisecond, again: time.Millisecond, patience: patience},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Results) == 0 {
		t.Fatalf("no attack matches %s", only)
	}
	for i := range r.Results {
		a := &r.Results[i]
		a.Faults = slices.DeleteFunc(a.Faults, func(f string) bool { return strings.HasPrefix(f, "the bystander waited") })
	}
	return r
}

func table(r *Report) string {
	var b strings.Builder
	r.WriteTable(&b)
	return b.String()
}

// A server that minds nothing fails the attacks after which something is wanted, and passes those that only have to be
// borne.
func TestPatientServerFails(t *testing.T) {
	r := attackOn(t, (&patient{}).start(t), "^(size/ping-7|settings/frame-size-0|hpack/index-0|ping/flood|fault/malformed|message/compressed|open/last-ids|plain/get)$", 100*time.Millisecond)
	for i := range r.Results {
		if a := &r.Results[i]; a.Passed() != (a.Name == "plain/get") {
			t.Errorf("%s: %q\n%s", a.Name, a.Faults, table(r))
		}
	}
	if !strings.Contains(table(r), "wanted GOAWAY [ENHANCE_YOUR_CALM]") {
		t.Error(table(r))
	}
	var back struct {
		Passed, Failed int
		Attacks        []struct {
			Name, Did string
			Passed    bool
			Faults    []string
		}
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &back); err != nil || back.Passed != 1 || back.Failed != 7 || len(back.Attacks) != 8 {
		t.Errorf("%v in %s", err, b)
	}
}

// Messages that are right are all echoed, or it is a fault, wherever it stops.
func TestEchoesThatStop(t *testing.T) {
	for _, test := range []struct {
		tires    int
		only     string
		patience time.Duration // much of it is that nothing comes
		ok       bool
	}{
		{0, "^message/tiny-burst$", 10 * time.Second, true},
		{1000, "^message/tiny-and-valid$", 300 * time.Millisecond, false},
		{1050, "^message/tiny-and-valid$", 300 * time.Millisecond, false},
	} {
		r := attackOn(t, (&patient{tires: test.tires}).start(t), test.only, test.patience)
		fault := strings.Join(r.Results[0].Faults, "; ")
		if (fault == "") != test.ok || !test.ok && !strings.Contains(fault, "wanted an echo of each message, and") {
			t.Errorf("%d echoes: %q\n%s", test.tires, fault, table(r))
		}
	}
}

// What needs many WebSockets makes do with those that there are.
func TestFewStreams(t *testing.T) {
	r := attackOn(t, (&patient{most: 10}).start(t), "^(hpack/table-2.32-1|open/storm|settings/window-churn)$", 10*time.Second)
	if r.Failed() > 0 || len(r.Results) != 3 {
		t.Error(table(r))
	}
}

// Whoever ends the connections of others to be rid of one has lost the bystander.
func TestBystanderIsLost(t *testing.T) {
	r := attackOn(t, (&patient{dies: true}).start(t), "^(size/above-limit|hpack/table-2.32-1)$", 10*time.Second)
	if len(r.Results) != 2 || r.Results[0].Passed() || !strings.Contains(table(r), "the bystander lost its connection") {
		t.Error(table(r))
	}
	if !r.Results[1].Passed() {
		t.Errorf("the next attack has a new bystander:\n%s", table(r))
	}
}

// told is a bystander that says what it is told to.
type told struct{ io.Reader }

func (told) Write(p []byte) (int, error) { return len(p), nil }
func (told) Close() error                { return nil }

// A connection that is lost before, during or by the end of an attack is noticed, and who had lost it stands again when the
// attack begins.
func TestBystanderIsAskedBehindTheAttack(t *testing.T) {
	for _, test := range []struct {
		says  string
		lost  bool
		count int
	}{
		{`{} {"Count":7} {}`, false, 7},
		{`{"Lost":true} {} {"Count":7} {}`, false, 7},
		{`{} {"Count":7,"Lost":true} {}`, true, 7},
		{`{} {"Count":7} {"Lost":true}`, true, 7},
		{`{}`, true, 0}, // it has ended itself
	} {
		cfg := Config{Bystander: NewBystander(told{strings.NewReader(test.says)})}
		nothing := attack{name: "x/y", want: bears, run: func(*assault) *observed { return &observed{} }}
		results, lost := throw(t.Context(), &cfg, Waits{P99: time.Second}, 0, []attack{nothing})
		if lost != test.lost || results[0].Passed() == test.lost || results[0].Bystander.Count != test.count {
			t.Errorf("%s: lost %v, %q, %d echoes", test.says, lost, results[0].Faults, results[0].Bystander.Count)
		}
	}
}

// A server that does not come back is the end of it, and what was found until then is reported.
func TestServerIsGone(t *testing.T) {
	r, err := Run(t.Context(), Config{
		Target: (&patient{dies: true, gone: true}).start(t), Only: regexp.MustCompile("^(size/above-limit|hpack/index-0)$"), Quick: true,
		pace: pace{quiet: 50 * time.Millisecond, rest: time.Millisecond, again: time.Millisecond, patience: 100 * time.Millisecond},
	})
	if err == nil || !strings.Contains(err.Error(), "the server is gone after size/above-limit") || r.Failed() != 1 || len(r.Results) != 1 {
		t.Errorf("%v\n%s", err, table(r))
	}
}

func TestNotLoopback(t *testing.T) {
	for _, addr := range []string{"192.0.2.1:80", "0.0.0.0:80", "[2001:db8::1]:80", "localhost:80", "example.com:80", "127.0.0.1"} {
		_, err := Run(t.Context(), Config{Target: raw.Target{Addr: addr, Path: "/"}})
		if !errors.Is(err, ErrNotLoopback) {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// The judgement of what was measured, which no server can be made to show at will.
func TestJudge(t *testing.T) {
	at := &attack{name: "x", want: bears, grows: 10 << 20}
	quiet := Waits{Count: 100, P99: 8 * time.Millisecond}
	for _, test := range []struct {
		name  string
		r     Result
		o     observed
		fault string
	}{
		{"nothing wrong", Result{Before: 1 << 20, Peak: 11 << 20, After: 17 << 20, Bystander: Waits{P99: 24 * time.Millisecond}}, observed{}, ""},
		{"memory that grew", Result{Before: 1 << 20, Peak: 12 << 20, After: 1 << 20}, observed{}, "memory grew by 11.0 MB, more than 10.0 MB"},
		{"memory that stays", Result{Before: 1 << 20, Peak: 2 << 20, After: 18 << 20}, observed{}, "17.0 MB of memory have not come back"},
		{"waits", Result{Bystander: Waits{P99: 25 * time.Millisecond}}, observed{}, "the bystander waited 25ms, more than 24ms"},
		{"waits everywhere", Result{Bystander: Waits{P99: 90 * time.Millisecond}, Elsewhere: Waits{P99: 30 * time.Millisecond}}, observed{}, ""},
		{"longer waits here", Result{Bystander: Waits{P99: 91 * time.Millisecond}, Elsewhere: Waits{P99: 30 * time.Millisecond}}, observed{},
			"the bystander waited 91ms, more than 90ms"},
		{"a bystander that is lost", Result{Bystander: Waits{Lost: true}}, observed{}, "the bystander lost its connection"},
		{"what the attack found", Result{}, observed{wrong: "all wrong"}, "all wrong"},
	} {
		test.r.Quiet = quiet
		test.r.judge(at, &test.o)
		if got := strings.Join(test.r.Faults, "; "); got != test.fault {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

// An attack is made again as long as nothing is wrong but what the machine may have done.
func TestNoisy(t *testing.T) {
	at := &attack{name: "x", want: bears}
	ms := func(here, elsewhere int) Result {
		r := Result{Quiet: Waits{P99: time.Millisecond}, Bystander: Waits{P99: time.Duration(here) * time.Millisecond},
			Elsewhere: Waits{P99: time.Duration(elsewhere) * time.Millisecond}}
		r.judge(at, &observed{})
		return r
	}
	worse := ms(4, 1)
	worse.judge(at, &observed{wrong: "all wrong"})
	for _, test := range []struct {
		name           string
		results        []Result
		noisy, excused bool
	}{
		{"quiet", []Result{ms(3, 1)}, false, false},
		{"late", []Result{ms(4, 1)}, true, true},
		{"late everywhere", []Result{ms(4, 2)}, false, true},
		{"one of two", []Result{ms(1, 1), ms(4, 1)}, true, true},
		{"late and wrong", []Result{worse}, false, false},
		{"one late, one wrong", []Result{ms(4, 1), worse}, false, false},
	} {
		if got := noisy(test.results, false); got != test.noisy {
			t.Errorf("%s: %v", test.name, got)
		}
		if got := noisy(test.results, true); got != test.excused {
			t.Errorf("%s, with excuses: %v", test.name, got)
		}
	}
}

func TestWanted(t *testing.T) {
	calm := observed{tally: tally{goAways: 1, code: frame.EnhanceYourCalm}, conns: 1, ended: 1}
	other := observed{tally: tally{goAways: 1, code: frame.ProtocolError}, conns: 1, ended: 1}
	silent := observed{conns: 1, alive: true}
	some := observed{conns: 3, ended: 2}
	closing := observed{conns: 1, tally: tally{closes: map[int]int{1009: 1}}}
	for _, test := range []struct {
		name string
		want wanted
		o    observed
		ok   bool
	}{
		{"calms", calms, calm, true}, {"calms", calms, other, false}, {"calms", calms, silent, false},
		{"stops", stops, other, true}, {"stops", stops, silent, false}, {"stops", stops, observed{blocked: true}, true},
		{"ends", ends, calm, true}, {"ends", ends, some, false},
		{"survives", survives, silent, true}, {"survives", survives, calm, false},
		{"bears", bears, silent, true},
		{"closesSocket", closesSocket(1, 1008, 1009), closing, true}, {"closesSocket", closesSocket(1, 1008), closing, false},
		{"either", either(survives, calms), calm, true}, {"either", either(survives, calms), other, false},
		{"all", all(ends, calms), calm, true}, {"all", all(ends, calms), other, false},
		{"answered", answered(431), observed{tally: tally{statuses: map[int]int{431: 1}}}, true}, {"answered", answered(431), silent, false},
		{"isReset", isReset, silent, false},
		{"refusesStreams", refusesStreams, silent, false},
		{"resetsOrEnds", resetsOrEnds, some, false}, {"resetsOrEnds", resetsOrEnds, calm, true},
	} {
		if missing := test.want(&test.o); (missing == "") != test.ok {
			t.Errorf("%s of %s: %q", test.name, test.o.did(), missing)
		}
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range Names() {
		if seen[name] || !regexp.MustCompile(`^[a-z_]+/[a-zA-Z0-9^-]+$`).MatchString(name) {
			t.Errorf("%q is used twice, or no name", name)
		}
		seen[name] = true
	}
}

// What the encoder of this package makes is what it says: the bombs go off.
func TestLiteral(t *testing.T) {
	for _, n := range []int{0, 1, 126, 127, 128, 254, 255, 4000, 20_000} {
		value := strings.Repeat("a", n)
		fields, err := hpack.NewDecoder(1<<16, nil).DecodeFull(again(literal(nil, "x", value), 2))
		if err != nil || fields[0].Value != value || (n < 4000 && len(fields) != 3) {
			t.Errorf("%d octets: %d fields, %v", n, len(fields), err)
		}
	}
}
