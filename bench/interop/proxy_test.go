package interop

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// HTTP/1.1 in front, HTTP/2 behind, as in the README.

func TestHAProxy(t *testing.T) {
	// It puts 100 sockets on a connection by default. Releases before 3.1 stop reading a connection when one of
	// them does not take its data: whoever has slow clients gives each socket its own.
	t.Run("shared connections", func(t *testing.T) {
		s, dial := startHAProxy(t, nil, "http-reuse always", "proto h2 ws h2")
		(&route{server: s, dial: dial, sockets: 1000, connections: 12, blocking: true}).check(t)
	})
	t.Run("a connection each", func(t *testing.T) {
		s, dial := startHAProxy(t, nil, "http-reuse never", "proto h2 ws h2")
		(&route{server: s, dial: dial, sockets: 1000, connections: 1000}).check(t)
	})
	t.Run("TLS behind", func(t *testing.T) {
		certificate, _ := newCertificate(t)
		s, dial := startHAProxy(t, &certificate, "http-reuse always", "ssl verify none alpn h2 ws h2")
		// Before it knows that they speak HTTP/2 it opens one for each socket of those that come at once.
		(&route{server: s, dial: dial, sockets: 1000, connections: dialsAtOnce + 12, blocking: true}).check(t)
	})
	t.Run("HTTP 1.1 behind", func(t *testing.T) {
		s, dial := startHAProxy(t, nil, "http-reuse always", "")
		(&route{server: s, dial: dial, sockets: 1000, connections: 1000}).check(t)
	})
}

func startHAProxy(t *testing.T, certificate *tls.Certificate, reuse, options string) (*server, dialer) {
	s := newServer(t)
	tap := s.tapped(t, certificate)
	front := filepath.Join(t.TempDir(), "front")
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
	%s
frontend front
	bind unix@%s
	default_backend h2ws
backend h2ws
	server s %s %s
`, reuse, front, tap.Addr(), options), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return s, dialProxy(t, start(t, command(t, "haproxy", "-db", "-f", config)), front)
}

// It puts all sockets on one connection.
func TestNghttpx(t *testing.T) {
	t.Run("cleartext behind", func(t *testing.T) {
		s, dial := startNghttpx(t, nil, "")
		(&route{server: s, dial: dial, sockets: 5000, connections: 1}).check(t)
	})
	t.Run("TLS behind", func(t *testing.T) {
		certificate, _ := newCertificate(t)
		s, dial := startNghttpx(t, &certificate, ";tls")
		(&route{server: s, dial: dial, sockets: 5000, connections: 1}).check(t)
	})
}

func startNghttpx(t *testing.T, certificate *tls.Certificate, options string) (*server, dialer) {
	s := newServer(t)
	front := filepath.Join(t.TempDir(), "front")
	p := start(t, command(t, "nghttpx", "--conf=/dev/null", "--single-process", "--workers=1", "--rlimit-nofile=12000",
		"--errorlog-file=/dev/stderr", "--insecure", "--frontend=unix:"+front+";no-tls",
		"--backend=127.0.0.1,"+s.tapped(t, certificate).port()+";;proto=h2"+options))
	return s, dialProxy(t, p, front)
}

// dialProxy waits until a proxy takes connections on a Unix socket.
func dialProxy(t *testing.T, p *process, front string) dialer {
	t.Helper()
	connect := func() (net.Conn, error) { return net.Dial("unix", front) }
	until(t, p.Path+" listens", func() bool {
		nc, err := connect()
		if err != nil {
			return false
		}
		nc.Close()
		return true
	})
	return dialUpgrade(connect)
}
