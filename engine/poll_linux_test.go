package engine

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Who posts may be overtaken by the end of the loop before it gets to wake it. What descriptors the poller had may be
// anybody's by then.
func TestWakeBehindTheEnd(t *testing.T) {
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	p.close()
	var others []int
	for range 8 {
		fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		others = append(others, fd)
	}
	p.wake()
	for _, fd := range others {
		if n, err := unix.Read(fd, make([]byte, 8)); err != unix.EAGAIN {
			t.Errorf("somebody else's descriptor was written to: %d, %v", n, err)
		}
	}
}

// A loop that was woken may have left nobody in the runtime's poller, and if it stays busy it sees to that, once.
func TestBusyLoopLeavesThePoller(t *testing.T) {
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	turn := func(now time.Duration, timeout time.Duration, wake bool) {
		if wake {
			p.wake()
		}
		p.wait(timeout)
		p.turn(now)
		p.drainWakeup()
		p.lookNow() // that it can be written to
	}
	for _, step := range []struct {
		name    string
		now     time.Duration
		timeout time.Duration
		wake    bool
		alone   bool
	}{
		{"it did not sleep", 1 * aloneMax, 0, true, false},
		{"nor with something to be done at once", 2 * aloneMax, never, true, false},
		{"it slept", 3 * aloneMax, 100 * time.Millisecond, false, true},
		{"it is busy", 4 * aloneMax, 0, true, true},
		{"for long", 4*aloneMax + 1, 0, true, false},
		{"and longer", 9 * aloneMax, 0, true, false},
		{"it slept again", 10 * aloneMax, 100 * time.Millisecond, false, true},
	} {
		if turn(step.now, step.timeout, step.wake); p.alone != step.alone {
			t.Errorf("%s: alone is %v", step.name, p.alone)
		}
	}
	if p.leave(); p.alone {
		t.Error("still alone with much to be done")
	}
}
