package ws

import (
	"fmt"
	"testing"
)

// BenchmarkFeed: one whole message in the slice, with a handler that does
// nothing.
func BenchmarkFeed(b *testing.B) {
	for _, op := range []Opcode{OpText, OpBinary} {
		for _, n := range []int{0, 16, 64, 512, 4096, 65536} {
			b.Run(fmt.Sprintf("%v/%d", MessageType(op), n), func(b *testing.B) {
				wire := AppendMasked(nil, op, 0, make([]byte, n))
				var q quiet
				var c Conn
				var r Receiver
				c.Init(NewEndpoint(&q, EndpointOptions{}), &q, nil)
				c.Opened()
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					c.feedAll(&r, wire)
				}
			})
		}
	}
}

// BenchmarkFeedCut: a message of 64 octets that arrives in two slices.
func BenchmarkFeedCut(b *testing.B) {
	wire := AppendMasked(nil, OpText, 0, make([]byte, 64))
	for _, cut := range []int{1, 6, 30} {
		b.Run(fmt.Sprint(cut), func(b *testing.B) {
			var q quiet
			var c Conn
			var r Receiver
			c.Init(NewEndpoint(&q, EndpointOptions{}), &q, nil)
			c.Opened()
			b.ReportAllocs()
			for b.Loop() {
				c.feedAll(&r, wire[:cut])
				c.feedAll(&r, wire[cut:])
			}
		})
	}
}

// BenchmarkEcho: a text message of 64 octets in, checked, and framed again.
func BenchmarkEcho(b *testing.B) {
	e := newEcho()
	wire := AppendMasked(nil, OpText, 0, make([]byte, 64))
	b.ReportAllocs()
	for b.Loop() {
		e.c.feedAll(&e.r, wire)
	}
}

func BenchmarkMask(b *testing.B) {
	for _, n := range []int{4, 16, 64, 1024, 65536} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := make([]byte, n)
			b.SetBytes(int64(n))
			for b.Loop() {
				mask(p, testKey)
			}
		})
	}
}

func BenchmarkHandshake(b *testing.B) {
	e := NewEndpoint(Nop{}, EndpointOptions{})
	r := requestWith("sec-websocket-version", "13", "origin", "https://example.com", "user-agent", "x")
	b.ReportAllocs()
	for b.Loop() {
		e.Handshake(r)
	}
}
