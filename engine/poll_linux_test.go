package engine

import (
	"testing"

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
