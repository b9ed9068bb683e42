package engine

import (
	"net/netip"
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

// accept takes the next connection from a listening descriptor.
func accept(fd int) (conn int, remote netip.AddrPort, err error) {
	for {
		conn, sa, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err == unix.EINTR || err == unix.ECONNABORTED {
			continue
		}
		if err != nil {
			return -1, netip.AddrPort{}, err
		}
		// Frames are gathered before they are written: waiting for more would only add delay.
		// On a Unix socket there is nothing to set.
		unix.SetsockoptInt(conn, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		return conn, addrPort(sa), nil
	}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
