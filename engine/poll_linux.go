package engine

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// poller is an epoll instance with an eventfd that wakes it.
type poller struct {
	epoll  int
	wakeup int
	events []unix.EpollEvent
}

const (
	// eventsTurn is how many connections are looked at in one turn.
	eventsTurn = 256
	// wakeupIndex is the eventfd's in place of a connection's.
	wakeupIndex = -1
)

func newPoller() (*poller, error) {
	epoll, err := system.epoll()
	if err != nil {
		return nil, fmt.Errorf("engine: epoll_create1: %w", err)
	}
	wakeup, err := system.eventfd()
	if err != nil {
		unix.Close(epoll)
		return nil, fmt.Errorf("engine: eventfd: %w", err)
	}
	p := &poller{epoll, wakeup, make([]unix.EpollEvent, eventsTurn)}
	if err := p.add(wakeup, wakeupIndex); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
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

// wait returns the descriptors that changed, after at most timeout. The result is valid until the next call.
func (p *poller) wait(timeout time.Duration) []unix.EpollEvent {
	ms := -1
	if timeout != never {
		ms = int(min((timeout+time.Millisecond-1)/time.Millisecond, time.Hour/time.Millisecond))
	}
	n, err := system.wait(p.epoll, p.events, ms)
	if err != nil && err != unix.EINTR {
		panic("BUG: epoll_wait: " + err.Error())
	}
	return p.events[:max(n, 0)]
}

// wake ends a wait. Any goroutine.
func (p *poller) wake() {
	// It can only fail when the counter is full, that is, when a wake-up waits already.
	unix.Write(p.wakeup, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

func (p *poller) drainWakeup() {
	var b [8]byte
	unix.Read(p.wakeup, b[:])
}

func (p *poller) close() {
	unix.Close(p.wakeup)
	unix.Close(p.epoll)
}
