package engine

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// poller is an epoll instance with an eventfd that wakes it. Its loop does not wait in epoll_wait(2), where it would
// keep a thread and what the Go scheduler lends to one, and have the scheduler look after it every 20 us: the instance is
// itself watched by the runtime's poller, and the loop's goroutine waits as one that reads it. That is a half to a third
// of the server's CPU where few messages come at a time.
type poller struct {
	epoll  int
	mu     sync.Mutex // held to write to wakeup, and to close it
	wakeup int        // -1: closed
	events []unix.EpollEvent
	n      int // events of the last look

	file  *os.File // the instance as the runtime knows it
	conn  syscall.RawConn
	look  func(uintptr) bool
	until time.Time // when reading file ends; the zero value: whenever there are events

	slept bool          // the last wait did
	woke  time.Duration // on the loop's clock, from the last that did
	alone bool          // since then nobody may be in the runtime's poller
}

const (
	// eventsTurn is how many connections are looked at in one turn.
	eventsTurn = 256
	// wakeupIndex is the eventfd's in place of a connection's.
	wakeupIndex = -1
	// aloneMax is how long a loop is busy, as of the beginning of a turn, before it has somebody else wait in the runtime's
	// poller.
	aloneMax = 250 * time.Microsecond
)

func newPoller() (*poller, error) {
	epoll, err := system.epoll()
	if err != nil {
		return nil, fmt.Errorf("engine: epoll_create1: %w", err)
	}
	if err := unix.SetNonblock(epoll, true); err != nil { // or the runtime does not watch it
		panic("BUG: fcntl: " + err.Error())
	}
	p := &poller{epoll: epoll, file: os.NewFile(uintptr(epoll), "epoll"), events: make([]unix.EpollEvent, eventsTurn)}
	p.look = func(uintptr) bool {
		some := p.lookNow()
		p.slept = p.slept || !some
		return some
	}
	if err := p.open(); err != nil {
		p.file.Close()
		return nil, err
	}
	return p, nil
}

// open has the runtime watch the instance, and the instance the eventfd.
func (p *poller) open() (err error) {
	if err := p.file.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("engine: epoll instances can't be watched: %w", err)
	}
	if p.conn, err = p.file.SyscallConn(); err != nil {
		return fmt.Errorf("engine: epoll: %w", err)
	}
	if p.wakeup, err = system.eventfd(); err != nil {
		return fmt.Errorf("engine: eventfd: %w", err)
	}
	if err := p.add(p.wakeup, wakeupIndex); err != nil {
		unix.Close(p.wakeup)
		return err
	}
	return nil
}

// add watches fd, edge-triggered both ways, so that no system call is needed to ask for either later.
func (p *poller) add(fd, index int) error {
	event := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(index),
	}
	if err := system.watch(p.epoll, fd, event); err != nil {
		return fmt.Errorf("engine: epoll_ctl: %w", err)
	}
	return nil
}

// remove watches fd no longer: it stays open elsewhere.
func (p *poller) remove(fd int) {
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, fd, nil); err != nil {
		panic("BUG: epoll_ctl: " + err.Error())
	}
}

// wait returns the descriptors that changed, after at most timeout or a little more. The result is valid until the next
// call.
func (p *poller) wait(timeout time.Duration) []unix.EpollEvent {
	p.slept = false
	if timeout == 0 {
		p.lookNow()
		return p.events[:p.n]
	}
	p.expect(timeout)
	if err := p.conn.Read(p.look); err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			panic("BUG: epoll: " + err.Error())
		}
		p.lookNow()
	}
	return p.events[:p.n]
}

// turn is told the time of the turn that follows a wait. A thread that waits in the runtime's poller runs the goroutine
// whose turn it is by itself, and nobody waits there any more: as long as that goroutine, a loop, does not sleep, other
// loops and whoever reads a socket are not woken but by the runtime's look every 10 ms, be there idle CPUs or not.
func (p *poller) turn(now time.Duration) {
	if p.slept {
		p.woke, p.alone = now, true
	} else if now-p.woke > aloneMax {
		p.leave()
	}
}

// leave has another thread wait in the runtime's poller, if there is a CPU for one: to start a goroutine is to wake a
// thread that looks for work, and waits there when it finds none.
func (p *poller) leave() {
	if p.alone {
		p.alone = false
		go func() {}()
	}
}

// expect has the next wait end in time. An earlier end than it needs is left as it is, as most waits end by events: who
// waits comes again.
func (p *poller) expect(timeout time.Duration) {
	now := time.Now()
	if past := !p.until.IsZero() && !p.until.After(now); !past {
		if timeout == never || !p.until.IsZero() && p.until.Sub(now) <= timeout {
			return
		}
	}
	if p.until = (time.Time{}); timeout != never {
		p.until = now.Add(timeout)
	}
	if err := p.file.SetReadDeadline(p.until); err != nil {
		panic("BUG: epoll: " + err.Error())
	}
}

// lookNow takes the events that there are. It reports whether there is something to be done.
func (p *poller) lookNow() bool {
	n, errno := system.look(p.epoll, p.events)
	if errno != 0 && errno != unix.EINTR {
		panic("BUG: epoll_wait: " + errno.Error())
	}
	p.n = max(n, 0)
	return p.n > 0 || errno != 0
}

// wake ends a wait. Any goroutine.
func (p *poller) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wakeup >= 0 {
		// It can only fail when the counter is full, that is, when a wake-up waits already.
		unix.Write(p.wakeup, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

func (p *poller) drainWakeup() {
	var b [8]byte
	unix.Read(p.wakeup, b[:])
}

// close may overtake those who are about to wake.
func (p *poller) close() {
	p.mu.Lock()
	unix.Close(p.wakeup)
	p.wakeup = -1
	p.mu.Unlock()
	p.file.Close()
}
