package ws

import (
	"bytes"
	"testing"
)

func TestReceiverGrow(t *testing.T) {
	var r Receiver
	var b, want []byte
	for n := range 3000 {
		part := []byte(repeat(n % 100))
		b = append(r.grow(b, len(part)), part...)
		want = append(want, part...)
		if !bytes.Equal(b, want) {
			t.Fatalf("after %d octets the contents differ", len(want))
		}
		if cap(b) > 2*max(len(b), bufferLenMin/2) {
			t.Fatalf("%d octets in a buffer of %d", len(b), cap(b))
		}
	}
}

func TestReceiverReuses(t *testing.T) {
	var r Receiver
	for class := range bufferClasses {
		n := bufferLenMin << class
		for _, n := range []int{n/2 + 1, n} {
			b := r.buffer(n)
			if cap(b) != bufferLenMin<<class && class > 0 {
				t.Errorf("%d octets in a buffer of %d", n, cap(b))
			}
			first := &b[:1][0]
			r.drop(&b)
			if b != nil {
				t.Error("drop left the buffer to its owner")
			}
			if again := r.buffer(n); &again[:1][0] != first {
				t.Errorf("a buffer for %d octets was not used again", n)
			}
		}
	}
}

// TestReceiverBounded: what a burst leaves behind is limited.
func TestReceiverBounded(t *testing.T) {
	s := open(t, EndpointOptions{})
	var partials []*partial
	for range freePartialsMax + 10 {
		f := s.r.acquire(nil)
		f.buf = s.r.buffer(60000)
		f.control = s.r.buffer(100)
		partials = append(partials, f)
	}
	for _, f := range partials {
		s.r.release(f)
	}
	if s.r.partialsN != freePartialsMax {
		t.Errorf("%d partials kept, limit %d", s.r.partialsN, freePartialsMax)
	}
	if s.r.bytes < freeBytesMax/2 {
		t.Errorf("only %d octets of buffers kept", s.r.bytes)
	}
	s.checkBounds(EndpointOptions{})

	huge := s.r.buffer(4 << 20)
	s.r.drop(&huge)
	s.checkBounds(EndpointOptions{})
}

func TestReceiverReturnsZero(t *testing.T) {
	var r Receiver
	f := r.acquire(nil)
	f.buf, f.size, f.checked, f.fragments, f.fin, f.inFrame, f.headerLen, f.grown = r.buffer(1), 1, 1, 1, true, true, 3, 1
	r.release(f)
	again := r.acquire(nil)
	if again != f {
		t.Fatal("a partial was not used again")
	}
	if again.next != nil || again.buf != nil || again.size+again.checked+again.grown+again.fragments+int(again.headerLen) != 0 || again.fin || again.inFrame {
		t.Errorf("a used partial is not zero: %+v", again)
	}
}
