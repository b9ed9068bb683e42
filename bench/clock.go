package bench

import (
	"net"
	"slices"
)

// onThisMachine says whether an address, host:port, is one of this machine's, all of whose processes have the same clock.
func onThisMachine(addr string) bool {
	at, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return false
	}
	if len(at.IP) == 0 || at.IP.IsLoopback() || at.IP.IsUnspecified() {
		return true
	}
	own, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(own, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(at.IP)
	})
}
