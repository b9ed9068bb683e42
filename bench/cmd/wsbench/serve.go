package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/big"
	"net"
	"time"

	"h2ws/bench"
)

const serveUsage = `
wsbench serve [flags]

A server of WebSockets over HTTP/2 (RFC 8441) and HTTP/1.1, in cleartext or under TLS, to be measured. It accepts
any path and any origin, and echoes every message, except text messages that begin with "!":

  !B COUNT SIZE   publishes COUNT binary messages of SIZE octets to every open socket, one after
                  another, as fast as the slowest connection takes them
  !P TOPIC PUBLISHER COUNT SIZE RATE
                  publishes COUNT binary messages of SIZE octets to a topic, RATE of them a second,
                  whoever keeps up with that
  !G              collects garbage, returns memory to the operating system, and answers "!G"

What is published begins with its number (64 bits, from 1), the time (64 bits, nanoseconds since 1970)
PUBLISHER (32 bits, 0 with !B) and how many microseconds earlier it was due (32 bits, 0 with !B), most significant octet first, as far as there is room.

A socket on a path /t/NAME[/NAME...] is a member of these topics. With ?policy=NAME behind any path it has
that policy when it is slow: CloseSlow, DropNewest, DropOldest or Conflate.

A plain request for / gets a page with the server's figures, for /stats these as JSON, for /metrics the number of
goroutines as text for Prometheus, and for /healthz "ok".

A command it does not understand is answered with "!E" and the reason. When it is ready it prints
one line, "listening on HOST:PORT". SIGINT or SIGTERM end it: it closes all sockets with 1001 and
waits for them, 5 s at most.`

// listeningOn begins the line that says where the server is.
const listeningOn = "listening on "

// maxStreamsDefault is the MAX_CONCURRENT_STREAMS of the reference server.
const maxStreamsDefault = 1 << 20

// shutdownTimeout is how long the sockets have to answer Close.
const shutdownTimeout = 5 * time.Second

func serve(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlagSet("serve")
	addr := f.String("addr", "127.0.0.1:8080", "listen on `host:port`; with port 0 on a free one")
	loops := f.Int("loops", 0, "event `loops` (default: one for each CPU)")
	maxStreams := f.Uint("max-streams", maxStreamsDefault, "`N` WebSockets a connection: MAX_CONCURRENT_STREAMS")
	selfSigned := f.Bool("tls", false, "speak TLS with a certificate made for this run and signed by itself")
	certFile := f.String("tls-cert", "", "speak TLS with the certificate in `file`, in PEM")
	keyFile := f.String("tls-key", "", "whose key is in `file`")
	profile := f.String("cpuprofile", "", "write a CPU profile to `file`")
	if err := parseFlags(f, args, stdout, serveUsage); err != nil {
		return err
	}
	switch {
	case f.NArg() > 0:
		return &usageError{"serve", fmt.Sprintf("unexpected argument %q", f.Arg(0))}
	case *loops < 0:
		return &usageError{"serve", fmt.Sprintf("-loops must be positive, not %d", *loops)}
	case *maxStreams == 0 || *maxStreams > math.MaxInt32:
		return &usageError{"serve", fmt.Sprintf("-max-streams must be 1 to %d, not %d", math.MaxInt32, *maxStreams)}
	}
	secure, err := serveTLS(*selfSigned, *certFile, *keyFile)
	if err != nil {
		return err
	}
	if *selfSigned {
		fmt.Fprintln(stderr, "the certificate is signed by itself: clients must be told to trust it")
	}
	stopProfile, err := startProfile(*profile, "")
	if err != nil {
		return err
	}
	defer stopProfile()
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	return serveOn(ctx, l, bench.NewReference(bench.ReferenceConfig{
		Loops: *loops, MaxStreams: uint32(*maxStreams), TLS: secure, Logger: slog.New(slog.NewTextHandler(stderr, nil)),
	}), stdout)
}

// serveOn serves until ctx is done, and then shuts down.
func serveOn(ctx context.Context, l net.Listener, server *bench.Reference, stdout io.Writer) error {
	fmt.Fprintln(stdout, listeningOn+l.Addr().String())
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil {
		return fmt.Errorf("sockets were left after %v: %w", shutdownTimeout, err)
	}
	return <-served
}

// serveTLS is the server's tls.Config, or nil.
func serveTLS(selfSigned bool, certFile, keyFile string) (*tls.Config, error) {
	var certificate tls.Certificate
	var err error
	switch {
	case (certFile == "") != (keyFile == "") || selfSigned && certFile != "":
		return nil, &usageError{"serve", "-tls-cert and -tls-key go together, and not with -tls"}
	case certFile != "":
		certificate, err = tls.LoadX509KeyPair(certFile, keyFile)
	case selfSigned:
		certificate, err = signItself()
	default:
		return nil, nil
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}}, err
}

// signItself makes a certificate for loopback that lasts for a day.
func signItself() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	template := x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "wsbench"},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
