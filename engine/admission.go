package engine

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// admission counts the connections of a server from being accepted to being closed, whatever they speak and whoever has
// them meanwhile, in all and by address. Any goroutine.
type admission struct {
	limits Limits

	mu      sync.Mutex
	open    int
	byAddr  map[netip.Addr]int
	refused uint64
	pauses  uint64
}

func newAdmission(l Limits) *admission {
	return &admission{limits: l, byAddr: make(map[netip.Addr]int)}
}

// network is what connections are counted by: of IPv6 hosts have 2^64 addresses. Sockets without an address count as
// one host.
func network(a netip.Addr) netip.Addr {
	if a.Is6() {
		prefix, _ := a.Prefix(64)
		return prefix.Addr()
	}
	return a
}

// enter counts one more, unless there are too many: then it is reset at once.
func (a *admission) enter(nc net.Conn) bool {
	addr := network(remoteOf(nc).Addr())
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open >= a.limits.Connections || a.byAddr[addr] >= a.limits.ConnectionsAddr {
		a.refused++
		if tcp, ok := nc.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		return false
	}
	a.open++
	a.byAddr[addr]++
	return true
}

// leave counts one less.
func (a *admission) leave(addr netip.Addr) {
	addr = network(addr)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	if a.byAddr[addr]--; a.byAddr[addr] == 0 {
		delete(a.byAddr, addr)
	}
}

// memoryPause is how often accepting looks whether there is memory again.
const memoryPause = 20 * time.Millisecond

// wait returns when the process has memory for more connections, or closed is.
func (a *admission) wait(closed <-chan struct{}) {
	state := OverloadNone.next(memoryHeld(), a.limits.MemorySize)
	if state == OverloadNone {
		return
	}
	a.mu.Lock()
	a.pauses++
	a.mu.Unlock()
	tick := time.NewTicker(memoryPause)
	defer tick.Stop()
	for state != OverloadNone {
		select {
		case <-tick.C:
		case <-closed:
			return
		}
		state = state.next(memoryHeld(), a.limits.MemorySize)
	}
}

// addTo adds the figures. a may be nil: nothing has begun.
func (a *admission) addTo(s *Stats) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s.ConnectionsRefused += a.refused
	s.AcceptPauses += a.pauses
}
