package bench

import (
	"net"
	"os"
	"testing"
	"time"
)

// The memory of sockets is what is queued for them.
func TestSocketMemory(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	p, err := OpenProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const queued = 200_000
	if _, err := client.Write(make([]byte, queued)); err != nil {
		t.Fatal(err)
	}
	if got := p.socketMemory(time.Now()); got != 0 {
		t.Errorf("without a port: %d", got)
	}
	p.Port = port
	now := time.Now()
	if got := p.socketMemory(now); got < queued/4 { // in the queue of the server, and some of it may be on its way
		t.Errorf("%d octets with %d queued", got, queued)
	}
	server.Close()
	client.Close()
	if got := p.socketMemory(now.Add(socketsPause - 1)); got == 0 {
		t.Error("read again at once")
	}
}
