package ws

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// named is a handler that is told from others, and says so to handshakes.
type named struct {
	Nop
	name string
}

func (h named) OnHandshake(r *Request) { r.Accept(AcceptOptions{Data: h.name}) }

// muxOf has a handler for each pattern that is named like it.
func muxOf(patterns ...string) *Mux {
	m := new(Mux)
	for _, p := range patterns {
		m.Handle(p, named{name: p})
	}
	return m
}

// routed is the name of the handler that a path reaches, or "".
func routed(e *Endpoint, path string) string {
	r := requestWith("sec-websocket-version", "13")
	r.Path = path
	d := e.Handshake(r)
	if d.Status == 404 {
		return ""
	}
	return d.Endpoint.handler.(named).name
}

func TestMux(t *testing.T) {
	e := NewEndpoint(muxOf("/chat", "/rooms/", "/rooms/vip", "/rooms/vip/", "/admin", "/a/b/"), EndpointOptions{})
	for path, want := range map[string]string{
		"/chat":          "/chat",
		"/rooms/":        "/rooms/",
		"/rooms/1":       "/rooms/",
		"/rooms/1/2":     "/rooms/",
		"/rooms/vip":     "/rooms/vip",
		"/rooms/vip/":    "/rooms/vip/",
		"/rooms/vip/1":   "/rooms/vip/",
		"/rooms/vipers":  "/rooms/",
		"/rooms/vip.exe": "/rooms/",

		"/rooms":   "",
		"/chat/":   "",
		"/chat/x":  "",
		"/chatter": "",
		"/Chat":    "",
		"/":        "",
		"":         "",
		"*":        "",
		"chat":     "",
		"/a/b":     "",
		"/a/":      "",

		// Other spellings of what is elsewhere are just paths.
		"//admin":               "",
		"//chat":                "",
		"/./admin":              "",
		"/%61dmin":              "",
		"/admin%2f":             "",
		"/admin;x":              "",
		"/admin#":               "",
		"/rooms/../admin":       "/rooms/",
		"/rooms/%2e%2e/admin":   "/rooms/",
		"/rooms/..%2fadmin":     "/rooms/",
		`/rooms/..\\admin`:      "/rooms/",
		"/rooms//vip":           "/rooms/",
		"/rooms/./vip/":         "/rooms/",
		"/rooms/vip/../../chat": "/rooms/vip/",
		"/rooms%2fvip":          "",
		"/%72ooms/":             "",
		"/a/../a/b/":            "",
	} {
		if got := routed(e, path); got != want {
			t.Errorf("%q reaches %q, want %q", path, got, want)
		}
	}
}

func TestMuxRoot(t *testing.T) {
	e := NewEndpoint(muxOf("/", "/x"), EndpointOptions{})
	for path, want := range map[string]string{"/": "/", "/x": "/x", "/x/": "/", "/y": "/", "//": "/", "/../x": "/"} {
		if got := routed(e, path); got != want {
			t.Errorf("%q reaches %q, want %q", path, got, want)
		}
	}
	if got := routed(NewEndpoint(new(Mux), EndpointOptions{}), "/"); got != "" {
		t.Errorf("an empty Mux leads to %q", got)
	}
}

func TestMuxOfMuxes(t *testing.T) {
	m := muxOf("/chat")
	m.Handle("/api/", muxOf("/api/v1", "/api/v2/"))
	e := NewEndpoint(m, EndpointOptions{})
	for path, want := range map[string]string{"/chat": "/chat", "/api/v1": "/api/v1", "/api/v2/x": "/api/v2/", "/api/v3": "", "/v1": ""} {
		if got := routed(e, path); got != want {
			t.Errorf("%q reaches %q, want %q", path, got, want)
		}
	}
}

// Each handler has its own optional interfaces, and the default where it has none.
func TestMuxOptionalInterfaces(t *testing.T) {
	m := muxOf("/own")
	m.Handle("/default", Nop{})
	e := NewEndpoint(m, EndpointOptions{MessageBytesMax: 10})
	if e.WantsDrops() {
		t.Error("nobody is a Dropper")
	}
	for path, status := range map[string]int{"/own": 200, "/default": 403, "/neither": 404} {
		r := requestWith("sec-websocket-version", "13", "origin", "https://elsewhere.org")
		r.Path = path
		d := e.Handshake(r)
		if d.Status != status {
			t.Errorf("%s: %d, want %d", path, d.Status, status)
		}
		if status == 200 && (d.Data != "/own" || d.Endpoint.messageBytesMax != 10) {
			t.Errorf("%s: %+v", path, d)
		}
	}
	m = muxOf("/own")
	m.Handle("/drops", struct {
		Nop
		Dropper
	}{})
	if !NewEndpoint(m, EndpointOptions{}).WantsDrops() {
		t.Error("one is a Dropper")
	}
}

func TestMuxPanics(t *testing.T) {
	for _, pattern := range []string{"", "chat", "chat/", "*", "example.com/chat", "/chat?x", "/chat#x"} {
		wantPanic(t, "is not the pattern of a path", func() { muxOf(pattern) })
	}
	wantPanic(t, `pattern "/chat" has a handler`, func() { muxOf("/chat", "/chat") })
	wantPanic(t, "without a handler", func() { new(Mux).Handle("/", nil) })
	m := new(Mux)
	NewEndpoint(m, EndpointOptions{})
	wantPanic(t, "given to a Server", func() { m.Handle("/", Nop{}) })
	wantPanic(t, "must be the Handler of a Server", func() { m.OnOpen(nil) })
}

// The table against the definition: of the patterns that fit the longest.
func TestMuxAgainstDefinition(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	path := func() string {
		b := []byte("/")
		for range random.IntN(8) {
			b = append(b, "/ab."[random.IntN(4)])
		}
		return string(b)
	}
	for range 300 {
		var patterns []string
		for range random.IntN(12) {
			if p := path(); !strings.Contains(strings.Join(patterns, " ")+" ", p+" ") {
				patterns = append(patterns, p)
			}
		}
		e := NewEndpoint(muxOf(patterns...), EndpointOptions{})
		for range 50 {
			path, want := path(), ""
			for _, p := range patterns {
				fits := p == path || strings.HasSuffix(p, "/") && strings.HasPrefix(path, p)
				if fits && len(p) > len(want) {
					want = p
				}
			}
			if got := routed(e, path); got != want {
				t.Fatalf("%q with %q reaches %q, want %q", path, patterns, got, want)
			}
		}
	}
}

func TestMuxAllocs(t *testing.T) {
	m := new(Mux)
	m.Handle("/rooms/", Nop{})
	e := NewEndpoint(m, EndpointOptions{})
	r := requestWith("sec-websocket-version", "13")
	r.Path = "/rooms/1/2/3"
	if n := testing.AllocsPerRun(100, func() { e.Handshake(r) }); n != 0 {
		t.Errorf("%v allocations to choose a handler", n)
	}
}
