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

func TestListener(t *testing.T) {
	proc := procWithTables(t)
	for _, test := range []struct{ addr, inode string }{
		{"127.0.0.1:8080", "31337"},
		{"127.0.0.1:22", "31338"}, // listens on every address
		{"[::1]:8082", "31340"},
		{"127.0.0.1:8083", "31341"}, // listens on every address of IPv6, and so of IPv4
		{"127.0.0.1:8081", ""},      // connected, does not listen
		{"127.0.0.2:8080", ""},      // listens on another address
		{"127.0.0.1:9", ""},
	} {
		inode, err := listener(proc.dir, netip.MustParseAddrPort(test.addr))
		if inode != test.inode || (err == nil) != (test.inode != "") {
			t.Errorf("%s: got %q, %v, want %q", test.addr, inode, err, test.inode)
		}
	}
}

func TestFindServer(t *testing.T) {
	addr := netip.MustParseAddrPort("127.0.0.1:8080")
	proc := procWithTables(t)
	if _, err := findServer(proc.dir, addr); err == nil || !strings.Contains(err.Error(), "-pid") {
		t.Errorf("nobody's socket: got %v, want a hint at -pid", err)
	}
	proc.hold("9/fd/3", "socket:[31337]")
	proc.hold("7/fd/0", "/dev/null")
	proc.hold("7/fd/12", "socket:[31337]")
	p, err := findServer(proc.dir, addr)
	if err != nil || p.PID != 7 {
		t.Errorf("got %+v, %v, want process 7, the parent of 9", p, err)
	}
	if _, err := findServer(proc.dir, netip.MustParseAddrPort("192.0.2.1:8080")); err == nil {
		t.Error("a server on another machine was found here")
	}
}
