package bench

import (
	"net"
	"testing"
)

func TestOnThisMachine(t *testing.T) {
	want := map[string]bool{
		"127.0.0.1:80": true, "127.1.2.3:80": true, "[::1]:80": true, ":80": true, "0.0.0.0:80": true,
		"192.0.2.1:80": false, "[2001:db8::1]:80": false, "nonsense": false,
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range own {
		want[net.JoinHostPort(a.(*net.IPNet).IP.String(), "80")] = true
	}
	for addr, want := range want {
		if onThisMachine(addr) != want {
			t.Errorf("%s: %v", addr, !want)
		}
	}
}
