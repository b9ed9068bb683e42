package engine

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Faults is a kernel that lies between the loops and the real one. What it answers, a real one may.
type Faults struct {
	// Decide says what becomes of a call, the n-th of its kind, from 1.
	Decide func(c Call, n int) Fault

	ahead atomic.Int64 // of the real clock

	mu     sync.Mutex
	calls  [CallKinds]int
	polls  map[int]*fakePoll // by epoll instance
	polled map[int]*fakePoll // by descriptor
}

// Call is a kind of system calls.
type Call int

const (
	CallRead Call = iota
	CallWrite
	CallWait
	CallWatch
	CallOpen // of descriptors: epoll_create1(2), eventfd(2), dup(2), also by net.FileConn
	CallKinds
)

// Fault is what becomes of a call. The zero value is what the kernel makes of it.
type Fault struct {
	Errno  unix.Errno // the call fails, without effect
	Short  bool       // it moves one octet, or no event is reported until the next call
	Events bool       // of epoll_pwait(2): every descriptor is reported, whether something happened to it or not
}

// fakePoll is what an epoll instance owes to its loop: the edges that follow on calls which failed, and would not have
// if the descriptor had really been drained or filled.
type fakePoll struct {
	wakeup int                       // the eventfd
	events map[int32]unix.EpollEvent // watched, by index
	byFD   map[int]int32
	owed   map[int32]uint32
}

// Inject has all loops that are started during the test meet faults.
func Inject(t testing.TB, decide func(Call, int) Fault) *Faults {
	f := &Faults{Decide: decide, polls: make(map[int]*fakePoll), polled: make(map[int]*fakePoll)}
	real := system
	t.Cleanup(func() { system = real })
	system.move, system.look, system.watch = f.move, f.look, f.watch
	system.since = func(t time.Time) time.Duration { return real.since(t) + time.Duration(f.ahead.Load()) }
	system.epoll = func() (int, error) { return f.open(real.epoll) }
	system.eventfd = func() (int, error) { return f.open(real.eventfd) }
	system.dup = func(fd int) (int, error) { return f.open(func() (int, error) { return real.dup(fd) }) }
	system.attach = func(file *os.File) (net.Conn, error) {
		if fault := f.decide(CallOpen); fault.Errno != 0 {
			return nil, os.NewSyscallError("dup", fault.Errno)
		}
		return real.attach(file)
	}
	return f
}

// Jump puts the loops' clock forward.
func (f *Faults) Jump(d time.Duration) { f.ahead.Add(int64(d)) }

// Calls is how many calls of a kind there have been.
func (f *Faults) Calls(c Call) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[c]
}

func (f *Faults) decide(c Call) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[c]++
	return f.Decide(c, f.calls[c])
}

func (f *Faults) open(real func() (int, error)) (int, error) {
	if fault := f.decide(CallOpen); fault.Errno != 0 {
		return -1, fault.Errno
	}
	return real()
}

func (f *Faults) watch(epoll, fd int, e unix.EpollEvent) error {
	if fault := f.decide(CallWatch); fault.Errno != 0 {
		return fault.Errno
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.polls[epoll]
	if e.Fd == wakeupIndex { // the first of a new instance
		p = &fakePoll{fd, make(map[int32]unix.EpollEvent), make(map[int]int32), make(map[int32]uint32)}
		f.polls[epoll] = p
	} else {
		p.events[e.Fd], p.byFD[fd], f.polled[fd] = e, e.Fd, p
	}
	return unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &e)
}

// owe has the next wait report an edge.
func (f *Faults) owe(fd int, events uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.polled[fd]; p != nil {
		p.owed[p.byFD[fd]] |= events
	}
}

func (f *Faults) look(epoll int, events []unix.EpollEvent) (n int, errno unix.Errno) {
	fault := f.decide(CallWait)
	if fault.Errno != 0 {
		return -1, fault.Errno
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.polls[epoll]
	if fault.Short { // it says so later
		unix.Write(p.wakeup, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		return 0, 0
	}
	if fault.Events {
		for index := range p.events {
			p.owed[index] |= unix.EPOLLIN | unix.EPOLLOUT
		}
	}
	n, _ = look(epoll, events[:len(events)/2])
	n = max(n, 0)
	for index, what := range p.owed {
		if n == len(events) {
			break
		}
		delete(p.owed, index)
		events[n] = unix.EpollEvent{Fd: index, Events: what}
		n++
	}
	return n, 0
}

func (f *Faults) move(call uintptr, fd int, p unsafe.Pointer, n, flags int) (int, unix.Errno) {
	kind, edge := CallWrite, uint32(unix.EPOLLOUT)
	if call == unix.SYS_RECVFROM {
		kind, edge = CallRead, unix.EPOLLIN
	}
	fault := f.decide(kind)
	switch {
	case fault.Errno == unix.EAGAIN:
		f.owe(fd, edge)
		return -1, unix.EAGAIN
	case fault.Errno != 0:
		return -1, fault.Errno
	case fault.Short && n > 0:
		if call == unix.SYS_WRITEV {
			call, p = unix.SYS_SENDTO, unsafe.Pointer((*unix.Iovec)(p).Base)
		}
		n = 1
		if kind == CallRead {
			f.owe(fd, edge) // a short read says that the socket is empty, which this one may not be
		}
	}
	return move(call, fd, p, n, flags)
}
