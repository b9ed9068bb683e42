package bench

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// The parts of sock_diag(7) and linux/inet_diag.h, linux/sock_diag.h that are used.
const (
	sockDiagByFamily = 20
	diagSKMemInfo    = 7 // attribute and, as a bit, extension
	diagRequestSize  = 56
	diagAnswerSize   = 72
)

// socketMemory returns how many octets the kernel holds for the queues of all TCP sockets with this local
// port: received, to be sent, and reserved. Their structures, some 2 KB each, are not in it.
func socketMemory(port int) (sum int64, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		if err := unix.Sendto(fd, diagRequest(family, port), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return 0, os.NewSyscallError("sendto", err)
		}
		n, err := sumDump(fd, port)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// diagRequest asks for all sockets of a family, in every state.
func diagRequest(family byte, port int) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN+diagRequestSize)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	r := b[unix.NLMSG_HDRLEN:]
	r[0], r[1], r[2] = family, unix.IPPROTO_TCP, 1<<(diagSKMemInfo-1)
	binary.NativeEndian.PutUint32(r[4:], ^uint32(0))
	binary.BigEndian.PutUint16(r[8:], uint16(port))
	return b
}

// sumDump adds up the answers to a diagRequest.
func sumDump(fd, port int) (sum int64, err error) {
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return 0, os.NewSyscallError("recvfrom", err)
		}
		for b := buf[:n]; len(b) >= unix.NLMSG_HDRLEN; {
			size := int(binary.NativeEndian.Uint32(b))
			if size < unix.NLMSG_HDRLEN || size > len(b) {
				return sum, nil
			}
			switch binary.NativeEndian.Uint16(b[4:]) {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				return sum, nil
			case sockDiagByFamily:
				sum += parseDiag(b[unix.NLMSG_HDRLEN:size], port)
			}
			b = b[min(len(b), (size+3)&^3):]
		}
	}
}

// parseDiag reads the memory of one socket, if it has the port.
func parseDiag(b []byte, port int) (sum int64) {
	if len(b) < diagAnswerSize || int(binary.BigEndian.Uint16(b[4:])) != port {
		return 0
	}
	for b = b[diagAnswerSize:]; len(b) >= unix.SizeofRtAttr; {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return sum
		}
		if binary.NativeEndian.Uint16(b[2:]) == diagSKMemInfo {
			const receive, forward, queued, options = 0, 4, 5, 6 // SK_MEMINFO_*
			for _, i := range []int{receive, forward, queued, options} {
				if at := unix.SizeofRtAttr + 4*i; at+4 <= size {
					sum += int64(binary.NativeEndian.Uint32(b[at:]))
				}
			}
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return sum
}
