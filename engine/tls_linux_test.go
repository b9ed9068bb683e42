package engine_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// newCertificate is a self-signed one.
func newCertificate(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(cryptorand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// secureServer is a Server under TLS.
func secureServer(t testing.TB, h ws.Handler) *engine.Server {
	return &engine.Server{
		Handler:   h,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{newCertificate(t, "example.com")}},
	}
}

// clientConfig trusts anybody.
func clientConfig(protocols ...string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}
}

// shake connects under TLS.
func shake(t testing.TB, nc net.Conn, config *tls.Config) *tls.Conn {
	t.Helper()
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(hangGuard))
	conn := tls.Client(nc, config)
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	return conn
}

func (r *running) shake(config *tls.Config) *tls.Conn {
	r.t.Helper()
	return shake(r.t, dialTCP(r.t, r.addr), config)
}

// Every version of TLS, with and without ALPN, for both protocols.
func TestTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, alpn := range [][]string{{"h2", "http/1.1"}, {"h2"}, {"http/1.1"}, nil} {
			for _, http2 := range []bool{true, false} {
				config := clientConfig(alpn...)
				config.MinVersion, config.MaxVersion = version, version
				if len(alpn) > 0 && http2 != (alpn[0] == "h2") {
					continue
				}
				t.Run(fmt.Sprint(tls.VersionName(version), alpn, http2), func(t *testing.T) {
					r := serve(t, secureServer(t, echo))
					nc := r.shake(config)
					if http2 {
						c := newClient(t, nc, roomy...)
						id := c.open("/")
						for _, n := range []int{1, 100, 16370} {
							c.echo(id, strings.Repeat("x", n))
						}
						c.close(id, frame.FlagEndStream, ws.CloseNormal)
						c.wantOf(id, "the end", "close 1000", "end")
					} else {
						s := upgrade(t, nc, "/", "Origin", "https://example.com")
						for _, n := range []int{1, 100, 16383, 16384, 65536} {
							s.echo(strings.Repeat("x", n))
						}
						s.close()
					}
					r.await(t, 1, 1)
					if stats := r.Stats(); stats.ConnectionsAccepted != 1 || stats.TLSHandshakesFailed+stats.TLSHandshakesTimedOut != 0 {
						t.Errorf("%+v", stats)
					}
				})
			}
		}
	}
}

// SETTINGS is written when the handshake is done, before the client has said anything: a browser that waits for it must
// not wait longer.
func TestTLSSettingsComeFirst(t *testing.T) {
	r := serve(t, secureServer(t, echo))
	nc := r.shake(clientConfig("h2"))
	head := make([]byte, frame.HeaderLen)
	if _, err := io.ReadFull(nc, head); err != nil {
		t.Fatal(err)
	}
	if h, _ := frame.ConsumeHeader(head); h.Type != frame.Settings || h.Flags != 0 {
		t.Errorf("the first frame is %v", h)
	}
}

// slicer writes in random pieces: records reach the server cut anywhere.
type slicer struct {
	net.Conn
	random *rand.Rand
	most   int
}

func (s slicer) Write(p []byte) (n int, err error) {
	for n < len(p) {
		m := min(len(p)-n, 1+s.random.IntN(s.most))
		if _, err := s.Conn.Write(p[n : n+m]); err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

func TestTLSRecordsCutAnywhere(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, most := range []int{1, 7, 1500} {
			r := serve(t, secureServer(t, echo))
			nc := dialTCP(t, r.addr)
			nc.(*net.TCPConn).SetNoDelay(true)
			random := rand.New(rand.NewPCG(uint64(most), uint64(version)))
			config := clientConfig("h2")
			config.MinVersion, config.MaxVersion = version, version
			c := newClient(t, shake(t, slicer{nc, random, most}, config), roomy...)
			a, b := c.open("/"), c.open("/")
			for range 20 {
				n := 2 + random.IntN(min(100*most, 16000))
				c.message(a, strings.Repeat("a", n))
				c.message(b, strings.Repeat("b", n/2))
				c.wantOf(a, "an echo", "message "+strings.Repeat("a", n))
				c.wantOf(b, "an echo", "message "+strings.Repeat("b", n/2))
			}
		}
	}
}

// A client certificate is there for OnHandshake and for HTTP.
func TestTLSClientCertificate(t *testing.T) {
	names := make(chan string, 3)
	name := func(s *tls.ConnectionState) {
		if s == nil || len(s.PeerCertificates) != 1 {
			names <- "nobody"
			return
		}
		names <- s.PeerCertificates[0].Subject.CommonName
	}
	s := secureServer(t, ws.Funcs{Handshake: func(r *ws.Request) { name(r.TLS); r.Accept(ws.AcceptOptions{}) }})
	s.TLSConfig.ClientAuth = tls.RequireAnyClientCert
	s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { name(r.TLS) })
	r := serve(t, s)
	config := clientConfig("h2")
	config.Certificates = []tls.Certificate{newCertificate(t, "alice")}
	newClient(t, r.shake(config)).open("/")
	config.NextProtos = []string{"http/1.1"}
	upgrade(t, r.shake(config), "/")
	io.WriteString(r.shake(config), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	for range 3 {
		if got := <-names; got != "alice" {
			t.Errorf("the client is %s", got)
		}
	}
	nc := dialTCP(t, r.addr)
	defer nc.Close()
	conn := tls.Client(nc, clientConfig("h2"))
	conn.Handshake() // the client of TLS 1.3 is through before the server is
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a client without a certificate is served")
	}
	until(t, "it is counted", func() bool { return r.Stats().TLSHandshakesFailed == 1 })
}

// Without TLS there is none to see.
func TestTLSNone(t *testing.T) {
	states := make(chan *tls.ConnectionState, 2)
	r := serve(t, &engine.Server{Handler: ws.Funcs{Handshake: func(r *ws.Request) { states <- r.TLS }}})
	r.dial().open("/")
	r.upgrade("/")
	if a, b := <-states, <-states; a != nil || b != nil {
		t.Error("TLS on cleartext")
	}
}

// A certificate is replaced while the server runs.
func TestTLSCertificateReloaded(t *testing.T) {
	var current atomic.Pointer[tls.Certificate]
	r := serve(t, &engine.Server{Handler: echo, TLSConfig: &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil },
	}})
	for _, name := range []string{"old.example", "new.example"} {
		certificate := newCertificate(t, name)
		current.Store(&certificate)
		conn := r.shake(clientConfig("h2"))
		if got := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; got != name {
			t.Errorf("the certificate is %s's, want %s's", got, name)
		}
		c := newClient(t, conn, roomy...)
		c.echo(c.open("/"), "hello")
	}
}

func TestTLSRefused(t *testing.T) {
	r := serve(t, secureServer(t, echo))
	old := clientConfig("h2")
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	failed := uint64(0)
	for name, config := range map[string]*tls.Config{"a foreign ALPN": clientConfig("spdy/1"), "TLS 1.1": old} {
		nc := dialTCP(t, r.addr)
		if err := tls.Client(nc, config).Handshake(); err == nil {
			t.Errorf("%s is accepted", name)
		}
		nc.Close()
		failed++
		until(t, name+" is counted", func() bool { return r.Stats().TLSHandshakesFailed == failed })
	}
	for name, octets := range map[string]string{
		"HTTP/1.1": "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/2": frame.Preface, "zeros": strings.Repeat("\x00", 100),
		"a hello of 16 MiB": "\x16\x03\x01\x40\x00\x01\xff\xff\xff" + strings.Repeat("\x00", 20000),
	} {
		answer(t, say(t, r, []byte(octets)))
		failed++
		until(t, name+" is counted", func() bool { return r.Stats().TLSHandshakesFailed == failed })
	}
	c := newClient(t, r.shake(clientConfig("h2")), roomy...)
	c.echo(c.open("/"), "still here")
}

// RFC 9113 §9.2.2: "A deployment of HTTP/2 over TLS 1.2 SHOULD NOT use any of the prohibited cipher suites".
func TestTLSInadequateSecurity(t *testing.T) {
	r := serve(t, secureServer(t, echo))
	config := clientConfig("h2")
	config.MaxVersion = tls.VersionTLS12
	config.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
	c := newClient(t, r.shake(config))
	c.want("no WebSocket on such a connection", "0 goaway INADEQUATE_SECURITY a cipher suite of RFC 9113, Appendix A")
	c.wantGone("and no connection")
	config.NextProtos = []string{"http/1.1"}
	upgrade(t, r.shake(config), "/").echo("HTTP/1.1 has no such rule")
}

func TestTLSConfigWithoutCertificate(t *testing.T) {
	l := listen(t)
	if err := (&engine.Server{Handler: echo, TLSConfig: &tls.Config{}}).Serve(l); err == nil {
		t.Error("Serve without a certificate")
	}
	wantClosed(t, l)
	if err := engine.ListenAndServeTLS("127.0.0.1:0", "none.pem", "none.pem", echo); err == nil {
		t.Error("ListenAndServeTLS without a certificate")
	}
}

// A thousand clients that begin a handshake and say no more do not keep others out, and are gone in time.
func TestTLSHalfHandshakes(t *testing.T) {
	s := secureServer(t, echo)
	s.Limits = engine.Limits{TLSHandshakeTimeout: 2 * time.Second}
	r := serve(t, s)
	const many = 1000
	hello := captureHello(t)
	for i := range many {
		nc := dialTCP(t, r.addr)
		defer nc.Close()
		io.WriteString(nc, hello[:i%len(hello)])
	}
	c := newClient(t, r.shake(clientConfig("h2")), roomy...)
	c.echo(c.open("/"), "hello")
	until(t, "all are given up", func() bool { return r.Stats().TLSHandshakesTimedOut == many })
	if stats := r.Stats(); stats.TLSHandshakesFailed != 0 || stats.TLSHandshakes != 0 {
		t.Errorf("%+v", stats)
	}
}

func captureHello(t *testing.T) string {
	t.Helper()
	a, b := net.Pipe()
	defer b.Close()
	go tls.Client(a, clientConfig("h2")).Handshake()
	hello := make([]byte, 4096)
	n, err := b.Read(hello)
	if err != nil || n < 100 {
		t.Fatal(n, err)
	}
	return string(hello[:n])
}

// The server ends under handshakes.
func TestTLSCloseDuringHandshakes(t *testing.T) {
	for _, graceful := range []bool{false, true} {
		r := serve(t, secureServer(t, echo))
		for range 50 {
			defer dialTCP(t, r.addr).Close()
		}
		until(t, "handshakes are under way", func() bool { return r.Stats().TLSHandshakes == 50 })
		if graceful {
			if err := <-r.shutdown(); err != nil {
				t.Error(err)
			}
		} else {
			r.Close()
		}
		until(t, "none is", func() bool { return r.Stats().TLSHandshakes == 0 })
	}
}

func TestTLSShutdown(t *testing.T) {
	r := serve(t, secureServer(t, echo))
	wire := &tap{Conn: dialTCP(t, r.addr)}
	c := newClient(t, shake(t, wire, clientConfig("h2")), roomy...)
	a, b := c.open("/"), c.open("/")
	s := upgrade(t, r.shake(clientConfig("http/1.1")), "/")
	done := r.shutdown()
	for _, id := range []uint32{a, b} {
		c.wantOf(id, "sockets are told", "close 1001 going away")
		c.close(id, frame.FlagEndStream, ws.CloseGoingAway)
		c.wantOf(id, "and ended", "end")
	}
	s.want("sockets are told", ws.OpClose, "\x03\xe9going away")
	s.send(ws.OpClose, "\x03\xe9")
	s.wantEnd("and ended")
	c.wantGone("the connection ends")
	c.nc.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	wire.wantCloseNotify(t)
}

// A client's close_notify is answered by ours, whatever it leaves open.
func TestTLSCloseNotify(t *testing.T) {
	r := serve(t, secureServer(t, echo))
	for _, protocol := range []string{"h2", "http/1.1"} {
		wire := &tap{Conn: dialTCP(t, r.addr)}
		nc := shake(t, wire, clientConfig(protocol))
		if protocol == "h2" {
			newClient(t, nc, roomy...).open("/")
		} else {
			upgrade(t, nc, "/")
		}
		nc.CloseWrite()
		if _, err := io.Copy(io.Discard, nc); err != nil {
			t.Error(err)
		}
		wire.wantCloseNotify(t)
	}
	r.await(t, 2, 2)
}

// tap keeps what was read.
type tap struct {
	net.Conn
	read []byte
}

func (w *tap) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.read = append(w.read, p[:n]...)
	return n, err
}

// wantCloseNotify checks that the last record is an alert: one of 2 octets, a type and a tag of 16 (RFC 8446 §6.1).
func (w *tap) wantCloseNotify(t *testing.T) {
	t.Helper()
	if n := len(w.read); n < 24 || string(w.read[n-24:n-19]) != "\x17\x03\x03\x00\x13" {
		t.Errorf("the last octets are %x", w.read[max(0, n-30):])
	}
}

// holder keeps what is written, from when it holds until it is let go.
type holder struct {
	net.Conn
	holds bool
	held  []byte
}

func (h *holder) Write(p []byte) (int, error) {
	if !h.holds {
		return h.Conn.Write(p)
	}
	h.held = append(h.held, p...)
	return len(p), nil
}

func (h *holder) letGo() error {
	h.SetWriteDeadline(time.Time{}) // which CloseWrite has let pass
	_, err := h.Conn.Write(h.held)
	return err
}

// What comes together with close_notify is answered, as what comes together with FIN is on cleartext: "Any data received
// after a closure alert has been received MUST be ignored", not before (RFC 8446 §6.1).
func TestTLSCloseNotifyBehindRequests(t *testing.T) {
	r := serve(t, secureServer(t, echo))
	nc := dialTCP(t, r.addr)
	wire := &holder{Conn: nc}
	conn := shake(t, wire, clientConfig("h2"))
	c := newClient(t, conn, roomy...)
	id := c.open("/")
	wire.holds = true
	c.message(id, "the last")
	c.close(id, frame.FlagEndStream, ws.CloseNormal)
	c.flush()
	conn.CloseWrite()
	if err := wire.letGo(); err != nil {
		t.Fatal(err)
	}
	c.wantOf(id, "all is answered", "message the last", "close 1000", "end")
}

// cutter ends the connection after so many octets.
type cutter struct {
	net.Conn
	left int
}

var errCut = errors.New("cut")

func (c *cutter) Write(p []byte) (int, error) {
	n := min(len(p), c.left)
	c.Conn.Write(p[:n])
	if c.left -= n; n < len(p) {
		return n, errCut
	}
	return n, nil
}

// A connection may end behind any octet of its ciphertext.
func TestTLSCutAtEveryOctet(t *testing.T) {
	r := serve(t, secureServer(t, echo))
	talk := func(nc net.Conn) bool {
		nc.SetDeadline(time.Now().Add(hangGuard))
		conn := tls.Client(nc, clientConfig("h2"))
		if conn.Handshake() != nil {
			return false
		}
		_, err := conn.Write(dialogue(t))
		return err == nil
	}
	for n, whole := 0, false; !whole; n += 3 {
		nc := dialTCP(t, r.addr)
		whole = talk(&cutter{nc, n})
		if n%2 == 0 {
			nc.(*net.TCPConn).SetLinger(0)
		}
		nc.Close()
	}
	until(t, "all are gone", func() bool {
		s := r.Stats()
		opened, closed := r.count()
		return s.TLSHandshakes == 0 && s.Connections == 0 && opened == closed
	})
}

// net/http's client, for plain requests over HTTP/2.
func TestTLSHTTP(t *testing.T) {
	s := secureServer(t, echo)
	s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(w, r.Body)
		if r.TLS == nil || r.TLS.NegotiatedProtocol != "h2" || n != 1<<20 || err != nil {
			t.Errorf("%d octets, %v, %+v", n, err, r.TLS)
		}
	})
	r := serve(t, s)
	transport := &http.Transport{TLSClientConfig: clientConfig(), Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP2(true)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for range 3 {
		sent := bytes.Repeat([]byte("content "), 1<<17)
		response, err := client.Post("https://"+r.addr.String(), "text/plain", bytes.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		response.Body.Close()
		if response.ProtoMajor != 2 || err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%s: %d octets, %v", response.Proto, len(got), err)
		}
	}
}

// net/http's client, for plain requests over HTTP/1.1.
func TestTLSPlain(t *testing.T) {
	s := secureServer(t, echo)
	s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) })
	r := serve(t, s)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: clientConfig("http/1.1")}}
	defer client.CloseIdleConnections()
	for range 3 {
		response, err := client.Get("https://" + r.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if string(body) != "HTTP/1.1" {
			t.Errorf("%q", body)
		}
	}
	if stats := r.Stats(); stats.HTTPAccepted != 1 || stats.ConnectionsAccepted != 1 {
		t.Errorf("%+v", stats)
	}
	nc := r.shake(clientConfig("http/1.1"))
	io.WriteString(nc, frame.Preface)
	response, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || response.StatusCode != 505 {
		t.Errorf("http/1.1 was agreed on, and HTTP/2 got %v, %+v", err, response)
	}
}
