package engine

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"h2ws/engine/frame"
)

// BenchmarkGather justifies refMin: one operation is one DATA frame with a shared payload, out of a full gather
// that is written to a loopback connection, its payloads copied into the gather or referred to. What a
// reference costs is in the kernel, two more iovecs and a copy cut in three; what the copy costs
// is the caches', so there is one payload for all, as in a fan-out, or another one each time, out of 64 MiB.
// cpu-ns/op is the writing thread's user and system time: the reader is not in it.
func BenchmarkGather(b *testing.B) {
	shared := make([]byte, 64<<20)
	for _, size := range []int{512, 1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10} {
		for _, how := range []string{"copy", "ref"} {
			b.Run(fmt.Sprintf("payload=%d/one/%s", size, how), func(b *testing.B) { benchGather(b, shared[:size], size, how == "ref") })
			b.Run(fmt.Sprintf("payload=%d/many/%s", size, how), func(b *testing.B) { benchGather(b, shared, size, how == "ref") })
		}
	}
}

func benchGather(b *testing.B, shared []byte, size int, refer bool) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fd := drainedSocket(b)
	g := newGather(gatherSize)
	var vectors [][]byte
	iov := make([]unix.Iovec, 0, iovMax)
	at := 0
	cpu := threadTime(b)
	n := 0
	for b.Loop() {
		if n++; at+size > len(shared) {
			at = 0
		}
		payload := shared[at : at+size]
		at += size
		g.buf = frame.AppendHeader(g.buf, frame.Header{Length: uint32(size), StreamID: 1})
		g.size += frame.HeaderLen
		if refer {
			g.refs = append(g.refs, ref{len(g.buf), payload})
			g.size += size
		} else {
			g.copy(payload)
		}
		if g.size >= gatherSize {
			vectors = writeGather(b, fd, g, vectors, iov)
			g.reset(gatherSize)
		}
	}
	b.SetBytes(int64(size))
	b.ReportMetric(float64(threadTime(b)-cpu)/float64(n), "cpu-ns/op")
}

func writeGather(b *testing.B, fd int, g *gather, vectors [][]byte, iov []unix.Iovec) [][]byte {
	for sent := 0; sent < g.size; {
		vectors = g.vectors(vectors[:0], sent)
		n, err := writev(fd, vectors, iov)
		if err != nil {
			b.Fatal(err)
		}
		sent += n
	}
	return vectors
}

// drainedSocket is a blocking socket whose peer reads all.
func drainedSocket(b *testing.B) (fd int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 1<<20))
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if fd, err = detach(c); err != nil {
		b.Fatal(err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		unix.Close(fd)
		<-drained
	})
	return fd
}

// threadTime is the CPU time of the calling thread, in nanoseconds.
func threadTime(b *testing.B) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return t.Nano()
}
