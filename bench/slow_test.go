package bench

import (
	"testing"
	"time"
)

func TestDrainSizes(t *testing.T) {
	for i := range 2000 {
		window := i
		if i >= 1000 {
			window = i*197 - 190_000 // 7,000 to 203,803
		}
		left, steps := window, 0
		for {
			size, ok := drainSize(left)
			if !ok {
				break
			}
			n := len(unmaskedFrame(opBinary, make([]byte, size)))
			if size < 0 || size > SizeMax || n > left {
				t.Fatalf("window %d, %d left: message of %d octets", window, left, size)
			}
			left -= n
			steps++
		}
		if left > 0 && window > 1 || steps > window/65_000+6 {
			t.Fatalf("window %d: %d left after %d steps", window, left, steps)
		}
	}
}

func TestSlowSocketGetsCreditOnlyByGrant(t *testing.T) {
	d := newDialogue(t, offer)
	d.c.window = 100
	d.open(2)
	d.c.streams[0].uncredited = true
	d.recv(`DATA 1 0x8262 "`+string(make98())+`"`, `DATA 3 0x8262 "`+string(make98())+`"`)
	d.wantSent("the other has its window filled up", "WINDOW_UPDATE 3 increment=100")
	d.c.grant(0, 30)
	d.wantSent("what is granted", "WINDOW_UPDATE 1 increment=30")
	d.c.grant(0, 1000)
	d.wantSent("a whole window at most", "WINDOW_UPDATE 1 increment=70")
	d.c.grant(0, 1)
	d.wantSent("it is full")
	d.recv("DATA 1 END_STREAM 0x880203e8")
	d.c.out = nil
	d.c.grant(0, 50)
	d.wantSent("a socket that is over needs no credit")
}

func TestSlowSocketsAreFedOnceATick(t *testing.T) {
	d := newDialogue(t, offer)
	d.open(1)
	d.c.streams[0].recv = 0
	cl := &Client{cfg: Config{Conns: 1}, conns: []*conn{d.c}}
	r := &slowReaders{cl: cl, sockets: []int{0}, rate: 1000}
	for cl.now < tick {
		if err := r.feed(); err != nil {
			t.Fatal(err)
		}
		cl.now += time.Millisecond
	}
	d.wantSent("the octets that are due are not granted one by one")
	r.feed()
	d.wantSent("but those of a tick at once", "WINDOW_UPDATE 1 increment=100")
	cl.now += 3 * tick / 2
	r.feed()
	cl.now += tick / 2
	r.feed()
	d.wantSent("and nothing is forgotten that was not granted in time", "WINDOW_UPDATE 1 increment=150")
	cl.now += tick / 2
	r.feed()
	d.wantSent("of the next tick", "WINDOW_UPDATE 1 increment=100")
}

// make98 fills, with its frame header, 100 octets.
func make98() []byte {
	b := make([]byte, 98)
	for i := range b {
		b[i] = 'x'
	}
	return b
}
