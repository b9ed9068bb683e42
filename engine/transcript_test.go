package engine

import (
	"bytes"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	xhpack "golang.org/x/net/http2/hpack"

	"h2ws/engine/frame"
	"h2ws/hpack"
	"h2ws/ws"
)

var update = flag.Bool("update", false, "write what the server says into the golden transcripts")

// Golden transcripts are dialogues in testdata/transcripts, one file per section of an RFC. A line is
//
//	# comment
//	[open] sentence    begins a dialogue: a connection on which SETTINGS have been exchanged
//	[new] sentence     the same, from the first octet on
//	[sniff] sentence   a connection of which nobody knows what it will speak
//	[raw PATH] sentence  a WebSocket over HTTP/1.1, from its opening handshake's decision on
//	> FRAME            the peer says a frame in the notation of package frame, where "{name: value}" among its
//	                   octets is a field, encoded without state, {connect} an opening handshake and {get} a plain
//	                   request; or octets, as 0x... and "..."
//	>> FRAME           the same, in one flight with the line before
//	< FRAME            the server says a frame; a field block is written as fields; or octets of no frame, as "..."
//	! callback         the handler hears
//	= leaving, = lost  the server has said its last, or gives the connection up
//	= guest            the server gives the connection to HTTP/1.1's
//	+5s                time passes
//	@drain             the server is shut down
//	@accept N          the application accepts the N-th handshake that it deferred
//	@reject N
//
// A flight is given to the server whole, octet by octet, and cut at random; each time the server says exactly the
// same. -update writes the server's lines.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dialogues := parseTranscript(string(text))
			if *update {
				var golden strings.Builder
				for _, d := range dialogues {
					golden.WriteString(d.replay(t, wholeCut, nil))
				}
				if err := os.WriteFile(file, []byte(golden.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			for _, d := range dialogues {
				if d.name != "" {
					t.Run(d.name, d.test)
				}
			}
		})
	}
}

// dialogue is the lines of a transcript from one [open] or [new] to the next.
type dialogue struct {
	name  string // "": what comes before the first
	lines []string
}

func parseTranscript(text string) (all []dialogue) {
	all = append(all, dialogue{})
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if _, name, ok := strings.Cut(line, "] "); ok && line[0] == '[' {
			all = append(all, dialogue{name: name})
		}
		last := &all[len(all)-1]
		last.lines = append(last.lines, line)
	}
	return all
}

func (d dialogue) test(t *testing.T) {
	want := strings.Join(d.lines, "\n") + "\n"
	seed := fnv.New64a()
	seed.Write([]byte(d.name))
	random := rand.New(rand.NewPCG(seed.Sum64(), 0))
	cuts := map[string]func(int) int{"whole": wholeCut, "octet by octet": func(int) int { return 1 }}
	for i := range 8 {
		most := 1 << (i + 1)
		cuts[fmt.Sprintf("cut at random, up to %d", most)] = func(n int) int { return min(n, 1+random.IntN(most)) }
	}
	for how, cut := range cuts {
		if got := d.replay(t, cut, nil); got != want {
			t.Errorf("%s:\n%s", how, firstDifference(got, want))
		}
	}
}

func wholeCut(n int) int { return n }

// firstDifference shows where two texts part.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("%s\n got %s\nwant %s", strings.Join(w[:i], "\n"), g[i], w[i])
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(g), len(w))
}

// replay plays the dialogue against a new server, flights cut by cut, and returns it with what the server said. begin, if
// not nil, is given each connection.
func (d dialogue) replay(t *testing.T, cut func(n int) int, begin func(*transcriptPeer)) string {
	var out strings.Builder
	var p *transcriptPeer
	var flight []byte
	was := connOpening
	report := func() {
		if p == nil {
			return
		}
		p.report(&out)
		if p.conn.state != was && p.conn.state >= connLeaving {
			what := [...]string{connLeaving: "= leaving\n", connLost: "= lost\n"}[p.conn.state]
			if p.conn.cause == errGuest {
				what = "= guest\n"
			}
			out.WriteString(what)
		}
		was = p.conn.state
	}
	land := func() {
		if len(flight) == 0 {
			return
		}
		for n := 0; len(flight) > 0; flight = flight[n:] {
			n = cut(len(flight))
			p.write(string(flight[:n]))
		}
		report()
	}
	for _, line := range d.lines {
		if line != "" && strings.Contains("<!=", line[:1]) {
			continue // said anew
		}
		if !strings.HasPrefix(line, ">>") {
			land()
		}
		out.WriteString(line + "\n")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			kind, _, _ := strings.Cut(line[1:], "]")
			p = newTranscriptPeer(t, kind)
			was = p.conn.state
			if begin != nil {
				begin(p)
			}
			report()
		case line[0] == '>':
			flight = append(flight, parsePeerLine(t, strings.TrimLeft(line, ">"))...)
		case line[0] == '+':
			p.later(parseDuration(t, line[1:]))
			report()
		case line[0] == '@':
			p.act(t, line[1:])
			report()
		default:
			t.Fatalf("what is this? %s", line)
		}
	}
	land()
	return out.String()
}

// act is what the application or the server does of its own accord.
func (p *transcriptPeer) act(t *testing.T, line string) {
	what, number, _ := strings.Cut(line, " ")
	i, _ := strconv.Atoi(number)
	if i > len(p.pendings) && p.broken != nil {
		return // the handshake did not come
	}
	switch what {
	case "drain":
		p.core.box.call(p.conn.startDrain)
	case "accept":
		p.logf("Accept: %v", p.pendings[i-1].Accept(ws.AcceptOptions{}))
	case "reject":
		p.logf("Reject: %v", p.pendings[i-1].Reject(403, "not you"))
	default:
		t.Fatalf("what is this? @%s", line)
	}
	p.settle()
}

func parseDuration(t testing.TB, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// transcriptLimits make refusals short.
var transcriptLimits = Limits{MaxConcurrentStreams: 3, MessageSize: 1024, Queue: ws.QueueLimits{MaxMessages: 8}, IdleTimeout: -1}

// transcriptPeer keeps the handshakes that were deferred.
type transcriptPeer struct {
	testPeer
	pendings []*ws.Pending
}

func newTranscriptPeer(t *testing.T, kind string) *transcriptPeer {
	p := &transcriptPeer{}
	h := ws.Funcs{
		Handshake: func(r *ws.Request) {
			if r.Path == "/later" {
				p.pendings = append(p.pendings, r.Defer())
				return
			}
			transcriptHandshake(r)
		},
		Open: func(c *ws.Conn) { p.logf("open") },
		Message: func(c *ws.Conn, m ws.Message) {
			p.logf("%v %q", m.Type, m.Data)
			transcriptCommand(c, m)
		},
		Close: func(c *ws.Conn, err error) { p.logf("close: %v", err) },
	}
	switch kind, path, _ := strings.Cut(kind, " "); kind {
	case "open":
		p.testPeer = *openTestPeer(t, transcriptLimits, h)
	case "new":
		p.testPeer = *newTestPeer(t, transcriptLimits, h)
	case "sniff":
		p.testPeer = *newUnconnectedPeer(t, transcriptLimits, h)
		p.sniff()
	case "raw":
		p.testPeer = *newUnconnectedPeer(t, transcriptLimits, h)
		p.upgrade(path)
	default:
		t.Fatalf("what is [%s]?", kind)
	}
	return p
}

// transcriptHandshake accepts and refuses by path.
func transcriptHandshake(r *ws.Request) {
	switch r.Path {
	case "/panic":
		panic("handshake")
	case "/nowhere":
		r.Reject(404, "no such path")
	case "/method":
		r.Reject(405, "not this way")
	case "/subprotocol":
		r.Accept(ws.AcceptOptions{Subprotocol: r.Subprotocols()[0], Header: []ws.Field{{Name: "x-app", Value: "1"}}})
	}
}

// transcriptCommand echoes messages, except commands.
func transcriptCommand(c *ws.Conn, m ws.Message) {
	word, rest, _ := strings.Cut(string(m.Data), " ")
	switch word {
	case "!panic":
		panic("message")
	case "!close":
		code, _ := strconv.Atoi(rest)
		c.Close(ws.CloseCode(code), "server says so")
	case "!send":
		n, _ := strconv.Atoi(rest)
		for i := range n {
			c.Send(ws.Text, fmt.Append(nil, i))
		}
	default:
		c.Send(m.Type, m.Data)
	}
}

// Fields of requests that most dialogues begin with.
const (
	connectWords = "{:method: CONNECT} {:protocol: websocket} {:scheme: https} {:authority: example.com} {:path: /} {sec-websocket-version: 13}"
	getWords     = "{:method: GET} {:scheme: https} {:authority: example.com} {:path: /}"
)

// parsePeerLine returns the octets of what follows ">".
func parsePeerLine(t testing.TB, line string) []byte {
	line = strings.NewReplacer("{connect}", connectWords, "{get}", getWords).Replace(line)
	for {
		open, shut := strings.IndexByte(line, '{'), strings.IndexByte(line, '}')
		if open < 0 || shut < open {
			break
		}
		name, value, ok := strings.Cut(line[open+1:shut], ": ")
		if !ok {
			t.Fatalf("no field: %s", line)
		}
		line = fmt.Sprintf("%s0x%x%s", line[:open], hpack.AppendField(nil, name, value), line[shut+1:])
	}
	line = strings.TrimSpace(line)
	if line == "PREFACE" {
		return []byte(frame.Preface)
	}
	if line[0] == '"' || strings.HasPrefix(line, "0x") {
		// The octets of no frame: those of a RAW one behind its header.
		wire, err := frame.ParseText("RAW length=0 type=0xff flags=0x00 stream=0 " + line)
		if err != nil {
			t.Fatal(err)
		}
		return wire[frame.HeaderLen:]
	}
	wire, err := frame.ParseText(line)
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

// report writes what the handler has heard and the server has said since the last report.
func (p *testPeer) report(out *strings.Builder) {
	for _, line := range p.log {
		fmt.Fprintf(out, "! %s\n", line)
	}
	p.log = nil
	if p.conn.proto != protoHTTP2 {
		if len(p.out) > 0 {
			fmt.Fprintf(out, "< %+q\n", p.out)
		}
		p.out = nil
		return
	}
	wire := slices.Clone(p.out)
	for _, line := range p.frames() {
		h, n := frame.ConsumeHeader(wire)
		payload := wire[n : n+int(h.Length)]
		wire = wire[n+int(h.Length):]
		if h.Type == frame.Headers {
			line = headersText(p.t, h, payload)
		}
		fmt.Fprintf(out, "< %s\n", line)
	}
}

// headersText writes a HEADERS frame with its fields in words.
func headersText(t *testing.T, h frame.Header, block []byte) string {
	bare := h
	bare.Length = 0
	line := bytes.NewBuffer(frame.AppendText(nil, bare, nil))
	fields, err := xhpack.NewDecoder(0, nil).DecodeFull(block)
	if err != nil {
		t.Fatalf("the server's field block %x: %v", block, err)
	}
	for _, f := range fields {
		fmt.Fprintf(line, " {%s: %s}", f.Name, f.Value)
	}
	return line.String()
}
