package engine

import (
	"errors"

	"golang.org/x/sys/unix"
)

func wouldBlock(err error) bool { return err == unix.EAGAIN }

// acceptMayRecover reports whether accepting may work again later: for want of descriptors or
// memory (accept(2)), it does.
func acceptMayRecover(err error) bool {
	for _, e := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
