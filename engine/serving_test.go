package engine

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"h2ws/engine/frame"
)

// served is a scripted peer of a server whose handlers are played by the test, too: there are no goroutines. What
// would wait is a mistake of the test.
type served struct {
	*testPeer
	exchanges []*exchange // in the order of starting
	before    int64       // held
}

// openServed is a peer that has exchanged SETTINGS. When the test ends, whatever way the requests went must have
// left nothing in the accounts.
func openServed(t *testing.T, l Limits, settings ...string) *served {
	p := &served{testPeer: newTestPeer(t, l, nil), before: held.Load()}
	p.core.http = newService(http.NotFoundHandler(), p.core.limits, p.core.log)
	p.core.http.start = func(x *exchange) { p.exchanges = append(p.exchanges, x) }
	p.testPeer.write(frame.Preface)
	p.send(append([]string{"SETTINGS"}, settings...)...)
	p.send("SETTINGS ACK")
	p.out = nil
	t.Cleanup(p.end)
	return p
}

func (p *served) end() {
	p.conn.lose(io.EOF)
	for _, x := range p.exchanges {
		x.abort()
	}
	p.settle()
	p.core.end()
	if n := held.Load() - p.before; n != 0 {
		p.t.Errorf("%d octets are left in the account of memory", n)
	}
	if serving, running := p.conn.plains().serving.Load(), p.core.http.running.Load(); serving != 0 || running != 0 {
		p.t.Errorf("%d requests and %d handlers are left", serving, running)
	}
}

// writer plays the ResponseWriter of the i-th request.
func (p *served) writer(i int) *responseWriter {
	x := p.exchanges[i]
	return &responseWriter{x: x, header: http.Header{"Date": nil}, length: -1, head: x.request.Method == "HEAD"}
}

// read plays a handler that reads up to n octets of the i-th body.
func (p *served) read(i, n int) string {
	p.t.Helper()
	b := make([]byte, n)
	m, err := requestBody{p.exchanges[i]}.Read(b)
	p.settle()
	if err != nil {
		return fmt.Sprintf("%s%v", b[:m], err)
	}
	return string(b[:m])
}

// say sends lines of a transcript.
func (p *served) say(lines ...string) {
	p.t.Helper()
	for _, line := range lines {
		p.write(string(parsePeerLine(p.t, line)))
	}
}

const (
	postWords = "{:method: POST} {:scheme: https} {:authority: example.com} {:path: /}"
	headWords = "{:method: HEAD} {:scheme: https} {:authority: example.com} {:path: /}"
)

func (p *served) get(id uint32)  { p.say(fmt.Sprintf("HEADERS %d END_HEADERS|END_STREAM {get}", id)) }
func (p *served) post(id uint32) { p.say(fmt.Sprintf("HEADERS %d END_HEADERS %s", id, postWords)) }

// hears compares what the server says with lines of a transcript.
func (p *served) hears(why string, lines ...string) {
	p.t.Helper()
	p.settle()
	p.log = nil
	var out strings.Builder
	p.report(&out)
	got := strings.TrimSuffix(strings.ReplaceAll("\n"+out.String(), "\n< ", "\n"), "\n")
	want := ""
	for _, line := range lines {
		if !strings.Contains(line, "{") {
			line = canonical(p.t, line)
		}
		want += "\n" + line
	}
	if got != want {
		p.t.Fatalf("%s:\n got %s\nwant %s", why, got, want)
	}
}

func TestServingResponse(t *testing.T) {
	p := openServed(t, Limits{})
	p.get(1)
	p.hears("the handler has it")
	w := p.writer(0)
	io.WriteString(w, "hello")
	p.hears("so little is collected")
	w.finish()
	p.hears("its length is known",
		"HEADERS 1 END_HEADERS {:status: 200} {content-length: 5} {content-type: text/plain; charset=utf-8}",
		`DATA 1 END_STREAM "hello"`)
	if p.conn.streams.len() != 0 || p.conn.plain.find(1) != nil {
		t.Error("the stream is still there")
	}
}

func TestServingEnds(t *testing.T) {
	p := openServed(t, Limits{})
	p.get(1)
	p.writer(0).finish()
	p.hears("no content: HEADERS end the stream", "HEADERS 1 END_STREAM|END_HEADERS {:status: 200} {content-length: 0}")

	p.say("HEADERS 3 END_HEADERS|END_STREAM " + headWords)
	w := p.writer(1)
	io.WriteString(w, "hello")
	w.finish()
	p.hears("HEAD", "HEADERS 3 END_STREAM|END_HEADERS {:status: 200} {content-length: 5} {content-type: text/plain; charset=utf-8}")

	p.get(5)
	w = p.writer(2)
	io.WriteString(w, "a")
	w.Flush()
	p.hears("what is flushed is sent", "HEADERS 5 END_HEADERS {:status: 200} {content-type: text/plain; charset=utf-8}", `DATA 5 "a"`)
	w.finish()
	p.hears("END_STREAM alone", "DATA 5 END_STREAM")

	p.get(7)
	w = p.writer(3)
	w.header.Set("Trailer", "x-sum")
	io.WriteString(w, "a")
	w.Flush()
	w.header.Set("X-Sum", "1")
	w.finish()
	p.hears("trailers", "HEADERS 7 END_HEADERS {:status: 200} {content-type: text/plain; charset=utf-8} {trailer: x-sum}",
		`DATA 7 "a"`, "HEADERS 7 END_STREAM|END_HEADERS {x-sum: 1}")

	p.post(9)
	w = p.writer(4)
	w.WriteHeader(204)
	w.finish()
	p.hears("the response is complete", "HEADERS 9 END_STREAM|END_HEADERS {:status: 204}")
	if n := p.conn.plain.serving.Load(); n != 0 {
		t.Errorf("%d slots are taken by requests that are answered", n)
	}
	p.say(`DATA 9 "late"`)
	p.later(5 * time.Second)
	p.hears("the peer is told to stop", "RST_STREAM 9 NO_ERROR")
	p.say(`DATA 9 END_STREAM "later"`)
	p.hears("what was on its way is ignored")
}

// What goroutines of a handler do when it has returned has no effect.
func TestServingBehindTheEnd(t *testing.T) {
	p := openServed(t, Limits{}, "SETTINGS INITIAL_WINDOW_SIZE=0")
	p.post(1)
	p.data(1, 0, []byte("body"))
	w := p.writer(0)
	io.WriteString(w, "all")
	w.finish()
	w.Write(make([]byte, 5000))
	if err := w.FlushError(); !errors.Is(err, errReturned) {
		t.Errorf("Flush: %v", err)
	}
	if err := w.SetWriteDeadline(time.Now()); !errors.Is(err, errReturned) {
		t.Errorf("SetWriteDeadline: %v", err)
	}
	if _, err := (requestBody{w.x}).Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("Read: %v", err)
	}
	p.settle()
	p.later(0)
	p.frames()
	p.send("WINDOW_UPDATE 1 increment=100")
	p.hears("the response is as it was", `DATA 1 END_STREAM "all"`)
}

func TestServingFields(t *testing.T) {
	p := openServed(t, Limits{})
	p.get(1)
	w := p.writer(0)
	h := w.header
	h.Set("Connection", "close")
	h.Set("Keep-Alive", "timeout=5")
	h.Set("Proxy-Connection", "close")
	h.Set("Transfer-Encoding", "chunked")
	h.Set("Upgrade", "h2c")
	h.Set("X-Good", " tab\tand umlaut \xfc ")
	h["x-raw"] = []string{"1", "2"}
	h["X-Bad"] = []string{"a\r\nset-cookie: evil=1", "a\nb", "a\x00b", "good"}
	h["bad name"] = []string{"x"}
	h["bad\r\nname"] = []string{"x"}
	h[":status"] = []string{"201"}
	h[""] = []string{"x"}
	h.Set("Content-Length", "x")
	h.Set("Set-Cookie", "a=1")
	h.Add("Set-Cookie", "b=2")
	w.finish()
	p.hears("what must not be sent is not",
		"HEADERS 1 END_STREAM|END_HEADERS {:status: 200} {content-length: 0} {set-cookie: a=1} {set-cookie: b=2} {x-bad: good} {x-good: tab\tand umlaut \xfc} {x-raw: 1} {x-raw: 2}")
}

func TestServingWindows(t *testing.T) {
	p := openServed(t, Limits{}, "SETTINGS INITIAL_WINDOW_SIZE=0")
	p.get(1)
	w := p.writer(0)
	const fields = "HEADERS 1 END_HEADERS {:status: 200} {content-type: text/plain; charset=utf-8}"
	for range 5 {
		io.WriteString(w, "ab")
		w.Flush()
	}
	p.hears("fields need no window, the body does", fields)
	p.send("WINDOW_UPDATE 1 increment=3")
	p.hears("three octets", `DATA 1 "aba"`)
	io.WriteString(w, "last")
	w.finish()
	p.hears("the window is used up")
	p.send("WINDOW_UPDATE 1 increment=11")
	p.hears("all in one frame, and the end of the stream with it", `DATA 1 END_STREAM "bababablast"`)
}

// Nothing is framed that the socket does not take, and what is written meanwhile makes full frames.
func TestServingIsPulled(t *testing.T) {
	p := openServed(t, Limits{})
	p.get(1)
	p.room = 0
	w := p.writer(0)
	for range 300 {
		io.WriteString(w, strings.Repeat("x", 100))
		w.Flush()
		p.settle()
	}
	if n := p.core.segments.used; n > 2 {
		t.Errorf("%d segments for a socket that takes nothing", n)
	}
	w.finish()
	p.room = -1
	p.conn.touch()
	p.settle()
	var sizes []uint32
	for len(p.out) > 0 {
		h, n := frame.ConsumeHeader(p.out)
		p.out = p.out[n+int(h.Length):]
		if h.Type == frame.Data {
			sizes = append(sizes, h.Length)
		}
	}
	if len(sizes) > 4 {
		t.Errorf("DATA frames of %d octets", sizes)
	}
}

func TestServingWaits(t *testing.T) {
	p := openServed(t, Limits{ResponseBuffer: 10000}, "SETTINGS INITIAL_WINDOW_SIZE=0")
	p.get(1)
	w := p.writer(0)
	w.Write(make([]byte, 9000))
	x := p.exchanges[0]
	if x.pending < 9000 || x.pending >= 10000 {
		t.Fatalf("%d octets wait, want the body and not much more", x.pending)
	}
	p.hears("the fields", "HEADERS 1 END_HEADERS {:status: 200} {content-type: application/octet-stream}")
	p.send("WINDOW_UPDATE 1 increment=100000")
	if p.frames(); x.pending != 0 {
		t.Errorf("%d octets wait, want none", x.pending)
	}
}

func TestServingCredit(t *testing.T) {
	const window = 65535
	p := openServed(t, Limits{})
	p.post(1)
	for range 3 {
		p.data(1, 0, make([]byte, 16384))
	}
	p.data(1, 0, make([]byte, window-3*16384))
	if got := p.credits()[1]; got != 0 {
		t.Fatalf("%d octets of credit before the handler has read any", got)
	}
	p.read(0, window/creditShare-1)
	p.hears("too little to speak of")
	p.read(0, 1)
	p.hears("a quarter is", fmt.Sprintf("WINDOW_UPDATE 1 increment=%d", window/creditShare))
	for p.exchanges[0].body.len() > 0 {
		p.read(0, 100)
	}
	if got := p.credits()[1]; got < window/2 {
		t.Errorf("%d octets of credit for the rest", got)
	}
	p.data(1, frame.FlagEndStream, []byte("end"))
	if got := p.read(0, 10) + p.read(0, 10); got != "endEOF" {
		t.Errorf("the end of the body is %q", got)
	}
	p.hears("a body that has ended needs no credit")
}

// Padding is nothing that a handler can read, and takes from the window.
func TestServingPaddingIsCredited(t *testing.T) {
	p := openServed(t, Limits{})
	p.post(1)
	credit := 0
	for range 2000 {
		p.write(padded(1, "x", 255))
		p.read(0, 10)
		credit += p.credits()[1]
	}
	if p.conn.state != connOpen || p.conn.streams.find(1) == nil || credit < 2000*257-65535 {
		t.Errorf("%d octets of credit for 2000 frames of 257", credit)
	}
}

func TestServingBodyErrors(t *testing.T) {
	for name, test := range map[string]struct {
		send []string
		want string // what the handler reads
		says []string
	}{
		"reset":     {[]string{`DATA 1 "some"`, "RST_STREAM 1 CANCEL"}, "RST_STREAM CANCEL", nil},
		"too short": {[]string{`DATA 1 END_STREAM "some"`}, "content-length", []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
		"too long":  {[]string{`DATA 1 "eleven octs"`}, "content-length", []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
		"trailers":  {[]string{`DATA 1 "ten octets"`, "HEADERS 1 END_HEADERS|END_STREAM {x-sum: 1}"}, "ten octets", nil},
		"bad trailers": {[]string{`DATA 1 "ten octets"`, "HEADERS 1 END_HEADERS|END_STREAM {:path: /}"}, "pseudo-header",
			[]string{"RST_STREAM 1 PROTOCOL_ERROR"}},
		"connection": {[]string{"DATA 0"}, "", []string{`GOAWAY last=1 PROTOCOL_ERROR "DATA: stream 0 (RFC 9113 §6.1)"`}},
	} {
		t.Run(name, func(t *testing.T) {
			p := openServed(t, Limits{})
			p.say("HEADERS 1 END_HEADERS " + postWords + " {content-length: 10}")
			p.say(test.send...)
			if got := p.read(0, 100); !strings.Contains(got, test.want) {
				t.Errorf("the handler reads %q, want %q", got, test.want)
			}
			p.hears("the answer", test.says...)
			x := p.exchanges[0]
			if name == "trailers" {
				return
			}
			if x.ctx.Err() == nil || x.lost == nil {
				t.Errorf("the handler does not hear of it")
			}
			if _, err := p.writer(0).Write(make([]byte, 5000)); err == nil {
				t.Error("Write goes on")
			}
			p.hears("nothing more is said")
		})
	}
}

func TestServingRequestSize(t *testing.T) {
	p := openServed(t, Limits{RequestSize: 6})
	p.say("HEADERS 1 END_HEADERS " + postWords + " {content-length: 7}")
	p.hears("what says that it is too large does not reach a handler",
		"HEADERS 1 END_HEADERS {:status: 413} {content-type: text/plain; charset=utf-8}",
		`DATA 1 END_STREAM "413 request body too large" 0x0a`)
	p.post(3)
	p.say(`DATA 3 "1234"`, `DATA 3 "5678"`, `DATA 3 "9"`)
	if got := p.read(0, 10); got != "123456" {
		t.Errorf("the handler reads %q", got)
	}
	_, err := requestBody{p.exchanges[0]}.Read(make([]byte, 1))
	if e := (*http.MaxBytesError)(nil); !errors.As(err, &e) || e.Limit != 6 {
		t.Errorf("and then %v", err)
	}
	w := p.writer(0)
	http.Error(w, "enough", http.StatusRequestEntityTooLarge)
	w.finish()
	p.settle()
	if got := p.frames(); len(got) != 2 {
		t.Errorf("the response: %q", got)
	}
	if stats := p.core.stats; stats.RequestsServed != 1 || stats.RequestsRefused != 1 {
		t.Errorf("%+v", stats)
	}
}

func TestServingDeadline(t *testing.T) {
	p := openServed(t, Limits{RequestTimeout: 3 * time.Second, PingInterval: -1})
	p.get(1)
	p.later(time.Second)
	p.get(3)
	w := p.writer(1)
	w.WriteHeader(103)
	io.WriteString(w, "begun")
	w.Flush()
	p.say("HEADERS 5 END_HEADERS|END_STREAM " + headWords)
	p.get(7)
	p.writer(3).SetWriteDeadline(time.Time{})
	p.settle()
	p.frames()
	if d := p.conn.deadline(); d != p.core.now+2*time.Second {
		t.Errorf("the next deadline is in %v, want 2 s", d-p.core.now)
	}
	p.later(2 * time.Second)
	p.hears("nothing was sent: 503", "HEADERS 1 END_HEADERS {:status: 503} {content-type: text/plain; charset=utf-8}",
		`DATA 1 END_STREAM "503 the request took too long" 0x0a`)
	p.later(time.Second)
	p.hears("something was: RST_STREAM", "RST_STREAM 3 CANCEL", "HEADERS 5 END_HEADERS {:status: 503}", "DATA 5 END_STREAM")
	for i := range 3 {
		if p.exchanges[i].ctx.Err() == nil {
			t.Errorf("the context of request %d goes on", i)
		}
	}
	p.later(time.Hour)
	p.hears("without a deadline there is none")
	p.writer(3).SetWriteDeadline(time.Now().Add(290 * 365 * 24 * time.Hour))
	p.settle()
	p.later(time.Hour)
	p.hears("nor with one that no clock here will ever show")
	p.writer(3).SetWriteDeadline(time.Now().Add(-1))
	p.settle()
	p.later(0)
	if got := p.frames(); len(got) != 2 || p.core.stats.RequestsExpired != 4 {
		t.Errorf("the handler has set one: %q, %d expired", got, p.core.stats.RequestsExpired)
	}
	if n := p.core.http.running.Load(); n != 4 {
		t.Errorf("%d handlers are in the count, want those that have not returned: 4", n)
	}
}

// A slot is taken until the handler has returned and the response is sent: neither resets nor peers that do not read
// make room for more.
func TestServingSlots(t *testing.T) {
	const refused = "{:status: 503} {retry-after: 1} {content-type: text/plain; charset=utf-8}"
	p := openServed(t, Limits{RequestsConn: 2, Requests: 3}, "SETTINGS INITIAL_WINDOW_SIZE=0")
	p.get(1)
	p.get(3)
	p.send("RST_STREAM 1 CANCEL")
	p.get(5)
	p.hears("reset, and the handler has not returned", "HEADERS 5 END_HEADERS "+refused)
	p.exchanges[0].abort()
	p.get(7)
	w := p.writer(1)
	io.WriteString(w, "response")
	w.finish()
	p.settle()
	p.frames()
	p.get(9)
	p.hears("the handler has returned, and the response is not sent", "HEADERS 9 END_HEADERS "+refused)
	p.send("WINDOW_UPDATE 3 increment=100")
	p.frames()
	p.get(11)
	if p.hears("now there is room"); len(p.exchanges) != 4 {
		t.Errorf("%d requests were served, want 4", len(p.exchanges))
	}
	other := p.conn
	p.connect()
	p.write(frame.Preface)
	p.send("SETTINGS", "SETTINGS ACK", "SETTINGS INITIAL_WINDOW_SIZE=0")
	p.get(1)
	p.out = nil
	p.say("HEADERS 3 END_HEADERS|END_STREAM " + headWords)
	p.hears("three handlers run", "HEADERS 3 END_HEADERS {:status: 503} {retry-after: 1}", "DATA 3 END_STREAM")
	if stats := p.core.stats; stats.RequestsServed != 5 || stats.RequestsRefused != 3 {
		t.Errorf("%d served, %d refused", stats.RequestsServed, stats.RequestsRefused)
	}
	other.lose(io.EOF)
}

func TestServingLargeFields(t *testing.T) {
	p := openServed(t, Limits{})
	p.get(1)
	w := p.writer(0)
	w.header.Set("X-Large", strings.Repeat("x", 40000))
	io.WriteString(w, "body")
	w.finish()
	p.settle()
	var got []string
	for len(p.out) > 0 {
		h, n := frame.ConsumeHeader(p.out)
		p.out = p.out[n+int(h.Length):]
		got = append(got, fmt.Sprint(h.Type, h.Length <= frame.MaxPayloadMin, h.Flags.Has(frame.FlagEndHeaders)))
	}
	if s := fmt.Sprint(got); s != "[HEADERS true false CONTINUATION true false CONTINUATION true true DATA true false]" {
		t.Errorf("fields larger than a frame: %s", s)
	}
	p.get(3)
	w = p.writer(1)
	w.header.Set("X-Large", strings.Repeat("x", 70000))
	w.Write(make([]byte, 5000))
	if _, err := w.Write(make([]byte, 5000)); !errors.Is(err, errHeaderSize) {
		t.Errorf("Write behind fields that are too large: %v", err)
	}
	w.finish()
	p.hears("larger than the buffer", "HEADERS 3 END_STREAM|END_HEADERS {:status: 500}")
	p.send("SETTINGS MAX_HEADER_LIST_SIZE=200", "SETTINGS MAX_HEADER_LIST_SIZE=100")
	p.frames()
	p.get(5)
	w = p.writer(2)
	w.header.Set("X-Less", strings.Repeat("x", 100))
	w.WriteHeader(103)
	w.finish()
	p.hears("larger than the peer accepts: no 103", "HEADERS 5 END_STREAM|END_HEADERS {:status: 500}")
}

func TestServingAbort(t *testing.T) {
	p := openServed(t, Limits{})
	p.get(1)
	p.exchanges[0].abort()
	p.hears("at once", "RST_STREAM 1 INTERNAL_ERROR")
	p.get(3)
	w := p.writer(1)
	w.Write(make([]byte, 5000))
	p.exchanges[1].abort()
	p.settle()
	if got := p.frames(); got[len(got)-1] != "RST_STREAM 3 INTERNAL_ERROR" {
		t.Errorf("behind a part of the response: %q", got)
	}
	p.get(5)
	w = p.writer(2)
	w.header.Set("Content-Length", "10")
	io.WriteString(w, "less")
	w.finish()
	p.hears("less than announced", "RST_STREAM 5 INTERNAL_ERROR")
	p.get(7)
	io.WriteString(p.writer(3), "never sent")
	p.writer(3).fail()
	p.settle()
	var out strings.Builder
	if p.report(&out); !strings.HasPrefix(out.String(), "< HEADERS 7 END_HEADERS {:status: 500} {content-length: 19}") ||
		!strings.HasSuffix(out.String(), "< DATA 7 END_STREAM \"500 internal error\" 0x0a\n") {
		t.Errorf("a panic before the response: %s", out.String())
	}
}

// A connection that leaves says nothing behind its GOAWAY, whatever its handlers do.
func TestServingOnALeavingConnection(t *testing.T) {
	p := openServed(t, Limits{})
	for id := uint32(1); id < 12; id += 2 {
		p.post(id)
		p.data(id, 0, make([]byte, 16000))
		p.data(id, 0, make([]byte, 16000))
	}
	p.frames()
	p.conn.recv([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00")) // DATA on stream 0
	requestBody{p.exchanges[0]}.Read(make([]byte, 30000))
	p.writer(1).finish()
	p.exchanges[2].abort()
	p.writer(3).Flush()
	p.writer(4).SetWriteDeadline(time.Unix(0, 0))
	p.core.deliver()
	p.conn.expire()
	p.settle()
	if got := p.frames(); len(got) != 1 || !strings.HasPrefix(got[0], "GOAWAY") {
		t.Errorf("the server says %q", got)
	}
	for i, x := range p.exchanges {
		if x.lost == nil {
			t.Errorf("handler %d does not know", i)
		}
	}
}

// What waits of responses is given up when the process holds too much, with the streams.
func TestServingMemoryRelief(t *testing.T) {
	p := openServed(t, Limits{MemorySize: held.Load() + 100_000}, "SETTINGS INITIAL_WINDOW_SIZE=0")
	for id := uint32(1); id < 10; id += 2 {
		p.get(id)
		p.writer(len(p.exchanges) - 1).Write(make([]byte, 30000))
	}
	p.settle()
	if n := held.Load() - p.before; n > 100_000 || p.core.stats.MemoryReliefs == 0 {
		t.Errorf("%d octets wait, %d reliefs", n, p.core.stats.MemoryReliefs)
	}
	if n := p.conn.streams.len(); n != 3 {
		t.Errorf("%d of 5 responses are left, want 3", n)
	}
}

func TestServingDrain(t *testing.T) {
	p := openServed(t, Limits{})
	p.get(1)
	p.drain()
	p.send("PING ACK 0x647261696e696e67")
	p.frames()
	p.later(time.Second)
	w := p.writer(0)
	w.finish()
	p.hears("the request is answered, and then the connection ends",
		"HEADERS 1 END_STREAM|END_HEADERS {:status: 200} {content-length: 0}", "GOAWAY last=1 NO_ERROR")
}
