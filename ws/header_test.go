package ws

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
)

// The examples of RFC 6455 §5.7, as bits:
//
//	FIN RSV opcode  MASK length
var vectors = []struct {
	name    string
	header  string
	rest    string // key and payload
	fin     bool
	op      Opcode
	masked  bool
	payload string
}{
	{
		name:   "a single-frame unmasked text message",
		header: "1 000 0001  0 0000101",
		rest:   "\x48\x65\x6c\x6c\x6f",
		fin:    true, op: OpText, payload: "Hello",
	}, {
		name:   "a single-frame masked text message",
		header: "1 000 0001  1 0000101",
		rest:   "\x37\xfa\x21\x3d" + "\x7f\x9f\x4d\x51\x58",
		fin:    true, op: OpText, masked: true, payload: "Hello",
	}, {
		name:   "a fragmented unmasked text message, first",
		header: "0 000 0001  0 0000011",
		rest:   "\x48\x65\x6c",
		fin:    false, op: OpText, payload: "Hel",
	}, {
		name:   "a fragmented unmasked text message, last",
		header: "1 000 0000  0 0000010",
		rest:   "\x6c\x6f",
		fin:    true, op: OpContinuation, payload: "lo",
	}, {
		name:   "unmasked Ping request",
		header: "1 000 1001  0 0000101",
		rest:   "\x48\x65\x6c\x6c\x6f",
		fin:    true, op: OpPing, payload: "Hello",
	}, {
		name:   "masked Ping response",
		header: "1 000 1010  1 0000101",
		rest:   "\x37\xfa\x21\x3d" + "\x7f\x9f\x4d\x51\x58",
		fin:    true, op: OpPong, masked: true, payload: "Hello",
	}, {
		name:   "256 bytes binary message in a single unmasked frame",
		header: "1 000 0010  0 1111110  00000001 00000000",
		rest:   strings.Repeat("\xfe", 256),
		fin:    true, op: OpBinary, payload: strings.Repeat("\xfe", 256),
	}, {
		name: "64KiB binary message in a single unmasked frame",
		header: "1 000 0010  0 1111111  00000000 00000000 00000000 00000000" +
			"                       00000000 00000001 00000000 00000000",
		rest: strings.Repeat("\xfe", 65536),
		fin:  true, op: OpBinary, payload: strings.Repeat("\xfe", 65536),
	},
}

func TestVectorsConsume(t *testing.T) {
	for _, v := range vectors {
		wire := append(octets(v.header), v.rest...)
		h, n := ConsumeHeader(wire)
		if h.Fin() != v.fin || h.RSV() != 0 || h.Opcode() != v.op || h.Masked != v.masked || h.Length != uint64(len(v.payload)) {
			t.Errorf("%s: ConsumeHeader = %+v", v.name, h)
		}
		payload := bytes.Clone(wire[n:])
		mask(payload, h.Key)
		if string(payload) != v.payload {
			t.Errorf("%s: payload %q", v.name, payload)
		}
	}
}

func TestVectorsAppend(t *testing.T) {
	for _, v := range vectors {
		wire := append(octets(v.header), v.rest...)
		var got []byte
		if v.masked {
			got = AppendMasked(nil, v.op, testKey, []byte(v.payload))
		} else {
			got = append(AppendHeader(nil, v.fin, v.op, len(v.payload)), v.payload...)
		}
		if !bytes.Equal(got, wire) {
			t.Errorf("%s: appended % .20x, want % .20x", v.name, got, wire)
		}
	}
}

func TestVectorsFeed(t *testing.T) {
	for _, v := range vectors {
		s := open(t, EndpointOptions{})
		s.feed(append(octets(v.header), v.rest...))
		switch {
		case !v.masked:
			s.want(v.name+" from a client, but not masked", "CLOSE+END 1002", "close 1002 local ErrProtocol")
		case v.op == OpText:
			s.want(v.name, `text "Hello"`)
		case v.op == OpPong:
			s.wantIdle(v.name)
		}
	}
}

// lengths has both sides of every boundary of the length's encoding.
var lengths = []int{0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537, 1 << 20, math.MaxInt32, math.MaxInt64}

func TestHeaderInverse(t *testing.T) {
	for _, n := range lengths {
		for first := range 256 {
			f, op := first&finBit != 0, Opcode(first&opBits)
			b := AppendHeader([]byte("before"), f, op, n)[6:]
			h, used := ConsumeHeader(append(b, "after"...))
			want := Header{first: byte(first &^ rsvBits), Length: uint64(n)}
			if h != want || used != len(b) || used != HeaderLen(n) {
				t.Fatalf("fin %t, opcode %#x, length %d: % x is parsed as %+v in %d octets", f, op, n, b, h, used)
			}
		}
	}
}

func TestHeaderKeptWhole(t *testing.T) {
	for first := range 256 {
		wire := []byte{byte(first), 0x80 | 5, 1, 2, 3, 4}
		h, n := ConsumeHeader(wire)
		if n != 6 || h.Fin() != (first >= 128) || int(h.RSV()) != first>>4&7 || int(h.Opcode()) != first&15 || h.Key != 0x04030201 {
			t.Errorf("% x: %+v, %d", wire, h, n)
		}
	}
}

func TestHeaderCut(t *testing.T) {
	for _, length := range []byte{0, 125, 126, 127} {
		for _, masked := range []byte{0, maskBit} {
			wire := append([]byte{textWhole, masked | length}, make([]byte, 20)...)
			_, n := ConsumeHeader(wire)
			for i := range n {
				if h, short := ConsumeHeader(wire[:i]); short != 0 || h != (Header{}) {
					t.Errorf("%d of %d octets of % x give %+v, %d", i, n, wire[:n], h, short)
				}
			}
			if _, exact := ConsumeHeader(wire[:n]); exact != n {
				t.Errorf("% x is not recognised as whole", wire[:n])
			}
		}
	}
}

func TestAppendMaskedKeepsPayload(t *testing.T) {
	payload := []byte("Hello, world")
	b := AppendMasked([]byte("before"), OpBinary, testKey, payload)
	if string(payload) != "Hello, world" {
		t.Errorf("AppendMasked changed its payload to %q", payload)
	}
	want := append([]byte("before"), clientFrame(binWhole, "Hello, world")...)
	if !bytes.Equal(b, want) {
		t.Errorf("AppendMasked = % x, want % x", b, want)
	}
}

func ExampleAppendHeader() {
	b := AppendHeader(nil, true, OpText, 5)
	b = append(b, "Hello"...)
	fmt.Printf("% x\n", b)
	// Output: 81 05 48 65 6c 6c 6f
}
