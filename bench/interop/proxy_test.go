package interop

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// HTTP/1.1 in front, HTTP/2 behind, as in the README.

// HAProxy puts 100 sockets on a connection by default. Its releases before 3.1 stop reading a connection when
// one of them does not take its data: whoever has slow clients gives each socket its own connection.
func TestHAProxy(t *testing.T) {
	t.Run("shared connections", func(t *testing.T) {
		s, front := startHAProxy(t, "always")
		(&route{server: s, dial: dialUpgrade(front), sockets: 1000, connections: 12, blocking: true}).check(t)
	})
	t.Run("a connection each", func(t *testing.T) {
		s, front := startHAProxy(t, "never")
		(&route{server: s, dial: dialUpgrade(front), sockets: 1000, connections: 1000}).check(t)
	})
}

func startHAProxy(t *testing.T, reuse string) (s *server, front string) {
	s = newServer(t)
	tap := newTap(t, s.listen(t), nil)
	front = filepath.Join(t.TempDir(), "front")
	config := filepath.Join(t.TempDir(), "haproxy.cfg")
	err := os.WriteFile(config, fmt.Appendf(nil, `
global
	maxconn 4000
defaults
	mode http
	timeout connect 10s
	timeout client 1m
	timeout server 1m
	timeout tunnel 1m
	http-reuse %s
frontend front
	bind unix@%s
	default_backend h2ws
backend h2ws
	server s %s proto h2 ws h2
`, reuse, front, tap.Addr()), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	wantListening(t, start(t, command(t, "haproxy", "-db", "-f", config)), front)
	return s, front
}

func TestNghttpx(t *testing.T) {
	s := newServer(t)
	tap := newTap(t, s.listen(t), nil)
	front := filepath.Join(t.TempDir(), "front")
	host, port, err := net.SplitHostPort(tap.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, command(t, "nghttpx", "--conf=/dev/null", "--single-process", "--workers=1", "--rlimit-nofile=12000", "--errorlog-file=/dev/stderr",
		"--frontend=unix:"+front+";no-tls", "--backend="+host+","+port+";;proto=h2"))
	wantListening(t, p, front)
	(&route{server: s, dial: dialUpgrade(front), sockets: 5000, connections: 1}).check(t)
}

// wantListening waits until a proxy takes connections on a Unix socket.
func wantListening(t *testing.T, p *process, address string) {
	t.Helper()
	until(t, p.Path+" listens", func() bool {
		nc, err := net.Dial("unix", address)
		if err != nil {
			return false
		}
		nc.Close()
		return true
	})
}
