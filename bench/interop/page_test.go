package interop

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"h2ws/ws"
)

func TestChromium(t *testing.T) {
	certificate, spki := newCertificate(t)
	// It opens a connection that offers nothing but HTTP/1.1 then.
	(&visit{browser: startChromium(t, spki), certificate: certificate, fresh: "http/1.1"}).check(t)
}

func TestFirefox(t *testing.T) {
	certificate, _ := newCertificate(t)
	(&visit{browser: startFirefox(t), certificate: certificate, fresh: "h2"}).check(t)
}

// A visit is a browser on our pages.
type visit struct {
	browser
	certificate tls.Certificate
	fresh       string // protocol of a socket to an origin with which the browser has no HTTP/2 session
}

// check runs what must hold in every browser, each on an origin of its own.
func (v *visit) check(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *front)
	}{
		{"page over h2", v.checkPage},
		{"socket of the same origin over h2", v.checkSameOrigin},
		{"socket of a fresh origin over " + strings.ReplaceAll(v.fresh, "/", " "), v.checkFreshOrigin},
		{"socket after a credentialed fetch over h2", v.checkFetched},
		{"subprotocol", v.checkSubprotocol},
		{"refusal", v.checkRefusal},
		{"refusal of another origin", v.checkOrigin},
		{"close by the page", v.checkCloseByPage},
		{"close by the server", v.checkCloseByServer},
		{"200 sockets with traffic both ways", v.checkMany},
		{"1 MiB both ways", v.checkLarge},
		{"GOAWAY", v.checkGoAway},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFront(t, &v.certificate)
			if err := v.navigate(f.origin + "/"); err != nil {
				t.Fatal(err)
			}
			c.run(t, f)
			saveScreenshot(t, v.browser)
		})
	}
}

// closing is a CloseEvent.
type closing struct {
	Code     int
	Reason   string
	WasClean bool
}

// socketResult is what hello and closedByServer of the page give.
type socketResult struct {
	Opened   bool
	Protocol string
	Echo     string
	Close    closing
	Errors   int
}

func (v *visit) checkPage(t *testing.T, f *front) {
	var protocol string
	if eval(t, v, "navigation()", &protocol); protocol != "h2" {
		t.Errorf("the browser had the page over %q", protocol)
	}
	for _, line := range []string{"HTTP/2.0 GET /", "HTTP/2.0 GET /page.js"} {
		if !f.requested(line) {
			t.Errorf("the server saw no %s, but %q", line, f.requests)
		}
	}
}

func (v *visit) checkSameOrigin(t *testing.T, f *front) {
	v.checkHello(t, f, "")
	f.wantOpened(t, 1, "h2")
}

// checkHello has the page open a socket to an origin, its own if empty, that says hello.
func (v *visit) checkHello(t *testing.T, f *front, options string) {
	t.Helper()
	var r socketResult
	eval(t, v, fmt.Sprintf("hello('/hello', {%s})", options), &r)
	if want := (socketResult{Opened: true, Echo: "hello", Close: closing{4001, "", true}}); r != want {
		t.Errorf("the page saw %+v, want %+v", r, want)
	}
	f.wantClosed(t, "/hello", 1, ws.CloseError{Code: 4001, Reason: "bye"})
}

// A socket to an origin with which the browser has no session.
func (v *visit) checkFreshOrigin(t *testing.T, _ *front) {
	f := newFront(t, &v.certificate)
	origin := fmt.Sprintf("origin: %q", f.origin)
	v.checkHello(t, f, origin)
	f.wantOpened(t, 1, v.fresh)
	// The rest over the same protocol: the first socket has left nothing that changes that.
	v.checkServerCloses(t, f, origin)
	v.checkEchoLarge(t, f, origin)
	f.wantOpened(t, 3, v.fresh)
}

// A fetch with credentials opens the HTTP/2 session that the socket then uses.
func (v *visit) checkFetched(t *testing.T, _ *front) {
	f := newFront(t, &v.certificate)
	var fetched struct{}
	eval(t, v, fmt.Sprintf("get('%s/', {credentials: 'include', mode: 'no-cors'})", f.origin), &fetched)
	if !f.requested("HTTP/2.0 GET /") {
		t.Errorf("the server saw %q", f.requests)
	}
	v.checkHello(t, f, fmt.Sprintf("origin: %q", f.origin))
	f.wantOpened(t, 1, "h2")
}

func (v *visit) checkSubprotocol(t *testing.T, f *front) {
	var r socketResult
	eval(t, v, "hello('/subprotocol', {protocols: ['bad', 'good']})", &r)
	if !r.Opened || r.Protocol != "good" || !r.Close.WasClean {
		t.Errorf("the page saw %+v", r)
	}
	if got := f.one(t, "/subprotocol").offered; fmt.Sprint(got) != "[bad good]" {
		t.Errorf("the server was offered %q", got)
	}
	f.wantOpened(t, 1, "h2")
}

// A refusal is not tried again, and costs no other socket anything.
func (v *visit) checkRefusal(t *testing.T, f *front) {
	var opened bool
	if eval(t, v, "hold('bystander', '/bystander')", &opened); !opened {
		t.Fatal("no socket")
	}
	v.checkRefused(t, "hello('/refuse/403')")
	f.one(t, "/refuse/403")
	var echo string
	if eval(t, v, "echoHeld('bystander', 'still there')", &echo); echo != "still there" {
		t.Errorf("afterwards the other socket gets %q", echo)
	}
	var page struct{ Status int }
	if eval(t, v, "get('/page.js')", &page); page.Status != 200 {
		t.Errorf("afterwards the page gets %d", page.Status)
	}
	v.checkHello(t, f, "")
	f.wantOpened(t, 2, "h2")
}

func (v *visit) checkRefused(t *testing.T, expression string) {
	t.Helper()
	var r socketResult
	eval(t, v, expression, &r)
	if want := (socketResult{Close: closing{1006, "", false}, Errors: 1}); r != want {
		t.Errorf("the page saw %+v, want %+v", r, want)
	}
}

// The default is the same origin, and the browser cannot but tell it.
func (v *visit) checkOrigin(t *testing.T, f *front) {
	other := newFront(t, &v.certificate)
	v.checkRefused(t, fmt.Sprintf("hello('/origin', {origin: %q})", other.origin))
	if k := other.one(t, "/origin"); k.opened || k.origin != f.origin {
		t.Errorf("the server saw %+v", k)
	}
	var r socketResult
	if eval(t, v, "hello('/origin')", &r); !r.Opened {
		t.Errorf("the page saw %+v of its own origin", r)
	}
	if k := f.one(t, "/origin"); !k.opened || k.origin != f.origin || "https://"+k.authority != f.origin {
		t.Errorf("the server saw %+v", k)
	}
}

func (v *visit) checkCloseByPage(t *testing.T, f *front) { v.checkHello(t, f, "") }

func (v *visit) checkCloseByServer(t *testing.T, f *front) {
	v.checkServerCloses(t, f, "")
	f.wantOpened(t, 1, "h2")
	// The slot of the stream is free again, whatever the browser leaves open.
	until(t, "no stream is left", func() bool { return f.Stats().Sockets == 0 })
}

func (v *visit) checkServerCloses(t *testing.T, f *front, options string) {
	t.Helper()
	var r socketResult
	eval(t, v, fmt.Sprintf("closedByServer('/server-closes', {%s})", options), &r)
	if want := (socketResult{Opened: true, Close: closing{4002, "later", true}}); r != want {
		t.Errorf("the page saw %+v, want %+v", r, want)
	}
	until(t, "the server sees the socket closed", func() bool { return f.one(t, "/server-closes").end != nil })
	if end := f.one(t, "/server-closes").end; end.Code != 4002 || !end.Local || end.Err != nil {
		t.Errorf("the server saw the end as %v", end)
	}
}

func (v *visit) checkMany(t *testing.T, f *front) {
	const sockets, messages = 200, 10
	type counts struct{ Opened, Echoed, Published, Closed int }
	var r counts
	eval(t, v, fmt.Sprintf("many('/topic', %d, %d)", sockets, messages), &r)
	if want := (counts{sockets, sockets, sockets, sockets}); r != want {
		t.Errorf("the page counts %+v, want %+v", r, want)
	}
	f.wantClosed(t, "/topic", sockets, ws.CloseError{Code: 1000})
	f.wantOpened(t, sockets, "h2")
	if n := f.topic.Stats().Delivered; n != sockets*messages {
		t.Errorf("%d deliveries", n)
	}
	connections := make(map[netip.AddrPort]int)
	for _, k := range f.seen("/topic") {
		connections[k.remote]++
	}
	if len(connections) != 1 {
		t.Errorf("on %d connections: %v", len(connections), connections)
	}
}

func (v *visit) checkLarge(t *testing.T, f *front) {
	v.checkEchoLarge(t, f, "")
	f.wantOpened(t, 1, "h2")
}

func (v *visit) checkEchoLarge(t *testing.T, f *front, options string) {
	t.Helper()
	var r struct {
		Same  bool
		Close closing
	}
	eval(t, v, fmt.Sprintf("large('/large', 1 << 20, {%s})", options), &r)
	if !r.Same || !r.Close.WasClean {
		t.Errorf("the page saw %+v", r)
	}
	f.wantClosed(t, "/large", 1, ws.CloseError{Code: 1000})
}

// A server that ends says GOAWAY. The sockets that are open survive that: they go on until each is closed with
// 1001, which the server spreads over time. New ones go to the server that takes over.
func (v *visit) checkGoAway(t *testing.T, f *front) {
	const sockets = 150 // of which the server closes 100 at once
	var opened int
	if eval(t, v, fmt.Sprintf("startBusy('/busy', %d)", sockets), &opened); opened != sockets {
		t.Fatalf("%d sockets opened", opened)
	}
	next := f.replace(t)
	ended := f.shutdown()
	until(t, "GOAWAY is sent", func() bool { return strings.Contains(f.tap.lines.String(), "< GOAWAY") })
	v.checkHello(t, next, "")
	// Each has taken its Close behind GOAWAY, and answered it. How many still echo when the page hears of the first
	// one's end is a matter of the machine's load.
	var r struct{ Clean, EchoesAfter int }
	if eval(t, v, "endBusy()", &r); r.Clean != sockets {
		t.Errorf("the page counts %+v", r)
	}
	t.Logf("%d echoes behind the end of the first", r.EchoesAfter)
	f.wantClosed(t, "/busy", sockets, ws.CloseError{Code: 1001, Reason: "going away", Local: true})
	if err := <-ended; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}
