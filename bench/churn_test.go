package bench

import (
	"errors"
	"testing"
)

// A connection that cannot be made anew ends the run, which does not wait for it any more.
func TestRedialFails(t *testing.T) {
	h := &churn{dialing: map[int]bool{3: true}, redials: make(chan redial, 1)}
	refused := errors.New("refused")
	h.redials <- redial{number: 3, err: refused}
	if err := h.adopt(nil); !errors.Is(err, refused) {
		t.Error(err)
	}
	h.wait()
}
