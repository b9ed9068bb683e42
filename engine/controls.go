package engine

// Connections borrow a buffer for the control frames of a turn from their core and give it back when they
// are written. At most controlsKept of them wait, of controlKeep octets each.
const (
	controlsKept = 64
	controlKeep  = 4 << 10
)

func (k *core) newControls() []byte {
	n := len(k.controls)
	if n == 0 {
		return nil
	}
	b := k.controls[n-1]
	k.controls = k.controls[:n-1]
	return b
}

func (k *core) keepControls(b []byte) {
	if cap(b) > 0 && cap(b) <= controlKeep && len(k.controls) < controlsKept {
		k.controls = append(k.controls, b[:0])
	}
}
