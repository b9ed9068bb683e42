package engine_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// BenchmarkSecureFanOut is what a delivery of 64 octets to one of 100,000 sockets on one connection costs the server in
// CPU, one message after the other, in cleartext and under TLS 1.3. The peer is a process of its own, which throws away
// what it reads. An operation is one message to all; the connection's window is good for 320. Sealing is what AES-128-GCM
// alone costs for as many octets in full records: TLS cannot cost less than cleartext and that.
//
//	go test -run '^$' -bench SecureFanOut -benchtime 100x -count 5 ./engine
func BenchmarkSecureFanOut(b *testing.B) {
	const sockets = 100_000
	b.Run("cleartext", func(b *testing.B) { benchmarkFanOut(b, false, 1, sockets) })
	b.Run("sealing", func(b *testing.B) { benchmarkSealing(b, sockets) })
	b.Run("TLS", func(b *testing.B) { benchmarkFanOut(b, true, 1, sockets) })
}

func benchmarkSealing(b *testing.B, members int) {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		b.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	head, nonce, record := make([]byte, 5), make([]byte, aead.NonceSize()), make([]byte, frame.MaxPayloadMin+1+aead.Overhead())
	before := processTime(b)
	for range b.N {
		for left := members * (frame.HeaderLen + 2 + 64); left > 0; left -= frame.MaxPayloadMin {
			n := min(left, frame.MaxPayloadMin) + 1 // the type
			aead.Seal(record[:0], nonce, record[:n], head)
		}
	}
	b.ReportMetric(float64(processTime(b)-before)/float64(b.N*members), "cpu-ns/delivery")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkSecureConnections is the same to one socket on each of 10,000 connections under TLS.
//
//	go test -run '^$' -bench SecureConnections -benchtime 100x ./engine
func BenchmarkSecureConnections(b *testing.B) { benchmarkFanOut(b, true, 10_000, 1) }

// BenchmarkRawFanOut is the same to one socket on each of 1,000 connections, over HTTP/2 and over HTTP/1.1.
//
//	go test -run '^$' -bench RawFanOut -benchtime 1000x -count 5 ./engine
func BenchmarkRawFanOut(b *testing.B) {
	b.Run("HTTP2", func(b *testing.B) { benchmarkFanOut(b, false, 1000, 1) })
	b.Run("HTTP1", func(b *testing.B) { benchmarkFanOut(b, false, 1000, 0) })
}

// BenchmarkIdle is the memory of a connection with one socket that is a member of a topic and rests: what the process's RSS,
// which has nothing of the kernel's, has grown by with so many connections, garbage returned.
//
//	go test -run '^$' -bench Idle -benchtime 1x -count 3 ./engine
func BenchmarkIdle(b *testing.B) {
	const conns = 10_000
	for _, kind := range []struct {
		name    string
		secure  bool
		sockets int
	}{{"HTTP2", false, 1}, {"HTTP1", false, 0}, {"HTTP2 under TLS", true, 1}, {"HTTP1 under TLS", true, 0}} {
		b.Run(kind.name, func(b *testing.B) {
			topic, addr := serveTopic(b, kind.secure, 1)
			connect := func(n int) {
				members := topic.Len() + n
				startPeer(b, fmt.Sprint(addr, " ", kind.secure, " ", n, " ", kind.sockets))
				until(b, "all are members", func() bool { return topic.Len() >= members })
			}
			connect(1000) // what there is once, and what lies about, is there
			before := resident(b)
			connect(conns)
			b.ReportMetric(float64(resident(b)-before)/conns, "octets/conn")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// resident is the process's RSS, in octets.
func resident(b testing.TB) int {
	debug.FreeOSMemory()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	var size, pages int
	if _, err := fmt.Sscan(string(statm), &size, &pages); err != nil {
		b.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// serveTopic runs a server whose sockets are members of a topic, until the benchmark's end.
func serveTopic(b *testing.B, secure bool, streams int) (*engine.Topic, net.Addr) {
	topic := engine.NewTopic("", engine.TopicOptions{})
	server := &engine.Server{
		Handler: ws.Funcs{Handshake: func(r *ws.Request) { r.Accept(ws.AcceptOptions{Topics: []ws.Topic{topic}}) }},
		Limits:  engine.Limits{MaxConcurrentStreams: uint32(streams)},
		Logger:  slog.New(slog.DiscardHandler),
	}
	if secure {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{newCertificate(b, "example.com")}}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	b.Cleanup(func() {
		server.Close()
		<-served
	})
	return topic, l.Addr()
}

func benchmarkFanOut(b *testing.B, secure bool, conns, sockets int) {
	topic, addr := serveTopic(b, secure, max(1, sockets))
	startPeer(b, fmt.Sprint(addr, " ", secure, " ", conns, " ", sockets))
	members := conns * max(1, sockets)
	until(b, "all are members", func() bool { return topic.Len() >= members })
	message, err := ws.Prepare(ws.Binary, make([]byte, 64))
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{}, 1)
	publish := func() {
		topic.PublishThen(message, func() { done <- struct{}{} })
		<-done
	}
	publish()
	b.ResetTimer()
	before := processTime(b)
	for range b.N {
		publish()
	}
	cpu := processTime(b) - before
	b.StopTimer()
	b.ReportMetric(float64(cpu)/float64(b.N*members), "cpu-ns/delivery")
	b.ReportMetric(0, "ns/op")
	if s := topic.Stats(); s.Dropped > 0 {
		b.Fatalf("%+v", s)
	}
}

// processTime is the CPU time of the process, in nanoseconds.
func processTime(b *testing.B) int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// peerEnv is set in processes that are peers of a benchmark.
const peerEnv = "H2WS_TEST_PEER"

// startPeer runs this test binary as peer of a benchmark, until its end.
func startPeer(b *testing.B, args string) {
	b.Helper()
	startProcess(b, "TestPeerProcess", peerEnv+"="+args).await("connected")
}

// TestPeerProcess is the peer's side, in a process of its own; else it is nothing.
func TestPeerProcess(t *testing.T) {
	args := os.Getenv(peerEnv)
	if args == "" {
		return
	}
	var addr string
	var secure bool
	var conns, sockets int
	if _, err := fmt.Sscan(args, &addr, &secure, &conns, &sockets); err != nil {
		t.Fatal(err)
	}
	config := clientConfig("h2")
	if sockets == 0 {
		config = clientConfig("http/1.1")
	}
	for range conns {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		// Stays open, and is not decrypted: that would take the processor from the server.
		var to io.Writer = nc
		if secure {
			conn := tls.Client(nc, config)
			if err := conn.Handshake(); err != nil {
				t.Fatal(err)
			}
			if suite := conn.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
				t.Fatal(tls.CipherSuiteName(suite))
			}
			to = conn
		}
		go throwAway(nc)
		octets := []byte(strings.Replace(handshake("/"), "example.com", addr, 1))
		if sockets > 0 {
			octets = openAll(sockets)
		}
		if _, err := to.Write(octets); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Println("connected")
	os.Stdin.Read(make([]byte, 1))
}

func throwAway(nc net.Conn) {
	buf := make([]byte, 256<<10)
	for {
		if _, err := nc.Read(buf); err != nil {
			return
		}
	}
}

// BenchmarkHandshake is full TLS handshakes, four at a time, with this server and with net/http's, same certificate, same
// client, in the same process. The client waits for SETTINGS, so that the connection is served.
//
//	go test -run '^$' -bench Handshake -benchtime 5000x -count 5 ./engine
func BenchmarkHandshake(b *testing.B) {
	config := &tls.Config{Certificates: []tls.Certificate{newCertificate(b, "example.com")}}
	quiet := slog.New(slog.DiscardHandler)
	b.Run("engine", func(b *testing.B) {
		s := &engine.Server{Handler: echo, TLSConfig: config, Logger: quiet}
		benchmarkHandshake(b, s.Serve, s.Close)
	})
	b.Run("nethttp", func(b *testing.B) {
		s := &http.Server{TLSConfig: config, ErrorLog: slog.NewLogLogger(quiet.Handler(), 0)}
		benchmarkHandshake(b, func(l net.Listener) error { return s.ServeTLS(l, "", "") }, s.Close)
	})
}

func benchmarkHandshake(b *testing.B, serve func(net.Listener) error, end func() error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- serve(l) }()
	defer func() {
		end()
		<-served
	}()
	config := clientConfig("h2")
	shake := func() error {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err
		}
		defer nc.Close()
		nc.(*net.TCPConn).SetLinger(0)
		conn := tls.Client(nc, config)
		if _, err := conn.Write([]byte(frame.Preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00")); err != nil {
			return err
		}
		_, err = conn.Read(make([]byte, 1))
		return err
	}
	const atOnce = 4
	todo := make(chan struct{})
	failed := make(chan error, atOnce)
	b.ResetTimer()
	for range atOnce {
		go func() {
			var failure error
			for range todo {
				if err := shake(); err != nil {
					failure = err
				}
			}
			failed <- failure
		}()
	}
	for range b.N {
		todo <- struct{}{}
	}
	close(todo)
	for range atOnce {
		if err := <-failed; err != nil {
			b.Error(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s")
}
