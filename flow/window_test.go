package flow

import (
	"errors"
	"math/rand/v2"
	"testing"
	"unsafe"
)

func TestSendWindowGoesNegative(t *testing.T) {
	// The example of RFC 9113 §6.9.2: 60 KB sent on the default window of
	// 64 KB, then a base of 16 KB.
	const kilo = 1024
	var w SendWindow
	w.Take(60 * kilo)
	if got := w.Available(16 * kilo); got != -44*kilo {
		t.Errorf("after 60 KB and a base of 16 KB: available %d, want -44 KB", got)
	}
	if err := w.Grant(16*kilo, 44*kilo); err != nil {
		t.Fatalf("granting to a negative window: %v", err)
	}
	if got := w.Available(16 * kilo); got != 0 {
		t.Errorf("after 44 KB came back: available %d, want 0", got)
	}
	if got := w.Available(InitialSize); got != InitialSize-16*kilo {
		t.Errorf("with the old base again: available %d, want %d", got, InitialSize-16*kilo)
	}
}

func TestSendWindowGrant(t *testing.T) {
	for _, test := range []struct {
		why       string
		base      int32
		taken     int32
		increment uint32
		overflow  bool
	}{
		{"one more than the default", InitialSize, 0, 1, false},
		{"up to the largest", InitialSize, 0, MaxSize - InitialSize, false},
		{"one beyond the largest", InitialSize, 0, MaxSize - InitialSize + 1, true},
		{"what was taken gives room", InitialSize, 10, MaxSize - InitialSize + 10, false},
		{"and no more than that", InitialSize, 10, MaxSize - InitialSize + 11, true},
		{"all from nothing", 0, 0, MaxSize, false},
		{"all from nothing, and one", 0, 0, MaxSize + 1, true},
		{"one on the largest base", MaxSize, 0, 1, true},
		{"the largest base, all of it taken", MaxSize, MaxSize, MaxSize, false},
		{"the largest base, all of it taken, and one", MaxSize, MaxSize, MaxSize + 1, true},
		{"no increment", MaxSize, 0, 0, false},
		{"an increment of 32 bits", 0, 0, 1<<32 - 1, true},
		{"an increment of 32 bits on the largest", MaxSize, 0, 1<<32 - 1, true},
	} {
		t.Run(test.why, func(t *testing.T) {
			var w SendWindow
			w.Take(test.taken)
			before := w.Available(test.base)
			err := w.Grant(test.base, test.increment)
			if test.overflow {
				if !errors.Is(err, ErrOverflow) {
					t.Errorf("error %v, want ErrOverflow", err)
				}
				if w.Available(test.base) != before {
					t.Errorf("a refused grant changed the window from %d to %d", before, w.Available(test.base))
				}
				return
			}
			if want := before + int64(test.increment); err != nil || w.Available(test.base) != want {
				t.Errorf("available %d, error %v, want %d", w.Available(test.base), err, want)
			}
		})
	}
}

func TestSendWindowGrantBeyondInt32(t *testing.T) {
	// The increment does not fit int32, the sum does.
	var w SendWindow
	w.Take(MaxSize)
	if err := w.Grant(0, 1<<31); err != nil {
		t.Fatal(err)
	}
	if got := w.Available(0); got != 1 {
		t.Errorf("available %d, want 1", got)
	}
}

func TestSendWindowOverflowByBaseIsSeenLater(t *testing.T) {
	var w SendWindow
	if err := w.Grant(0, MaxSize); err != nil {
		t.Fatal(err)
	}
	if got := w.Available(1); got != MaxSize+1 {
		t.Errorf("available %d, want one more than MaxSize", got)
	}
	if got := w.Available(MaxSize); got != 2*MaxSize {
		t.Errorf("available %d, want twice MaxSize", got)
	}
	if err := w.Grant(1, 0); !errors.Is(err, ErrOverflow) {
		t.Errorf("granting to an overflown window: %v, want ErrOverflow", err)
	}
}

// naiveWindows are windows as RFC 9113 §6.9.2 describes them: each has its own
// size, and a new base visits all.
type naiveWindows struct {
	base      int32
	available []int64
}

func (n *naiveWindows) setBase(base int32) {
	for i := range n.available {
		n.available[i] += int64(base) - int64(n.base)
	}
	n.base = base
}

// grant reports false if the window would overflow.
func (n *naiveWindows) grant(i int, increment uint32) bool {
	if n.available[i]+int64(increment) > MaxSize {
		return false
	}
	n.available[i] += int64(increment)
	return true
}

func TestSendWindowModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		windows := make([]SendWindow, 5)
		model := naiveWindows{available: make([]int64, len(windows))}
		for step := range 500 {
			i := r.IntN(len(windows))
			switch r.IntN(3) {
			case 0:
				model.setBase(anySize(r))
			case 1:
				if most := min(model.available[i], MaxSize); most > 0 {
					n := 1 + r.Int64N(most)
					windows[i].Take(int32(n))
					model.available[i] -= n
				}
			case 2:
				increment := uint32(anySize(r)) + uint32(r.IntN(2))
				ok := model.grant(i, increment)
				if err := windows[i].Grant(model.base, increment); (err == nil) != ok {
					t.Fatalf("seed %d step %d: grant %d on %d: error %v", seed, step, increment, model.available[i], err)
				}
			}
			for i, w := range windows {
				if got := w.Available(model.base); got != model.available[i] {
					t.Fatalf("seed %d step %d: window %d has %d, want %d", seed, step, i, got, model.available[i])
				}
			}
		}
	}
}

// anySize returns a size from all of its range, often from its edges.
func anySize(r *rand.Rand) int32 {
	switch r.IntN(6) {
	case 0:
		return 0
	case 1:
		return MaxSize - int32(r.IntN(2))
	case 2:
		return InitialSize
	case 3:
		return r.Int32N(100)
	}
	return r.Int32()
}

func TestRecvWindowCredit(t *testing.T) {
	for _, test := range []struct {
		why             string
		available, size int32
		increment       uint32
	}{
		{"full", 100, 100, 0},
		{"one used", 99, 100, 0},
		{"more than half is left", 51, 100, 0},
		{"half is left", 50, 100, 50},
		{"nothing is left", 0, 100, 100},
		{"odd size, more than half is left", 51, 101, 0},
		{"odd size, less than half is left", 50, 101, 51},
		{"a size of one, used", 0, 1, 1},
		{"a size of one, unused", 1, 1, 0},
		{"everything withheld", 0, 0, 0},
		{"more withheld than there is", 10, 5, 0},
		{"a much larger size", InitialSize, 1 << 20, 1<<20 - InitialSize},
		{"a size not twice as large is not due yet", InitialSize, 100_000, 0},
		{"from nothing to the largest", 0, MaxSize, MaxSize},
	} {
		t.Run(test.why, func(t *testing.T) {
			w := NewRecvWindow(test.available)
			if got := w.Credit(test.size); got != test.increment {
				t.Errorf("Credit(%d) of %d = %d, want %d", test.size, test.available, got, test.increment)
			}
			if got := w.Available(); got != test.available+int32(test.increment) {
				t.Errorf("available %d, not what was announced: %d", got, test.available+int32(test.increment))
			}
		})
	}
}

func TestRecvWindowRaise(t *testing.T) {
	w := NewRecvWindow(InitialSize)
	if got := w.Raise(100_000); got != 100_000-InitialSize || w.Available() != 100_000 {
		t.Errorf("raised by %d to %d, want at once and all of it", got, w.Available())
	}
	if got := w.Raise(100_000); got != 0 {
		t.Errorf("raised again by %d, want 0", got)
	}
	if got := w.Raise(10); got != 0 || w.Available() != 100_000 {
		t.Errorf("a smaller size changed the window by %d to %d", got, w.Available())
	}
}

func TestRecvWindowTakesNoMoreThanAnnounced(t *testing.T) {
	w := NewRecvWindow(10)
	for _, test := range []struct {
		n    uint32
		left int32
		err  error
	}{
		{11, 10, ErrExceeded},
		{1<<32 - 1, 10, ErrExceeded},
		{1 << 31, 10, ErrExceeded},
		{0, 10, nil},
		{10, 0, nil},
		{0, 0, nil},
		{1, 0, ErrExceeded},
	} {
		if err := w.Take(test.n); !errors.Is(err, test.err) || w.Available() != test.left {
			t.Errorf("Take(%d): %v, %d left, want %v, %d left", test.n, err, w.Available(), test.err, test.left)
		}
	}
}

// TestRecvWindowModel has a sender, who knows only what was announced, and a
// receiver, who consumes late: what the sender may send and what the receiver
// expects must be the same number throughout, and never stall.
func TestRecvWindowModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		size := 1 + r.Int32N(1<<r.IntN(31))
		w := NewRecvWindow(size)
		mayUse, unconsumed := int64(size), int64(0)
		for step := range 500 {
			n := r.Int64N(mayUse + 2) // mayUse+1: one too many
			if err := w.Take(uint32(n)); (err == nil) != (n <= mayUse) {
				t.Fatalf("seed %d step %d: %d of %d taken: error %v", seed, step, n, mayUse, err)
			} else if err == nil {
				mayUse -= n
				unconsumed += n
			}
			unconsumed -= r.Int64N(unconsumed + 1)
			mayUse += int64(w.Credit(size - int32(unconsumed)))
			if int64(w.Available()) != mayUse {
				t.Fatalf("seed %d step %d: available %d, the sender knows of %d", seed, step, w.Available(), mayUse)
			}
			if mayUse+unconsumed > int64(size) {
				t.Fatalf("seed %d step %d: %d announced and %d unconsumed exceed %d", seed, step, mayUse, unconsumed, size)
			}
			if mayUse == 0 && unconsumed < int64(size) {
				t.Fatalf("seed %d step %d: window at zero with %d of %d unconsumed", seed, step, unconsumed, size)
			}
		}
	}
}

func TestWindowBugsPanic(t *testing.T) {
	for why, f := range map[string]func(){
		"taking a negative amount":  func() { new(SendWindow).Take(-1) },
		"taking more than any base": func() { w := SendWindow{-MaxSize}; w.Take(1) },
		"a window of negative size": func() { NewRecvWindow(-1) },
	} {
		wantPanic(t, why, f)
	}
}

func wantPanic(t *testing.T, why string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", why)
		}
	}()
	f()
}

func TestWindowSizes(t *testing.T) {
	if got := unsafe.Sizeof(SendWindow{}); got != 4 {
		t.Errorf("a SendWindow takes %d octets, want 4", got)
	}
	if got := unsafe.Sizeof(RecvWindow{}); got != 4 {
		t.Errorf("a RecvWindow takes %d octets, want 4", got)
	}
}

func TestWindowAllocs(t *testing.T) {
	var send SendWindow
	recv := NewRecvWindow(InitialSize)
	var errs [2]error
	allocs := testing.AllocsPerRun(100, func() {
		send.Take(100)
		errs[0] = send.Grant(InitialSize, MaxSize) // overflows
		send.Grant(InitialSize, 100)
		errs[1] = recv.Take(1 << 31) // exceeds
		recv.Take(40_000)
		recv.Credit(InitialSize)
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
	if errs[0] == nil || errs[1] == nil {
		t.Errorf("errors %v, want both", errs)
	}
}
