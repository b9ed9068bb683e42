package bench

import (
	"testing"
	"time"
)

func TestHead(t *testing.T) {
	for _, size := range []int{0, 7, 8, 19, 20, 23, 24, 100} {
		m := frameNow(7, 1<<40, 1500*time.Microsecond, make([]byte, size))
		if m.Len() != size {
			t.Errorf("size %d: %d octets", size, m.Len())
		}
		if size < headSize {
			continue
		}
		h := parseHead(m.Data())
		want := time.Duration(0)
		if size >= lateSize {
			want = 1500 * time.Microsecond
		}
		if h.sequence != 1<<40 || h.publisher != 7 || h.lateness() != want {
			t.Errorf("size %d: got %+v", size, h)
		}
	}
	if h := parseHead(frameNow(0, 1, -time.Second, make([]byte, lateSize)).Data()); h.late != 0 {
		t.Errorf("what was early is %v late", h.lateness())
	}
}
