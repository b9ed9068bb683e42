package bench

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func procWithTables(t *testing.T) fakeProc {
	proc := newFakeProc(t, 7)
	proc.write("net/tcp", string(readTestdata(t, "tcp")))
	proc.write("net/tcp6", string(readTestdata(t, "tcp6")))
	return proc
}

// hold makes a process have a descriptor.
func (p fakeProc) hold(fd, to string) {
	p.t.Helper()
	name := filepath.Join(p.dir, fd)
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Symlink(to, name); err != nil {
		p.t.Fatal(err)
	}
}

func TestListeners(t *testing.T) {
	proc := procWithTables(t)
	for _, test := range []struct{ addr, inodes string }{
		{"127.0.0.1:8080", "31337"},
		{"127.0.0.1:22", "31338"},         // listens on every address
		{"127.0.0.1:8084", "31342 31343"}, // as two do with SO_REUSEPORT, but the third is for every address
		{"[::1]:8082", "31340"},
		{"127.0.0.1:8083", "31341"}, // listens on every address of IPv6, and so of IPv4
		{"127.0.0.1:8081", ""},      // connected, does not listen
		{"127.0.0.2:8080", ""},      // listens on another address
		{"127.0.0.1:9", ""},
	} {
		inodes, err := listeners(proc.dir, netip.MustParseAddrPort(test.addr))
		if got := strings.Join(inodes, " "); got != test.inodes || (err == nil) != (test.inodes != "") {
			t.Errorf("%s: got %q, %v, want %q", test.addr, got, err, test.inodes)
		}
	}
}

func TestFindServer(t *testing.T) {
	addr := netip.MustParseAddrPort("127.0.0.1:8080")
	proc := procWithTables(t)
	if _, err := findServer(proc.dir, addr); err == nil || !strings.Contains(err.Error(), "-pid") {
		t.Errorf("nobody's socket: got %v, want a hint at -pid", err)
	}
	proc.hold("9/fd/3", "socket:[31338]") // another's
	proc.hold("7/fd/0", "/dev/null")
	proc.hold("7/fd/12", "socket:[31337]")
	p, err := findServer(proc.dir, addr)
	if err != nil || p.PID != 7 || p.Processes() != 1 {
		t.Errorf("got %+v, %v, want process 7", p, err)
	}
	if _, err := findServer(proc.dir, netip.MustParseAddrPort("192.0.2.1:8080")); err == nil {
		t.Error("a server on another machine was found here")
	}
}

// A process that has forked others does little itself: all that hold the listener are measured.
func TestServerOfSeveralProcesses(t *testing.T) {
	proc := procWithTables(t)
	for pid, ran := range map[string]string{"7": "10", "8": "300", "9": "4000"} {
		proc.hold(pid+"/fd/3", "socket:[31337]")
		proc.write(pid+"/status", string(readTestdata(t, "status")))
		proc.write(pid+"/task/"+pid+"/schedstat", ran+" 1 1\n")
	}
	p, err := findServer(proc.dir, netip.MustParseAddrPort("127.0.0.1:8080"))
	if err != nil || p.PID != 7 || p.Processes() != 3 {
		t.Fatalf("got %+v, %v, want process 7 and two others", p, err)
	}
	wantCPU(t, p, 4310, "all three")
	if rss, err := p.RSS(); err != nil || rss != 3*3712<<10 {
		t.Errorf("RSS %d, %v", rss, err)
	}
	if n, err := p.Descriptors(); err != nil || n != 3 {
		t.Errorf("%d descriptors, %v", n, err)
	}
	if err := os.RemoveAll(filepath.Join(proc.dir, "9")); err != nil {
		t.Fatal(err)
	}
	wantCPU(t, p, 4310, "one has ended, whose time still counts")
	if u, err := p.Usage(); err != nil || u.RSS != 2*3712<<10 {
		t.Errorf("RSS without it is %d, %v", u.RSS, err)
	}
	if err := os.RemoveAll(filepath.Join(proc.dir, "7")); err != nil {
		t.Fatal(err)
	}
	if cpu, err := p.CPU(); err == nil {
		t.Errorf("the first has ended: got %v", cpu)
	}
}
