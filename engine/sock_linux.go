package engine

import (
	"errors"
	"net"
	"os"
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
	n, err = transfer(unix.SYS_WRITEV, fd, unsafe.Pointer(unsafe.SliceData(iov)), len(iov), 0)
	clear(iov) // or they keep the payloads alive
	return n, err
}

// write and read name the socket calls: write(2) and read(2) reach the same code by way of the file's position and
// its locks, and cost 4 % more of the server's CPU where each message goes to its own connection.
func write(fd int, p []byte) (n int, err error) {
	return transfer(unix.SYS_SENDTO, fd, unsafe.Pointer(unsafe.SliceData(p)), len(p), unix.MSG_NOSIGNAL)
}

func read(fd int, p []byte) (n int, err error) {
	return transfer(unix.SYS_RECVFROM, fd, unsafe.Pointer(unsafe.SliceData(p)), len(p), 0)
}

// transfer is a system call that moves octets, once more if a signal came in between.
func transfer(call uintptr, fd int, p unsafe.Pointer, n, flags int) (int, error) {
	for {
		moved, errno := system.move(call, fd, p, n, flags)
		switch errno {
		case 0:
			return moved, nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// descriptorsMost bounds that room: 8 MiB of the kernel's memory.
const descriptorsMost = 1 << 20

// growDescriptors makes room for n descriptors in the process's table, as far as its limit goes. The kernel doubles the
// table when it is full, for which it waits until no other thread can be looking at the old one: whoever opens the
// descriptor that is one too many is away for some 8 ms.
func growDescriptors(n int) {
	var limit unix.Rlimit
	if n <= 0 || unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if last, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, int(min(uint64(n), limit.Cur, descriptorsMost))-1); err == nil {
		unix.Close(last)
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
		fd, dupErr = system.dup(int(own))
	})
	return fd, errors.Join(err, dupErr)
}

// attach returns a net.Conn of a socket whose descriptor it takes, also when it fails.
func attach(fd int) (net.Conn, error) {
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	return system.attach(file)
}

// acceptMayRecover reports whether accepting may work again later: for want of descriptors or
// memory it does, and errors of the network already pending on a new connection are that connection's
// ("treat them like EAGAIN by retrying", accept(2)), as are its reset before it was accepted and a firewall's no.
func acceptMayRecover(err error) bool {
	for _, e := range []error{
		unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM,
		unix.ECONNABORTED, unix.ECONNRESET, unix.EPERM, unix.ETIMEDOUT, unix.EINTR, unix.EAGAIN,
		unix.ENETDOWN, unix.EPROTO, unix.ENOPROTOOPT, unix.EHOSTDOWN, unix.ENONET, unix.EHOSTUNREACH, unix.EOPNOTSUPP, unix.ENETUNREACH,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
