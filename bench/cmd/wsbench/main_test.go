package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestMain lets the test binary be wsbench when it is started as a child server.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "serve" || os.Args[1] == "attack") {
		main()
		return
	}
	os.Exit(m.Run())
}

// wsbench runs a command line and returns its exit status and what it wrote.
func wsbench(ctx context.Context, args ...string) (status int, stdout, stderr string) {
	var out, errs strings.Builder
	status = run(ctx, args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestBadCommandLines(t *testing.T) {
	for line, want := range map[string]string{
		"ecko":                                  `unknown command "ecko" (see wsbench -h)`,
		"127.0.0.1:8080":                        `unknown command "127.0.0.1:8080" (see wsbench -h)`,
		"-foo":                                  "flag provided but not defined: -foo (see wsbench -h)",
		"-sockets many":                         `invalid value "many" for flag -sockets: parse error (see wsbench -h)`,
		"-sockets 0":                            "-sockets must be 1 to 1073741824, not 0 (see wsbench -h)",
		"-sockets 5 x":                          `unexpected argument "x": the demonstration starts its own server (see wsbench -h)`,
		"echo -rounds 3":                        "flag provided but not defined: -rounds (see wsbench echo -h)",
		"echo -size 15":                         "-size must be at least 16, not 15: echoes are checked by what is in them (see wsbench echo -h)",
		"echo -size 65537":                      "-size must be 1 to 65536, not 65537 (see wsbench echo -h)",
		"echo -order wild":                      `-order must be turn or random, not "wild" (see wsbench echo -h)`,
		"echo -duration 0s":                     "-duration must be more than 0, not 0s (see wsbench echo -h)",
		"echo nowhere":                          `bad target "nowhere": it is a URL, or host:port (see wsbench echo -h)`,
		"echo nowhere:":                         `bad target "nowhere:": it is a URL, or host:port (see wsbench echo -h)`,
		"echo 127.0.0.1:1 -sockets 5":           `unexpected argument "-sockets" after the target (flags go before it) (see wsbench echo -h)`,
		"echo -pid 1":                           "-pid, -metrics, -ca, -insecure and -local are for a server at a URL: there is none (see wsbench echo -h)",
		"echo -pid -1 127.0.0.1:1":              "-pid must be the number of a process, not -1 (see wsbench echo -h)",
		"echo -loops 2 127.0.0.1:1":             "-loops is for the child server, not for one at a URL (see wsbench echo -h)",
		"fanout -order random":                  "flag provided but not defined: -order (see wsbench fanout -h)",
		"echo http://":                          `bad target "http:": there is no host in it (see wsbench echo -h)`,
		"echo ftp://a":                          `bad target "ftp://a": it begins with http, https, ws or wss (see wsbench echo -h)`,
		"echo http://u:p@a":                     `bad target "http://u:xxxxx@a": user and fragment mean nothing to a WebSocket (-header 'Authorization: ...' says who you are) (see wsbench echo -h)`,
		"echo http://a:b":                       `bad parse "http://a:b": invalid port ":b" after host (see wsbench echo -h)`,
		"echo -path /x http://a/y":              "the path is /y in the target and /x in -path (see wsbench echo -h)",
		"echo -proto h3 http://a":               `-proto must be h2, h2c or h1, not "h3" (see wsbench echo -h)`,
		"echo -proto h2 http://a":               "-proto h2 takes TLS, so https or wss; cleartext is h2c (see wsbench echo -h)",
		"echo -proto h2c wss://a":               "-proto h2c is cleartext, so http or ws; over TLS it is h2 (see wsbench echo -h)",
		"echo -insecure ws://a":                 "-ca and -insecure are for https and wss (see wsbench echo -h)",
		"echo -ca x -insecure wss://a":          "-ca says whom to trust, and -insecure to trust anybody: give one of them (see wsbench echo -h)",
		"echo -ca /x/y wss://a":                 "-ca: open /x/y: no such file or directory (see wsbench echo -h)",
		"echo -ca main.go wss://a":              "-ca: there is no certificate in main.go (see wsbench echo -h)",
		"echo -header x ws://a":                 `invalid value "x" for flag -header: it is Name: value (see wsbench echo -h)`,
		"echo -header Host:x ws://a":            "-header Host is part of the opening handshake, and not to be set (see wsbench echo -h)",
		"echo -header (:x ws://a":               `-header "(: x" is none: it is Name: value (RFC 9110 §5) (see wsbench echo -h)`,
		"echo -subprotocol a,,b ws://a":         `-subprotocol "" is no token (RFC 6455 §4.1) (see wsbench echo -h)`,
		"echo -local here ws://a":               `-local: "here" is no address (see wsbench echo -h)`,
		"echo -insecure":                        "-pid, -metrics, -ca, -insecure and -local are for a server at a URL: there is none (see wsbench echo -h)",
		"echo -proto x":                         `-proto must be h2, h2c or h1, not "x" (see wsbench echo -h)`,
		"fanout -rounds 0":                      "-rounds must be 1 to 2147483647, not 0 (see wsbench fanout -h)",
		"fanout -batch 0":                       "-batch must be 1 to 1048576, not 0 (see wsbench fanout -h)",
		"fanout -topics 5":                      "-topics is for publishing at a rate: give that too (see wsbench fanout -h)",
		"fanout -rate 5 -slow 1":                "-slow must be a share of the sockets, at least 0 and below 1, not 1 (see wsbench fanout -h)",
		"-rate 5":                               "flag provided but not defined: -rate (see wsbench -h)",
		"idle -size 5":                          "flag provided but not defined: -size (see wsbench idle -h)",
		"open -conns 5 -sockets 3":              "-conns is 5, but sockets is only 3: every connection carries at least one (see wsbench open -h)",
		"open -loops -1":                        "-loops must be positive, not -1 (see wsbench open -h)",
		"open -path chat":                       `-path must begin with / and consist of at most 8192 printable octets, not "chat" (see wsbench open -h)`,
		"open -window 2147483648":               "-window must be 1 to 2147483647, not 2147483648 (see wsbench open -h)",
		"open -inflight 0":                      "-inflight must be 1 to 16777216, not 0 (see wsbench open -h)",
		"find":                                  "-slo says what the load is to meet: give one (see wsbench find -h)",
		"find -of x":                            `-of must be rate, sockets or inflight, not "x" (see wsbench find -h)`,
		"find -slo p99<1s -from 5 -to 4":        "-from must be above 0 and at most -to, not 5 and 4 (see wsbench find -h)",
		"find -slo p99":                         `invalid value "p99" for flag -slo: it is metric, operator and value, as in 'p99<20ms' (see wsbench find -h)`,
		"find -slo p99<1s -precision 1":         "-precision must be a share between 0 and 1, not 1 (see wsbench find -h)",
		"find -slo p99<1s -scenario x":          `-scenario must be echo or fanout, not "x" (see wsbench find -h)`,
		"find -slo p99<1s -of inflight -to 1e8": "with inflight 1e+08: -inflight must be 1 to 16777216, not 100000000 (see wsbench find -h)",
		"report":                                "give one FILE that -json has written, behind the flags (see wsbench report -h)",
		"soak -duration 0s":                     "-duration must be more than 0, not 0s (see wsbench soak -h)",
		"soak a:1 b:1":                          `unexpected argument "b:1" after the target (flags go before it) (see wsbench soak -h)`,
		"soak -tls a:1":                         "-tls and -log are for the child server, not for one at a URL (see wsbench soak -h)",
		"soak nowhere":                          `bad target "nowhere": it is a URL, or host:port (see wsbench soak -h)`,
		"doctor x":                              `unexpected argument "x" (see wsbench doctor -h)`,
		"doctor -conns 0":                       "-conns must be 1 to 1048576, not 0 (see wsbench doctor -h)",
		"echo -rate -1":                         "-rate must be 0, or 0.001 to 1e+09, not -1 (see wsbench echo -h)",
		"echo -arrivals poisson":                "-arrivals are those at a rate: give that too (see wsbench echo -h)",
		"echo -arrivals x":                      `-arrivals must be constant or poisson, not "x" (see wsbench echo -h)`,
		"echo -ramp -1s":                        "-ramp must not be negative, as -1s is (see wsbench echo -h)",
		"echo -warmup -1s":                      "-warmup must not be negative, as -1s is (see wsbench echo -h)",
		"echo -churn -1":                        "-churn must be 0 or a number a second, not -1 (see wsbench echo -h)",
		"echo -size 5-":                         `-size is octets, as in 64, 16-1024, exp:256 or 64*9,4096*1, not "5-" (see wsbench echo -h)`,
		"fanout -size 16-64":                    "-size must be one number, not 16-64: everybody is published the same (see wsbench fanout -h)",
		"echo -abort-on-slo":                    "-abort-on-slo needs an -slo (see wsbench echo -h)",
		"echo -max-lag 0":                       "-max-lag must be more than 0, not 0s (see wsbench echo -h)",
		"serve x":                               `unexpected argument "x" (see wsbench serve -h)`,
		"serve -loops -1":                       "-loops must be positive, not -1 (see wsbench serve -h)",
		"serve -tls-cert a":                     "-tls-cert and -tls-key go together, and not with -tls (see wsbench serve -h)",
		"serve -max-streams 0":                  "-max-streams must be 1 to 2147483647, not 0 (see wsbench serve -h)",
		"serve -max-streams 3000000000":         "-max-streams must be 1 to 2147483647, not 3000000000 (see wsbench serve -h)",
	} {
		status, stdout, stderr := wsbench(t.Context(), strings.Fields(line)...)
		if status != exitUsage || stdout != "" || stderr != "wsbench: "+want+"\n" {
			t.Errorf("%s: status %d, wrote %q and %q, want %q", line, status, stdout, stderr, want)
		}
	}
}

func TestHelp(t *testing.T) {
	const target = " -pid -metrics -proto -ca -insecure -header -origin -subprotocol -local "
	const files = " -json -hlog -csv -html -slo -abort-on-slo -interval -profile"
	const pace = " -rate -arrivals -warmup -ramp -max-lag -churn -resets -kills -slow -slow-conns -slow-rate"
	flags := map[string]string{
		"":     "-sockets -conns -inflight -size -duration -order -rounds -batch -window -sources -path -loops" + files,
		"echo": "-sockets -conns -inflight -size -duration -order -window -sources -path -loops" + files + pace + target,
		"fanout": "-sockets -conns -inflight -size -duration -rounds -batch -window -sources -path -loops" + files + target +
			"-rate -publishers -topics -subscribers -policy -slow -slow-conns -slow-rate",
		"idle":  "-sockets -conns -inflight -window -sources -path -loops" + files + target,
		"open":  "-sockets -conns -inflight -window -sources -path -loops" + files + target + "-rate -arrivals -ramp -max-lag",
		"serve": "-addr -loops -max-streams -tls -tls-cert -tls-key -cpuprofile",
	}
	for command, want := range flags {
		status, stdout, stderr := wsbench(t.Context(), append(strings.Fields(command), "-h")...)
		if status != exitOK || stderr != "" || !strings.Contains(stdout, strings.TrimSpace("wsbench "+command)+" [flags]") {
			t.Errorf("%q: status %d, wrote %q and %q", command, status, stdout, stderr)
		}
		n := 0
		for _, flag := range strings.Fields(want) {
			n++
			if !strings.Contains(stdout, "\n  "+flag+" ") && !strings.Contains(stdout, "\n  "+flag+"\n") {
				t.Errorf("%q: help lacks %s", command, flag)
			}
		}
		if got := strings.Count(stdout, "\n    \t"); got != n {
			t.Errorf("%q: help tells %d flags, want %d", command, got, n)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	status, stdout, stderr := wsbench(t.Context(), "echo", l.Addr().String())
	want := fmt.Sprintf("wsbench: dial tcp %s: connect: connection refused\n", l.Addr())
	if status != exitFailure || stdout != "" || stderr != want {
		t.Errorf("status %d, wrote %q and %q, want %q", status, stdout, stderr, want)
	}
	if status, _, stderr := wsbench(t.Context(), "idle", l.Addr().String()); status != exitFailure || !strings.HasPrefix(stderr, "wsbench: cannot measure the server: ") {
		t.Errorf("idle: status %d, wrote %q", status, stderr)
	}
}

func TestServeCannotListen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	status, stdout, stderr := wsbench(t.Context(), "serve", "-addr", l.Addr().String())
	if status != exitFailure || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "address already in use") {
		t.Errorf("status %d, wrote %q and %q", status, stdout, stderr)
	}
}

// small makes the demonstration short.
var small = []string{"-sockets", "50", "-duration", "10ms", "-rounds", "2"}

func TestDemonstration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	status, stdout, stderr := wsbench(t.Context(), append(small, "-json", file, "-loops", "1")...)
	if status != exitOK {
		t.Fatalf("status %d, wrote %q", status, stderr)
	}
	for _, want := range []string{"50 WebSockets on 1 connection,", "  open ", "  echo ", "  fanout ", "  close ", "\nidle: "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("table lacks %q:\n%s", want, stdout)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wantResults(t, b, "open", "echo", "fanout", "idle", "close")
}

// The child server speaks all three protocols.
func TestProtocolsOfTheChild(t *testing.T) {
	for _, protocol := range []string{"h2c", "h2", "h1"} {
		status, stdout, stderr := wsbench(t.Context(), "echo", "-proto", protocol, "-sockets", "20", "-duration", "10ms")
		want := map[string]string{"h2": ", HTTP/2 over TLS;", "h1": ", HTTP/1.1;", "h2c": "go1."}[protocol]
		if status != exitOK || !strings.Contains(stdout, want) {
			t.Errorf("%s: status %d, wrote %q and %q", protocol, status, stdout, stderr)
		}
	}
}

func wantResults(t *testing.T, report []byte, names ...string) {
	t.Helper()
	var r struct {
		PID     int `json:"pid"`
		Results []struct {
			Name  string
			Count int
		}
	}
	if err := json.Unmarshal(report, &r); err != nil {
		t.Fatalf("%v in %s", err, report)
	}
	var got []string
	for _, result := range r.Results {
		got = append(got, result.Name)
	}
	if strings.Join(got, " ") != strings.Join(names, " ") || r.PID == 0 {
		t.Errorf("results %q of process %d, want %q", got, r.PID, names)
	}
}

func TestScenariosAgainstAServer(t *testing.T) {
	addr, stop := serveInBackground(t)
	for command, results := range map[string]string{
		"echo -sockets 20 -conns 4 -duration 10ms -order random": "open echo",
		"fanout -sockets 20 -rounds 2 -batch 10":                 "open fanout",
		"fanout -sockets 20 -rate 100 -topics 3 -duration 10ms":  "open fanout",
		"idle -sockets 20":             "open idle",
		"open -sockets 20 -inflight 3": "open close",
	} {
		args := append(strings.Fields(command), "-json", "-")
		status, stdout, stderr := wsbench(t.Context(), append(args, addr)...)
		if status != exitOK || !strings.Contains(stderr, "20 WebSockets on ") {
			t.Fatalf("%s: status %d, wrote %q", command, status, stderr)
		}
		wantResults(t, []byte(stdout), strings.Fields(results)...)
	}
	stop()
}

// serveInBackground serves in this process. stop ends it as SIGTERM would.
func serveInBackground(t *testing.T) (addr string, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	out := make(lines, 1)
	served := make(chan int, 1)
	go func() { served <- run(ctx, []string{"serve", "-addr", "127.0.0.1:0"}, out, os.Stderr) }()
	line := <-out
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), listeningOn)
	if !ok {
		t.Fatalf("serve said %q", line)
	}
	return addr, func() {
		cancel()
		if status := <-served; status != exitOK {
			t.Errorf("serve ended with status %d", status)
		}
	}
}

// lines hands on what is written to it.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// interrupter cancels when a text is written to it.
type interrupter struct {
	strings.Builder
	at     string
	cancel func()
	once   sync.Once
}

func (w *interrupter) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.at) {
		w.once.Do(w.cancel)
	}
	return w.Builder.Write(p)
}

func TestInterruptPrintsWhatWasMeasured(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stderr := &interrupter{at: "open: ", cancel: cancel}
	var stdout strings.Builder
	status := run(ctx, []string{"-sockets", "50", "-duration", "1h"}, &stdout, stderr)
	if status != exitInterrupted || !strings.Contains(stdout.String(), "  open ") || !strings.HasSuffix(stderr.String(), "wsbench: interrupted\n") {
		t.Errorf("status %d, wrote %q and %q", status, stdout.String(), stderr.String())
	}
}

func TestProfiles(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "p")
	if status, _, stderr := wsbench(t.Context(), "open", "-sockets", "5", "-profile", prefix); status != exitOK {
		t.Fatalf("status %d, wrote %q", status, stderr)
	}
	for _, name := range []string{prefix + ".client", prefix + ".server"} {
		if info, err := os.Stat(name); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if status, _, stderr := wsbench(t.Context(), "open", "-profile", "/nonexistent/p"); status != exitFailure || strings.Count(stderr, "\n") != 1 {
		t.Errorf("no such directory: status %d, wrote %q", status, stderr)
	}
}
