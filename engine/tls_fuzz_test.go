package engine

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"h2ws/engine/frame"
)

// fuzzCertificate is for nobody.
var fuzzCertificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fuzz"}, NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// FuzzTLS gives records of TLS to a tls.Conn that has left its socket for a loop, cut anywhere, and with one octet of
// them changed at harm or none. That a tls.Conn goes on in the middle of a record after errDry is what the
// loop relies on.
//
// What is opened is what was sealed, or of that a beginning if there was harm, and then the tls.Conn says so once and
// for all, in a single alert. What it seals itself the client can open.
func FuzzTLS(f *testing.F) {
	settings := frame.AppendSettings([]byte(frame.Preface))
	for i, octets := range [][]byte{nil, settings, bytes.Repeat(settings, 1000)} {
		for _, harm := range []uint16{0, 1, 2, 4, 6, 300} {
			f.Add(octets, uint64(i), harm, harm%2 == 0)
		}
	}
	f.Fuzz(func(t *testing.T, octets []byte, cuts uint64, harm uint16, old bool) {
		w := newWires(t, old)
		random := mathrand.New(mathrand.NewPCG(cuts, 0))
		for rest := octets; len(rest) > 0; {
			n := min(1+random.IntN(1<<random.IntN(16)), len(rest))
			w.client.Write(rest[:n])
			rest = rest[n:]
		}
		sealed := w.said.Bytes()
		harmed := harm > 0 && int(harm) <= len(sealed)
		if harmed {
			sealed[harm-1] ^= byte(1 + cuts%255)
		}
		got, err := w.open(sealed, random)
		switch {
		case !bytes.HasPrefix(octets, got) || !harmed && len(got) < len(octets):
			t.Errorf("%d octets were opened, not the %d that were sealed", len(got), len(octets))
		case err != nil && !harmed:
			t.Error(err)
		case err != nil:
			w.checkEnd(err)
		case !harmed:
			w.checkAnswer(octets)
		}
		if len(w.server.memory.in) > 0 {
			t.Errorf("%d octets were not taken", len(w.server.memory.in))
		}
	})
}

// wires are both ends of a connection after the handshake. The server's is on a loop.
type wires struct {
	t      *testing.T
	server *tlsWire
	client *tls.Conn
	said   bytes.Buffer // by the client
	heard  bytes.Buffer // what it is to hear
	out    []byte       // what the server said
}

// late is a net.Conn that is left as tlsWire leaves its socket.
type late struct {
	net.Conn
	r io.Reader
	w io.Writer // nil: not yet
}

func (l *late) Read(p []byte) (int, error) {
	if l.w == nil {
		return l.Conn.Read(p)
	}
	return l.r.Read(p)
}

func (l *late) Write(p []byte) (int, error) {
	if l.w == nil {
		return l.Conn.Write(p)
	}
	return l.w.Write(p)
}

func newWires(t *testing.T, old bool) *wires {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	config := &tls.Config{Certificates: []tls.Certificate{fuzzCertificate()}, NextProtos: []string{"h2"}, SessionTicketsDisabled: true}
	if old {
		config.MaxVersion = tls.VersionTLS12
	}
	w := &wires{t: t, server: newTLSWire(a, config)}
	wire := &late{Conn: b}
	w.client = tls.Client(wire, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	done := make(chan error, 1)
	go func() { done <- w.server.conn.Handshake() }()
	if err := errors.Join(w.client.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	w.server.leave()
	w.server.memory.out = &w.out
	wire.r, wire.w = &w.heard, &w.said
	return w
}

// open reads as a loop does.
func (w *wires) open(sealed []byte, random *mathrand.Rand) (got []byte, err error) {
	opened := make([]byte, 1+random.IntN(1<<random.IntN(16)))
	for len(sealed) > 0 {
		n := min(1+random.IntN(1<<random.IntN(16)), len(sealed))
		w.server.memory.in = sealed[:n]
		sealed = sealed[n:]
		for {
			n, err := w.server.conn.Read(opened)
			got = append(got, opened[:n]...)
			if err == errDry {
				break
			}
			if err != nil {
				w.server.memory.in = nil
				return got, err
			}
		}
	}
	return got, nil
}

// checkEnd checks that err is the last word.
func (w *wires) checkEnd(err error) {
	const alertMax = 5 + 8 + 2 + 1 + 16 // a record of TLS 1.2 or 1.3 with an alert
	if len(w.out) > alertMax {
		w.t.Errorf("%d octets were said to %v", len(w.out), err)
	}
	w.server.memory.in = []byte("more")
	if n, again := w.server.conn.Read(make([]byte, 10)); n > 0 || again == nil || again == errDry {
		w.t.Errorf("%v, and then %d octets, %v", err, n, again)
	}
	w.server.memory.in = nil
}

// checkAnswer has the server echo.
func (w *wires) checkAnswer(octets []byte) {
	if len(w.out) > 0 {
		w.t.Errorf("%d octets were said of itself", len(w.out))
	}
	w.server.conn.Write(octets)
	w.heard.Write(w.out)
	got := make([]byte, len(octets))
	if _, err := io.ReadFull(w.client, got); err != nil || !bytes.Equal(got, octets) {
		w.t.Errorf("the answer of %d octets: %v", len(octets), err)
	}
}
