package bench

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// certified returns what a server on the loopback shows, and what a client trusts.
func certified(t *testing.T, alpn ...string) (server, client *tls.Config) {
	s := httptest.NewTLSServer(nil)
	t.Cleanup(s.Close)
	trusted := x509.NewCertPool()
	trusted.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates, NextProtos: alpn}, &tls.Config{RootCAs: trusted}
}

// echoConfig is a short echo of messages that take several TLS records, or share one.
func echoConfig(addr string) Config {
	cfg := DefaultConfig()
	cfg.Addr = addr
	cfg.Sockets, cfg.Conns, cfg.InFlight, cfg.Duration = 20, 4, 30, 20*time.Millisecond
	return cfg
}

// wantEcho wants messages to come back, within a time that grows: the machine may be busy with other things.
func wantEcho(t *testing.T, cfg Config) {
	t.Helper()
	for ; ; cfg.Duration *= 8 {
		if n := echoes(t, cfg); n > 0 {
			return
		}
		if cfg.Duration > 10*time.Second {
			t.Fatalf("nothing came back in %v", cfg.Duration)
		}
	}
}

// echoes returns how many came back.
func echoes(t *testing.T, cfg Config) int {
	t.Helper()
	cl, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	opened, err := cl.Open(t.Context())
	if err != nil || opened.Count == 0 {
		t.Fatalf("open: %d, %v", opened.Count, err)
	}
	echo, err := cl.Echo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closed, err := cl.CloseSockets(t.Context())
	if err != nil || closed.Count == 0 {
		t.Fatalf("close: %d, %v", closed.Count, err)
	}
	return echo.Count
}

func TestHTTP2OverTLS(t *testing.T) {
	server, client := certified(t, "h2", "http/1.1")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server.MaxVersion = version
		cfg := echoConfig((&fakeServer{settings: offer, tls: server, credit: true}).start(t))
		cfg.TLS = client
		for _, size := range []int{16, 5000} {
			cfg.Size = size
			wantEcho(t, cfg)
		}
		cfg.Size, cfg.InFlight = SizeMax, 1 // more than a window; the fake server looks at one message at a time
		wantEcho(t, cfg)
	}
}

func TestHTTP1OverTLS(t *testing.T) {
	s := &http1Server{sockets: map[net.Conn]bool{}, from: map[netip.Addr]int{}}
	server := httptest.NewTLSServer(s)
	defer server.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(server.Certificate())
	cfg := echoConfig(server.Listener.Addr().String())
	cfg.TLS, cfg.HTTP1, cfg.Conns, cfg.Size = &tls.Config{RootCAs: trusted}, true, cfg.Sockets, 40_000
	wantEcho(t, cfg)
}

func TestTLSFails(t *testing.T) {
	server, client := certified(t, "h2")
	http1Only, _ := certified(t, "http/1.1")
	for _, test := range []struct {
		name   string
		server *tls.Config // nil: cleartext
		client *tls.Config
		text   string
	}{
		{"unknown issuer", server, &tls.Config{}, "certificate"},
		{"cleartext", nil, client, "first record does not look like a TLS handshake"},
		{"no h2", http1Only, client, "no application protocol"},
		{"no ALPN", &tls.Config{Certificates: server.Certificates}, client, `it chose "" of ALPN "h2"`},
	} {
		cfg := echoConfig((&fakeServer{settings: offer, tls: test.server}).start(t))
		cfg.TLS = test.client
		_, err := Dial(t.Context(), cfg)
		var secure *TLSError
		if !errors.As(err, &secure) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}

// A server that speaks something else is recognized.
func TestNotHTTP2(t *testing.T) {
	for _, says := range []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "\x15\x03\x01\x00\x02\x02\x46", ""} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			defer nc.Close()
			io.ReadFull(nc, make([]byte, 24))
			io.WriteString(nc, says)
			nc.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, nc)
		}()
		if _, err := Dial(t.Context(), echoConfig(l.Addr().String())); !errors.Is(err, ErrNotHTTP2) {
			t.Errorf("%q: got %v", says, err)
		}
	}
}
