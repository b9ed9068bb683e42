package conform_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"h2ws/bench/conform"
	"h2ws/bench/raw"
)

// run runs the cases whose names match.
func run(t *testing.T, addr, only string) *conform.Report {
	t.Helper()
	r, err := conform.Run(t.Context(), conform.Config{
		Target: raw.Target{Addr: addr, Path: "/"}, Only: regexp.MustCompile(only),
		Wait: 10 * time.Second, Grace: 3 * time.Second, // less than a server waits for a preface
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Outcomes) == 0 {
		t.Fatalf("no case matches %s", only)
	}
	return r
}

func table(r *conform.Report) string {
	var b strings.Builder
	r.WriteTable(&b)
	return b.String()
}

// defects are what a fake does wrong, a case that must see it, and how that case grades it.
var defects = []struct {
	defect, only string
	grade        conform.Grade
}{
	{"does not announce", "^settings/connect-protocol-announced$", conform.Failed},
	{"says PING first", "^settings/many-streams$", conform.Failed},
	{"keeps its table size", "^settings/table-size-0$", conform.Failed},
	{"uses its table", "^settings/table-size-0$", conform.Failed},
	{"serves no scheme of its own", "^handshake/scheme-http$", conform.Failed},
	{"takes any request", "^malformed/without-path$", conform.Failed},
	{"takes Connection", "^malformed/field-connection$", conform.Failed},
	{"takes any protocol", "^refused/protocol-foo$", conform.Failed},
	{"takes any version", "^refused/version-12$", conform.Failed},
	{"does not tell its version", "^refused/version-12$", conform.Lenient},
	{"says content-length", "^accept/status-200$", conform.Failed},
	{"says Upgrade", "^accept/status-200$", conform.Failed},
	{"says Accept", "^accept/status-200$", conform.Lenient},
	{"says Deflate", "^accept/extension-unknown$", conform.Failed},
	{"chooses freely", "^accept/subprotocol-one$", conform.Failed},
	{"shouts", "^accept/status-200$", conform.Failed},
	{"says 201", "^accept/status-200$", conform.Lenient},
	{"says 103 first", "^accept/status-200$", conform.Lenient},
	{"ends at once", "^accept/status-200$", conform.Failed},
	{"masks", "^length/text-5?1$", conform.Failed},
	{"sets a reserved bit", "^length/text-1$", conform.Failed},
	{"spells lengths long", "^length/text-1$", conform.Failed},
	{"echoes in binary", "^length/text-1$", conform.Failed},
	{"takes long lengths", "^length/text-1-in-16-bits$", conform.Lenient},
	{"takes reserved bits", "^reserved/rsv-4-text$", conform.Failed},
	{"takes reserved opcodes", "^reserved/opcode-0x3-empty$", conform.Failed},
	{"fails with 1003", "^reserved/opcode-0x3-empty$", conform.Lenient},
	{"resets", "^reserved/opcode-0x3-empty$", conform.Lenient},
	{"ends without Close", "^reserved/opcode-0x3-empty$", conform.Lenient},
	{"ends the connection", "^reserved/opcode-0x3-empty$", conform.Failed},
	{"sends behind its end", "^reserved/opcode-0x3-empty$", conform.Failed},
	{"takes unmasked", "^mask/unmasked-text$", conform.Failed},
	{"echoes fragments", "^fragment/text-in-2$", conform.Failed},
	{"takes continuations of nothing", "^fragment/continuation-of-nothing$", conform.Failed},
	{"takes nested messages", "^fragment/text-with-text-inside$", conform.Failed},
	{"takes long control frames", "^control/ping-126$", conform.Failed},
	{"takes cut control frames", "^control/ping-unfinished$", conform.Failed},
	{"ignores Ping", "^control/ping-1$", conform.Failed},
	{"ignores Ping in a message", "^fragment/text-ping-answered-inside$", conform.Failed},
	{"pongs empty", "^control/ping-1$", conform.Failed},
	{"answers Pong", "^control/pong-unsolicited$", conform.Failed},
	{"takes a Close of one octet", "^close/one-octet$", conform.Lenient},
	{"takes any code", "^close/code-1005$", conform.Failed},
	{"takes any code", "^close/code-1016$", conform.Lenient},
	{"takes any code", "^close/code-2000$", conform.Lenient},
	{"takes any code", "^close/code-2999$", conform.Lenient},
	{"takes any reason", "^close/reason-not-utf8-ff$", conform.Lenient},
	{"does not answer Close", "^close/code-1000$", conform.Failed},
	{"answers Close with 1001", "^close/code-1000$", conform.Lenient},
	{"goes on behind Close", "^close/code-1000$", conform.Failed},
	{"does not end behind Close", "^close/code-1000$", conform.Failed},
	{"keeps no windows", "^flow/window-exceeded$", conform.Failed},
	{"opens wide windows", "^flow/window-exceeded$", conform.Lenient},
	{"answers resets", "^stream/reset-twice$", conform.Failed},
	{"minds late resets", "^stream/reset-twice$", conform.Lenient},
	{"takes any text", "^utf8/invalid-c0$", conform.Failed},
	{"finds UTF-8 late", "^utf8-cut/fast-in-fragment-ff$", conform.Lenient},
	{"finds UTF-8 late", "^utf8-cut/fast-in-data-ff$", conform.Lenient},
}

// A suite that cannot fail proves nothing: each defect fails the case that is about it, which a server without
// the defect passes.
func TestDefectsAreFound(t *testing.T) {
	t.Parallel()
	right := (&fake{}).start(t)
	for _, d := range defects {
		t.Run(d.defect, func(t *testing.T) {
			t.Parallel()
			cfg := conform.Config{
				Target: raw.Target{Addr: (&fake{defect: d.defect}).start(t), Path: "/"}, Only: regexp.MustCompile(d.only),
				Wait: 10 * time.Second, Grace: 50 * time.Millisecond,
			}
			if d.grade == conform.Failed {
				cfg.Wait = 200 * time.Millisecond // much of it is that nothing comes
			}
			r, err := conform.Run(t.Context(), cfg)
			if err != nil && d.defect == "says PING first" && errors.Is(err, conform.ErrUnreachable) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Outcomes) != 1 || r.Outcomes[0].Grade != d.grade {
				t.Errorf("%s is to find it %v:\n%s", d.only, d.grade, table(r))
			}
			if r := run(t, right, d.only); r.Count(conform.Strict) != 1 {
				t.Errorf("without the defect:\n%s", table(r))
			}
		})
	}
}

// What a server may do is no defect.
func TestFreedom(t *testing.T) {
	for _, free := range []struct{ does, only string }{
		{"enlarges its table", "^settings/(of-chromium|of-firefox|largest)$"},
		{"uses its table", "^settings/(of-chromium|of-firefox|largest)$"},
		{"opens a wide stream", "^flow/window-exceeded$"},
		{"serves no gateway", "^handshake/scheme-https?$"},
	} {
		if r := run(t, (&fake{defect: free.does}).start(t), free.only); r.Count(conform.Strict) != len(r.Outcomes) {
			t.Errorf("%s:\n%s", free.does, table(r))
		}
	}
}

func TestNamesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range conform.Cases() {
		if seen[c.Name] || c.Section == "" || strings.ContainsAny(c.Name, " \t") {
			t.Errorf("%s: used twice, without a section, or no name", c.Name)
		}
		seen[c.Name] = true
	}
	if len(seen) < 300 {
		t.Errorf("%d cases", len(seen))
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = conform.Run(t.Context(), conform.Config{Target: raw.Target{Addr: l.Addr().String(), Path: "/"}})
	if !errors.Is(err, conform.ErrUnreachable) {
		t.Error(err)
	}
}

// What is not HTTP/2 is told from a server that is wrong.
func TestNotHTTP2(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			nc.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
			nc.Close()
		}
	}()
	_, err = conform.Run(t.Context(), conform.Config{Target: raw.Target{Addr: l.Addr().String(), Path: "/"}})
	if !errors.Is(err, conform.ErrUnreachable) {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(certified.Certificate())
	server := &tls.Config{Certificates: certified.TLS.Certificates, NextProtos: []string{"h2"}}
	cfg := conform.Config{
		Target: raw.Target{Addr: (&fake{tls: server}).start(t), Path: "/", TLS: &tls.Config{RootCAs: trusted}},
		Only:   regexp.MustCompile("^(length/(text|binary)-(0|1|125|126|16384|32768)$|control/pings?-|fragment/text-in|utf8/valid|close/code-1000$)"),
		Wait:   10 * time.Second, Grace: 10 * time.Second,
	}
	r, err := conform.Run(t.Context(), cfg)
	if err != nil || len(r.Outcomes) < 50 || r.Count(conform.Strict) != len(r.Outcomes) {
		t.Errorf("%v\n%s", err, table(r))
	}
	server.NextProtos = []string{"http/1.1"}
	cfg.Target.Addr = (&fake{tls: server}).start(t)
	if _, err := conform.Run(t.Context(), cfg); !errors.Is(err, conform.ErrUnreachable) {
		t.Error(err)
	}
}

func TestReport(t *testing.T) {
	r := run(t, (&fake{defect: "takes any text"}).start(t), "^(utf8/invalid-c0|length/text-1|close/code-2000)$")
	if text := table(r); !strings.Contains(text, "FAILED  utf8/invalid-c0 (RFC 6455 §8.1)") ||
		!strings.Contains(text, "text that is not UTF-8 (RFC 6455 §5.6)") || !strings.Contains(text, `text "ok \xc0  ok"`) ||
		!strings.Contains(text, "3 cases in ") || !strings.Contains(text, ": 2 strict, 0 lenient, 1 failed") {
		t.Errorf("the table is\n%s", text)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Strict, Lenient, Failed int
		Cases                   []struct {
			Name, Grade, Want string
			Transcript        []string
		}
	}
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if back.Strict != 2 || back.Failed != 1 || len(back.Cases) != 3 {
		t.Errorf("the JSON is %s", b)
	}
	for _, c := range back.Cases {
		if (c.Grade == "failed") != (c.Name == "utf8/invalid-c0") || (c.Grade == "failed") != (len(c.Transcript) > 0) {
			t.Errorf("the JSON has %+v", c)
		}
	}
}
