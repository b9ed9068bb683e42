package bench

import (
	"net"
	"os"
	"testing"
)

func TestFindThisProcess(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Logf("no IPv6 here? %v", err)
			continue
		}
		p, err := FindServer(l.Addr().(*net.TCPAddr).AddrPort())
		if err != nil || p.PID != os.Getpid() {
			t.Errorf("%s: got %+v, %v, want process %d", addr, p, err, os.Getpid())
		}
		l.Close()
	}
}

func TestThisProcessUsesCPUAndMemory(t *testing.T) {
	p, err := OpenProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	before, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	for after := before; after == before; { // until it has used some
		if after, err = p.CPU(); err != nil {
			t.Fatal(err)
		}
	}
	if rss, err := p.RSS(); err != nil || rss < 1<<20 {
		t.Errorf("RSS %d, %v", rss, err)
	}
}
