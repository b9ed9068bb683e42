package bench

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// FindServer returns the process that listens on a loopback address of this machine. It takes the
// right to look into that process: the same user, or root.
func FindServer(addr netip.AddrPort) (*Process, error) { return findServer("/proc", addr) }

func findServer(proc string, addr netip.AddrPort) (*Process, error) {
	if !addr.Addr().IsLoopback() {
		return nil, fmt.Errorf("%v is not on this machine's loopback", addr)
	}
	inode, err := listener(proc, addr)
	if err != nil {
		return nil, err
	}
	pid, err := holder(proc, inode)
	if err != nil {
		return nil, err
	}
	return openProcess(proc, pid)
}

// listener returns the inode of the socket that listens on addr, or on its port at every address.
func listener(proc string, addr netip.AddrPort) (inode string, err error) {
	for _, table := range []string{"tcp", "tcp6"} {
		f, err := os.Open(filepath.Join(proc, "net", table))
		if err != nil {
			continue
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			at, inode, ok := parseListener(lines.Text())
			if ok && at.Port() == addr.Port() && (at.Addr() == addr.Addr() || at.Addr().IsUnspecified()) {
				return inode, nil
			}
		}
	}
	return "", fmt.Errorf("nothing on this machine listens on %v", addr)
}

// parseListener reads a line of /proc/net/tcp:
//
//	sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ...
//	 0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31337 ...
//
// ok is false for lines that tell of no listening socket (state 0A).
func parseListener(line string) (at netip.AddrPort, inode string, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != "0A" {
		return
	}
	host, port, _ := strings.Cut(fields[1], ":")
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw)%4 != 0 {
		return
	}
	for word := range slices.Chunk(raw, 4) { // printed as words of the machine, least octet first
		slices.Reverse(word)
	}
	ip, valid := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	if !valid || err != nil {
		return
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), fields[9], true
}

// holder returns the process that has the socket open. Of several the one with the lowest number: the
// others are its children.
func holder(proc, inode string) (pid int, err error) {
	links, err := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*"))
	if err != nil {
		return 0, err
	}
	for _, l := range links {
		if to, err := os.Readlink(l); err != nil || to != "socket:["+inode+"]" {
			continue
		}
		n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(l))))
		if err == nil && (pid == 0 || n < pid) {
			pid = n
		}
	}
	if pid == 0 {
		return 0, errors.New("cannot see which process listens there: give its number with -pid")
	}
	return pid, nil
}
