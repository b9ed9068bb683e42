package bench

import (
	"bytes"
	"testing"
)

func TestConsumeMessage(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 100000} {
		payload := filler(size)
		b := append(unmaskedFrame(opBinary, payload), "next"...)
		m, n, err := consumeMessage(b)
		if err != nil || n != len(b)-4 || m.op != opBinary || !bytes.Equal(m.data, payload) {
			t.Errorf("size %d: got opcode %#x, %d octets, n %d, error %v", size, m.op, len(m.data), n, err)
		}
		for _, cut := range []int{0, 1, 2, 3, 9, n / 2, n - 1} {
			if cut >= n {
				continue
			}
			if _, n, err := consumeMessage(b[:cut]); n != 0 || err != nil {
				t.Errorf("size %d cut to %d octets: n %d, error %v, want 0 and none", size, cut, n, err)
			}
		}
	}
}

func TestConsumeMessageRefuses(t *testing.T) {
	for _, test := range []struct {
		frame []byte
		want  error
	}{
		{[]byte{0x82, 0x80, 0, 0, 0, 0}, errMasked},
		{[]byte{0xc2, 0x00}, errReserved},
		{[]byte{0xa2, 0x00}, errReserved},
		{[]byte{0x92, 0x00}, errReserved},
		{[]byte{0x82, 126, 0, 125}, errLength},
		{[]byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, errLength},
		{[]byte{0x82, 127, 0, 0, 0, 0, 4, 0, 0, 1}, errHuge},
		{[]byte{0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0}, errHuge},
	} {
		if _, _, err := consumeMessage(test.frame); err != test.want {
			t.Errorf("% x: got error %v, want %v", test.frame, err, test.want)
		}
	}
}

func TestAppendMasked(t *testing.T) {
	for _, size := range []int{0, 1, 7, 8, 9, 125, 126, 65535, 65536} {
		payload := filler(size)
		b := appendMasked([]byte("before"), opText, payload, 0xdeadbeef)[len("before"):]
		if len(b) != maskedLen(size) {
			t.Errorf("size %d: frame has %d octets, maskedLen says %d", size, len(b), maskedLen(size))
		}
		op, data, ok := unmask(b)
		if !ok || opcode(op) != opText || !bytes.Equal(data, payload) {
			t.Errorf("size %d: does not unmask to what was given", size)
		}
	}
}

func TestMaskAgainstNaive(t *testing.T) {
	const key = 0x01020304
	for size := range 40 {
		got, want := filler(size), filler(size)
		mask(got, key)
		for i := range want {
			want[i] ^= byte(uint32(key) >> (8 * (i % 4)))
		}
		if !bytes.Equal(got, want) {
			t.Errorf("size %d: got % x, want % x", size, got, want)
		}
	}
}

func FuzzConsumeMessage(f *testing.F) {
	f.Add(unmaskedFrame(opText, []byte("hello")))
	f.Add(unmaskedFrame(opBinary, make([]byte, 300)))
	f.Add([]byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, n, err := consumeMessage(b)
		switch {
		case n < 0 || n > len(b):
			t.Fatalf("consumed %d of %d octets", n, len(b))
		case err != nil && n != 0:
			t.Fatalf("consumed %d octets with error %v", n, err)
		case n > 0 && (!bytes.Equal(unmaskedFrame(m.op, m.data)[1:], b[1:n]) || b[0] != finBit(m.fin)|byte(m.op)):
			t.Fatalf("% x is not what % x encodes to", b[:n], m.data)
		}
	})
}

func finBit(fin bool) byte {
	if fin {
		return 0x80
	}
	return 0
}

func TestFragmentedMessage(t *testing.T) {
	d := newDialogue(t, offer)
	d.c.open()
	d.recv("HEADERS 1 END_HEADERS 0x88")
	d.wantEvents("it is open", "opened 0")
	d.recv(`DATA 1 0x0102` + "6162") // "ab" in two frames of which the first has the opcode
	d.recv("DATA 1 0x89017a", "DATA 1 0x0000", "DATA 1 0x800163")
	d.wantEvents("a PING between fragments is none of them", `message 0 0x1 "abc"`)
	for _, bad := range []string{
		"DATA 1 0x0900",         // a control frame in fragments
		"DATA 1 0x8000",         // a continuation of nothing
		"DATA 1 0x010161810162", // a message inside a message
	} {
		d := newDialogue(t, offer)
		d.c.open()
		d.recv("HEADERS 1 END_HEADERS 0x88")
		if err := d.tryRecv(bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func TestFragmentedMessagesOfSeveralSockets(t *testing.T) {
	d := newDialogue(t, offer)
	d.open(3)
	d.recv("DATA 1 0x020161", "DATA 3 0x820162")
	d.wantEvents("a whole message, while another socket is in the middle of one", `message 1 0x2 "b"`)
	d.recv("DATA 5 0x010163", "DATA 1 0x800164")
	d.wantEvents("the end of one, while another is begun", `message 0 0x2 "ad"`)
	d.recv("DATA 3 0x820165", "DATA 5 0x800166")
	d.wantEvents("and the end of that", `message 1 0x2 "e"`, `message 2 0x1 "cf"`)
}
