package engine

import (
	"errors"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// iovMax is IOV_MAX, the most that writev(2) takes.
const iovMax = 1024

// writev writes what vectors refer to, or the first iovMax of them, and returns how much of it was
// accepted. iov is scratch memory, reused so that nothing is allocated.
func writev(fd int, vectors [][]byte, iov []unix.Iovec) (n int, err error) {
	if len(vectors) == 1 {
		return write(fd, vectors[0])
	}
	iov = iov[:min(len(vectors), cap(iov))]
	for i := range iov {
		iov[i].Base = unsafe.SliceData(vectors[i])
		iov[i].SetLen(len(vectors[i]))
	}
	for {
		r, _, errno := unix.Syscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(iov))), uintptr(len(iov)))
		if errno == unix.EINTR {
			continue
		}
		clear(iov) // or they keep the payloads alive
		if errno != 0 {
			return 0, errno
		}
		return int(r), nil
	}
}

func write(fd int, p []byte) (n int, err error) {
	for {
		if n, err = unix.Write(fd, p); err != unix.EINTR {
			return n, err
		}
	}
}

func read(fd int, p []byte) (n int, err error) {
	for {
		if n, err = unix.Read(fd, p); err != unix.EINTR {
			return n, err
		}
	}
}

// detach returns a descriptor of nc's socket that belongs to the caller; nc may be closed.
func detach(nc net.Conn) (fd int, err error) {
	socket, ok := nc.(syscall.Conn)
	if !ok {
		return -1, ErrListener
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return -1, err
	}
	var dupErr error
	err = raw.Control(func(own uintptr) {
		fd, dupErr = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0)
	})
	return fd, errors.Join(err, dupErr)
}

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
