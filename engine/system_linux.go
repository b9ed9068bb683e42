package engine

import (
	"net"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernel is the system calls that may fail, or do less than they were asked for, without anybody's fault, and the clock,
// which may jump. Loops bear whatever they return.
type kernel struct {
	epoll   func() (fd int, err error)
	eventfd func() (fd int, err error)
	watch   func(epoll, fd int, e unix.EpollEvent) error
	look    func(epoll int, events []unix.EpollEvent) (n int, errno unix.Errno)
	// move is the call on fd that moves octets: recvfrom(2), sendto(2) or writev(2).
	move   func(call uintptr, fd int, p unsafe.Pointer, n, flags int) (moved int, errno unix.Errno)
	dup    func(fd int) (int, error)
	attach func(*os.File) (net.Conn, error)
	since  func(time.Time) time.Duration // monotonic
}

// system is the kernel. Tests put faults between it and the loops, before there are any.
var system = kernel{
	epoll:   func() (int, error) { return unix.EpollCreate1(unix.EPOLL_CLOEXEC) },
	eventfd: func() (int, error) { return unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC) },
	watch: func(epoll, fd int, e unix.EpollEvent) error {
		return unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &e)
	},
	look:   look,
	move:   move,
	dup:    func(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) },
	attach: net.FileConn,
	since:  time.Since,
}

// look is epoll_wait(2) that does not wait.
func look(epoll int, events []unix.EpollEvent) (int, unix.Errno) {
	r, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	return int(r), errno
}

// move never waits, because fd is non-blocking. The Go scheduler is not told of it: it would look after a thread that it
// believes to block, some 5 % of the server's CPU where messages go to many connections.
func move(call uintptr, fd int, p unsafe.Pointer, n, flags int) (int, unix.Errno) {
	r, _, errno := unix.RawSyscall6(call, uintptr(fd), uintptr(p), uintptr(n), uintptr(flags), 0, 0)
	return int(r), errno
}
