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

// FindServer returns the process that listens on a loopback address of this machine, or all of them as one: where one
// process has forked others, it is mostly idle itself. It takes the right to look into them: the same user, or root.
func FindServer(addr netip.AddrPort) (*Process, error) { return findServer("/proc", addr) }

func findServer(proc string, addr netip.AddrPort) (*Process, error) {
	if !addr.Addr().IsLoopback() {
		return nil, fmt.Errorf("%v is not on this machine's loopback", addr)
	}
	inodes, err := listeners(proc, addr)
	if err != nil {
		return nil, err
	}
	pids, err := holders(proc, inodes)
	if err != nil {
		return nil, err
	}
	p, err := openProcess(proc, pids[0])
	for _, pid := range pids[1:] {
		if o, ended := openProcess(proc, pid); ended == nil && err == nil {
			p.others = append(p.others, o)
		}
	}
	return p, err
}

// listeners returns the inodes of the sockets that listen on addr, or else on its port at every address. There are
// several with SO_REUSEPORT.
func listeners(proc string, addr netip.AddrPort) (inodes []string, err error) {
	var everywhere []string
	for _, table := range []string{"tcp", "tcp6"} {
		f, err := os.Open(filepath.Join(proc, "net", table))
		if err != nil {
			continue
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			at, inode, ok := parseListener(lines.Text())
			switch {
			case !ok || at.Port() != addr.Port():
			case at.Addr() == addr.Addr():
				inodes = append(inodes, inode)
			case at.Addr().IsUnspecified():
				everywhere = append(everywhere, inode)
			}
		}
	}
	if len(inodes) == 0 {
		inodes = everywhere
	}
	if len(inodes) == 0 {
		return nil, fmt.Errorf("nothing on this machine listens on %v", addr)
	}
	return inodes, nil
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

// holders returns the processes that have one of the sockets open, in ascending order. There is one at least.
func holders(proc string, inodes []string) (pids []int, err error) {
	links, err := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*"))
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		to, err := os.Readlink(l)
		inode := strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")
		if err != nil || !slices.Contains(inodes, inode) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(l)))); err == nil {
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		return nil, errors.New("cannot see which process listens there: give its number with -pid")
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}
