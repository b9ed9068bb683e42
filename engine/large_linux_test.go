package engine_test

import (
	"io"
	"log/slog"
	"net"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/hpack"
	"h2ws/ws"
)

// BenchmarkLarge compares a topic's 16 KiB messages to 10,000 sockets on one connection with a bare loop of writev
// that sends the same octets. An operation is one message to one socket; the peer reads and throws away.
//
//	go test -run '^$' -bench Large -benchtime 200000x ./engine
func BenchmarkLarge(b *testing.B) {
	const sockets, size = 10_000, 16 << 10
	message, err := ws.Prepare(ws.Binary, make([]byte, size))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("writev", func(b *testing.B) { benchmarkWritev(b, message.Frame()) })
	b.Run("topic", func(b *testing.B) { benchmarkTopic(b, sockets, message) })
}

// dataOf is a message in as many DATA frames as it takes.
func dataOf(id uint32, message []byte) (wire []byte) {
	for len(message) > 0 {
		n := min(len(message), frame.MaxPayloadMin)
		wire = frame.AppendData(wire, id, 0, message[:n])
		message = message[n:]
	}
	return wire
}

func benchmarkWritev(b *testing.B, message []byte) {
	wire := dataOf(1, message)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		if peer, err := l.Accept(); err == nil {
			io.Copy(io.Discard, peer)
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(wire)))
	b.ResetTimer()
	for done := 0; done < b.N; {
		batch := min(16, b.N-done) // 256 KiB
		vectors := make([][]byte, batch)
		for i := range vectors {
			vectors[i] = wire
		}
		writeAll(b, raw, vectors)
		done += batch
	}
}

func writeAll(b *testing.B, raw syscall.RawConn, vectors [][]byte) {
	var failed error
	err := raw.Write(func(fd uintptr) bool {
		for len(vectors) > 0 {
			n, err := unix.Writev(int(fd), vectors)
			if err == unix.EAGAIN {
				return false
			}
			if err != nil {
				failed = err
				return true
			}
			for n > 0 && n >= len(vectors[0]) {
				n -= len(vectors[0])
				vectors = vectors[1:]
			}
			if n > 0 {
				vectors[0] = vectors[0][n:]
			}
		}
		return true
	})
	if err != nil || failed != nil {
		b.Fatal(err, failed)
	}
}

func benchmarkTopic(b *testing.B, sockets int, message *ws.Prepared) {
	topic := engine.NewTopic("large", engine.TopicOptions{})
	server := &engine.Server{
		Handler: ws.Funcs{Handshake: func(r *ws.Request) { r.Accept(ws.AcceptOptions{Topics: []ws.Topic{topic}}) }},
		Limits:  engine.Limits{MaxConcurrentStreams: uint32(sockets)},
		Logger:  slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() {
		server.Close()
		<-served
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	go drain(c)
	if _, err := c.Write(openAll(sockets)); err != nil {
		b.Fatal(err)
	}
	for topic.Len() < sockets { // nothing else says when the last has joined
		runtime.Gosched()
	}
	b.SetBytes(int64(len(dataOf(1, message.Frame()))))
	b.ResetTimer()
	tickets := make(chan struct{}, 2)
	for range max(1, b.N/sockets) {
		tickets <- struct{}{}
		topic.PublishThen(message, func() { <-tickets })
	}
	for range cap(tickets) {
		tickets <- struct{}{}
	}
	b.StopTimer()
	if s := topic.Stats(); s.Dropped > 0 {
		b.Fatalf("%+v", s)
	}
}

// openAll is what a client says to open sockets with windows that last for the benchmark.
func openAll(sockets int) (wire []byte) {
	wire = append(wire, frame.Preface...)
	wire = frame.AppendSettings(wire, frame.Setting{ID: frame.InitialWindowSize, Value: 1<<31 - 1})
	wire = frame.AppendWindowUpdate(wire, 0, 1<<31-1-65535)
	wire = frame.AppendSettingsAck(wire)
	var block []byte
	for _, f := range [][2]string{
		{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"},
		{":authority", "localhost"}, {":path", "/"}, {"sec-websocket-version", "13"},
	} {
		block = hpack.AppendField(block, f[0], f[1])
	}
	for i := range sockets {
		wire = frame.AppendHeaders(wire, uint32(2*i+1), frame.FlagEndHeaders, block)
	}
	return wire
}

// drain reads everything and gives back what it takes of the connection's window.
func drain(c net.Conn) {
	buf := make([]byte, 256<<10)
	credit := 0
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if credit += n; credit > 64<<20 {
			// All but a little more than the frame headers, 18 octets in 16,406: the window must not overflow.
			if _, err := c.Write(frame.AppendWindowUpdate(nil, 0, uint32(credit-credit/500))); err != nil {
				return
			}
			credit = 0
		}
	}
}
