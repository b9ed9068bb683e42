package engine_test

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// What TLS costs when nothing is new: no allocations, and few records.

// steady is a connection under TLS on which everything is written and read without allocations.
type steady struct {
	t    *testing.T
	nc   *tls.Conn
	head [frame.HeaderLen]byte
	buf  []byte
}

// want reads until so many octets of DATA have come.
func (s *steady) want(octets int) {
	for octets > 0 {
		if _, err := io.ReadFull(s.nc, s.head[:]); err != nil {
			s.t.Fatal(err)
		}
		h, _ := frame.ConsumeHeader(s.head[:])
		if _, err := io.ReadFull(s.nc, s.buf[:h.Length]); err != nil {
			s.t.Fatal(err)
		}
		if h.Type == frame.Data {
			octets -= int(h.Length)
		}
	}
	if octets < 0 {
		s.t.Fatalf("%d octets too many", -octets)
	}
}

// steadyServer is a server of echoes and of a topic, and a connection with so many sockets.
func steadyServer(t *testing.T, h ws.Funcs, sockets int, wrap func(net.Conn) net.Conn) (*engine.Topic, *steady) {
	t.Helper()
	topic := engine.NewTopic("", engine.TopicOptions{})
	h.Handshake = func(r *ws.Request) { r.Accept(ws.AcceptOptions{Topics: []ws.Topic{topic}}) }
	server := secureServer(t, h)
	server.Limits = engine.Limits{MaxConcurrentStreams: uint32(sockets)}
	r := serve(t, server)
	s := &steady{t: t, nc: shake(t, wrap(dialTCP(t, r.addr)), clientConfig("h2")), buf: make([]byte, frame.MaxPayloadMin)}
	if _, err := s.nc.Write(openAll(sockets)); err != nil {
		t.Fatal(err)
	}
	until(t, "all are members", func() bool { return topic.Len() == sockets })
	return topic, s
}

// What is published and what is echoed allocates nothing of ours for a socket or a frame. crypto/tls allocates one object each
// time that it asks for ciphertext, and has its buffers from a pool, which may be empty.
func TestTLSAllocs(t *testing.T) {
	const sockets, echoes = 100, 32
	done := make(chan struct{}, 1)
	tell := func() { done <- struct{}{} }
	received := 0
	h := ws.Funcs{Message: func(c *ws.Conn, m ws.Message) {
		c.Send(m.Type, m.Data)
		if received++; received%echoes == 0 {
			tell()
		}
	}}
	var wire net.Conn
	topic, s := steadyServer(t, h, sockets, func(nc net.Conn) net.Conn {
		wire = nc
		return nc
	})
	go throwAway(wire) // not decrypted: that would allocate too
	var messages []byte
	for i := range uint32(echoes) {
		messages = frame.AppendData(messages, 1+2*i, 0, ws.AppendMasked(nil, ws.OpBinary, 0x87654321, make([]byte, 64)))
	}
	publish := func(size int) func() {
		p, err := ws.Prepare(ws.Binary, make([]byte, size))
		if err != nil {
			t.Fatal(err)
		}
		return func() {
			topic.PublishThen(p, tell)
			<-done
		}
	}
	for _, test := range []struct {
		why     string
		f       func()
		objects int // that crypto/tls, a publish and the test itself make: one for each message received
		records int // both ways
	}{
		{"an echo on each of 32 sockets", func() {
			s.nc.Write(messages)
			<-done
		}, 2 + echoes, 2},
		{"64 octets to each of 100 sockets", publish(64), 3, 1},
		{"4,500 octets to each of 100 sockets", publish(4500), 3, sockets*(frame.HeaderLen+4504)/frame.MaxPayloadMin + 2},
	} {
		for range 100 {
			test.f() // pools and buffers reach their size
		}
		const times = 500
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range times {
			test.f()
		}
		runtime.ReadMemStats(&after)
		if n, most := int(after.Mallocs-before.Mallocs), times*(test.objects+4*test.records); n > most {
			t.Errorf("%s: %d allocations in %d, want at most %d", test.why, n, times, most)
		}
	}
}

// All records but the last of each gather are full.
func TestTLSRecordsAreFull(t *testing.T) {
	const sockets = 20_000
	wire := new(tap)
	topic, s := steadyServer(t, echo, sockets, func(nc net.Conn) net.Conn {
		wire.Conn = nc
		return wire
	})
	small, err := ws.Prepare(ws.Text, []byte(strings.Repeat("x", 64)))
	if err != nil {
		t.Fatal(err)
	}
	before := len(wire.read)
	topic.Publish(small)
	s.want(sockets * 66)
	full, others := 0, 0
	for at := 0; at < len(wire.read); {
		n := 5 + int(wire.read[at+3])<<8 + int(wire.read[at+4])
		if at >= before && n == 5+frame.MaxPayloadMin+1+16 {
			full++
		} else if at >= before {
			others++
		}
		at += n
	}
	// The smallest gather is of two.
	if octets := sockets * (frame.HeaderLen + 66); full < octets/frame.MaxPayloadMin*9/10 || others > full/2+3 {
		t.Errorf("%d octets in %d full records and %d others", octets, full, others)
	}
}
