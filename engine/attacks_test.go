package engine

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// Every test that the table of attacks names exists, and every line of it names one or says why not.
func TestAttacksAreAnswered(t *testing.T) {
	table, err := os.ReadFile("attacks.go")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, dir := range []string{".", "frame", "../ws", "../hpack", "../bench/faulty", "../bench/cmd/wsbench"} {
		files, err := filepath.Glob(dir + "/*_test.go")
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok {
					known[f.Name.Name] = true
				}
			}
		}
	}
	rows := 0
	entry := ""
	check := func() {
		if entry == "" {
			return
		}
		rows++
		answer, tests, _ := strings.Cut(entry, "|")
		names := regexp.MustCompile(`\b(Test|Fuzz|Benchmark)[A-Z]\w*`).FindAllString(tests, -1)
		if len(names) == 0 && !strings.Contains(tests, "by design") {
			t.Errorf("no test: %s", answer)
		}
		for _, name := range names {
			if !known[name] {
				t.Errorf("there is no %s: %s", name, answer)
			}
		}
	}
	for line := range strings.Lines(string(table)) {
		switch {
		case strings.HasPrefix(line, "//\t   "):
			entry += strings.TrimSpace(line[3:]) + " "
		case strings.HasPrefix(line, "//\t"):
			check()
			entry = strings.TrimSpace(line[3:]) + " "
		}
	}
	check()
	if rows < 60 {
		t.Errorf("%d rows", rows)
	}
}

// Limits hold before they are acknowledged, and the acknowledgment is not waited for much longer.
func TestUnacknowledgedSettings(t *testing.T) {
	p := newTestPeer(t, Limits{MaxConcurrentStreams: 2}, ws.Nop{})
	p.write(frame.Preface)
	p.send("SETTINGS")
	p.frames()
	p.open(1)
	p.open(3)
	p.headers(5, 0, p.connectFields())
	p.want("one is too many", "RST_STREAM 5 REFUSED_STREAM")
	p.later(p.core.limits.SettingsTimeout)
	p.want("a peer that never says so", `GOAWAY last=5 SETTINGS_TIMEOUT "rule settings_ack: SETTINGS not acknowledged in time (RFC 9113 §6.5.3)"`)
}

func TestSettingsWithManyParameters(t *testing.T) {
	for n, want := range map[int]string{
		settingsMax:     "SETTINGS ACK",
		settingsMax + 1: `GOAWAY last=0 ENHANCE_YOUR_CALM "rule settings: too many parameters"`,
	} {
		p := openTestPeer(t, Limits{}, nil)
		all := make([]frame.Setting, n)
		for i := range all {
			all[i] = frame.Setting{ID: frame.InitialWindowSize, Value: uint32(i)} // the last holds
		}
		p.write(string(frame.AppendSettings(nil, all...)))
		p.want("as often as there are settings, and more", want)
		if n == settingsMax && p.conn.peerInitial != settingsMax-1 {
			t.Errorf("INITIAL_WINDOW_SIZE is %d", p.conn.peerInitial)
		}
	}
}

// A GOAWAY of the peer gives up no budget.
func TestAbuseBehindGoAway(t *testing.T) {
	for r, flood := range floods {
		if r == RuleReset || r == RuleFault || r == RuleRefused {
			continue // streams opened behind it are not
		}
		t.Run(r.String(), func(t *testing.T) {
			p := openTestPeer(t, Limits{}, ws.Nop{})
			p.open(1)
			p.send("GOAWAY last=0 NO_ERROR")
			for n := range 40_000 {
				if p.conn.state != connOpen {
					break
				}
				p.write(string(flood(p, n)))
				p.out = nil
			}
			p.wantState("its budgets are used up", connLeaving)
		})
	}
	p := openTestPeer(t, Limits{}, ws.Nop{})
	for i := range uint32(1000) {
		p.headers(2*i+1, 0, p.connectFields())
	}
	p.send("GOAWAY last=0 NO_ERROR")
	for i := range uint32(1000) { // streams that are errors one by one
		p.send(fmt.Sprintf("WINDOW_UPDATE %d increment=0", 2*i+1))
		p.out = nil
	}
	p.wantState("so are those for errors of streams that were open", connLeaving)
	if got := p.core.stats.Rules[RuleFault]; got.Ended != 1 {
		t.Errorf("counted %+v", got)
	}
}

// A peer is told to make another connection before it has no ids left, and may use those that it has.
func TestLastStreamIDs(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	p.open(1<<31 - 1<<20 - 1)
	p.headers(1<<31-101, 0, p.connectFields())
	p.want("ids get scarce", "GOAWAY last=2147483647 NO_ERROR", "PING 0x647261696e696e67", "HEADERS 2147483547 END_HEADERS 0x88")
	p.headers(1<<31-99, 0, p.connectFields())
	p.want("once is enough", "HEADERS 2147483549 END_HEADERS 0x88")
	p.data(1<<31-99, 0, message(ws.OpText, "still here"))
	p.want("they are as good as others", `DATA 2147483549 0x810a "still here"`)
}

// HEADERS with nothing in them, again and again, and as many streams.
func TestEmptyHeaders(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	for i := range uint32(2 * 200) {
		if p.conn.state != connOpen {
			break
		}
		p.write(string(frame.AppendHeaders(nil, 2*i+1, 0, nil)))
		p.write(string(frame.AppendContinuation(nil, 2*i+1, frame.FlagEndHeaders, p.connectFields())))
	}
	p.wantState("they end it", connLeaving)
	if got := p.core.stats.Rules[RuleEmpty]; got.Ended != 1 {
		t.Errorf("counted %+v", got)
	}
}

// Field blocks beyond the budget are decoded as it leaks.
func TestFieldsAreSlowed(t *testing.T) {
	p := openTestPeer(t, Limits{}, ws.Nop{})
	start := p.core.now
	octets := 0
	for i := 0; octets < 30<<20; i++ {
		block := p.connectFields("x", fmt.Sprint(i, strings.Repeat("v", 8000)))
		octets += len(block)
		p.headers(uint32(2*i+1), 0, block)
		p.data(uint32(2*i+1), frame.FlagEndStream, message(ws.OpClose, ""))
		p.out = nil
		if p.conn.slowed() {
			p.later(p.conn.ledger.slowUntil - p.core.now)
		}
	}
	p.wantState("large fields alone end nothing", connOpen)
	if rate := float64(octets) / (p.core.now - start).Seconds(); rate > 2<<20 {
		t.Errorf("%.0f octets a second", rate)
	}
	for r, got := range p.core.stats.Rules {
		if (got.Slowed > 0) != (Rule(r) == RuleFields) || got.Drained+got.Ended > 0 {
			t.Errorf("rule %v: %+v", Rule(r), got)
		}
	}
}

// What keeps the loop for long is read in small parts, and when it does not any more in large ones again.
func TestReadsAreFair(t *testing.T) {
	var w wire
	size := w.readNext()
	for range 10 {
		w.took(readTime + 1)
		if n := w.readNext(); n > size || n < readSize>>shareMax {
			t.Fatalf("%d octets after %d", n, size)
		}
		size = w.readNext()
	}
	if size != readSize>>shareMax {
		t.Errorf("%d octets", size)
	}
	w.took(readTime / 2)
	if w.readNext() != size {
		t.Error("it flaps")
	}
	w = wire{}
	if w.took(10 * readTime); w.readNext() != readSize>>shareMax {
		t.Errorf("%d octets after a read that took ten times too long", w.readNext())
	}
	for range shareMax {
		w.took(time.Microsecond)
	}
	if w.readNext() != readSize {
		t.Errorf("%d octets", w.readNext())
	}
}

// BenchmarkSettings is one SETTINGS frame that changes INITIAL_WINDOW_SIZE, with 300,000 open streams.
func BenchmarkSettings(b *testing.B) {
	r := newRig(b, ws.Funcs{}, 300_000)
	frames := [2][]byte{
		frame.AppendSettings(nil, frame.Setting{ID: frame.InitialWindowSize, Value: 65535}),
		frame.AppendSettings(nil, frame.Setting{ID: frame.InitialWindowSize, Value: 0}),
	}
	i := 0
	for b.Loop() {
		r.recv(frames[i&1])
		if i++; i%256 == 0 {
			r.turn()
		}
	}
}
