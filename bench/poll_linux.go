package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// poller waits for the sockets of a Client. Level-triggered: what one turn leaves, the next one finds.
type poller struct {
	epfd   int
	timer  int // wakes the loop at its alarm
	events []unix.EpollEvent
	buf    []byte // of one read, shared by all connections
	sealed []byte // of one read under TLS
}

// link is where the octets of a connection go to and come from.
type link struct {
	fd      int
	secure  *secure // nil: cleartext
	rest    []byte  // the beginning of a frame that a read cut
	taken   int     // octets of what waits to be sent that the socket has already
	blocked bool    // the socket took less than it was given: wait until it takes more
	paused  bool    // is read by readSome only, and may end
	lost    bool    // was paused, and ended
}

// noLink is that of a connection that is being made anew.
var noLink = link{fd: -1, lost: true}

// readBytes is how much one read takes at most, in octets. What it makes the client send is in the same
// order, and written at once.
const readBytes = 128 << 10

// eventsMax is how many connections are read in a turn: between turns there is sent what is due.
const eventsMax = 32

func (p *poller) open() error {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		p.epfd = -1
		return os.NewSyscallError("epoll_create1", err)
	}
	p.epfd = epfd
	p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("timerfd_create", err)
	}
	if err := p.add(p.timer, timerNumber); err != nil {
		return err
	}
	p.events = make([]unix.EpollEvent, eventsMax)
	p.buf, p.sealed = make([]byte, readBytes), make([]byte, readBytes)
	return nil
}

// timerNumber comes back with the events of the timer: no connection has it.
const timerNumber = -1

// setTimer ends the next wait after d: epoll_wait itself counts milliseconds.
func (p *poller) setTimer(d time.Duration) error {
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	return os.NewSyscallError("timerfd_settime", unix.TimerfdSettime(p.timer, 0, &at, nil))
}

func (p *poller) readTimer() {
	var expirations [8]byte
	unix.Read(p.timer, expirations[:])
}

func (p *poller) close() {
	if p.epfd >= 0 {
		unix.Close(p.epfd)
		unix.Close(p.timer)
		p.epfd = -1
	}
}

func (p *poller) hangUp(fd int) {
	if fd >= 0 {
		unix.Close(fd)
	}
}

// forget stops waiting for a descriptor that stays open.
func (p *poller) forget(fd int) { unix.EpollCtl(p.epfd, unix.EPOLL_CTL_DEL, fd, nil) }

// add has the descriptor watched. number comes back with its events.
func (p *poller) add(fd, number int) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(number)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.epfd, unix.EPOLL_CTL_ADD, fd, &ev))
}

// dialTimeout is for TCP, and again for TLS.
const dialTimeout = 10 * time.Second

// dial makes connection number. Any goroutine.
func dial(ctx context.Context, cfg *Config, number int) (l link, err error) {
	d := net.Dialer{Timeout: dialTimeout, LocalAddr: cfg.localAddr(number), KeepAlive: -1}
	nc, err := d.DialContext(ctx, "tcp", cfg.Addr)
	if err != nil {
		return link{}, err
	}
	defer nc.Close()
	if cfg.TLS != nil {
		limited, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		if l.secure, err = handshake(limited, nc, &cfg.Target); err != nil {
			return link{}, err
		}
	}
	l.fd, err = duplicate(nc.(*net.TCPConn))
	return l, err
}

// localAddr is what connection number comes from, nil where the system is to choose.
func (cfg *Config) localAddr(number int) net.Addr {
	if n := len(cfg.Locals); n > 0 {
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(cfg.Locals[number%n], 0))
	}
	return loopbackAddr(cfg.Addr, number%cfg.Sources)
}

// loopbackAddr returns the n-th address to connect from to a loopback address. Each has its own 28,000
// ports.
func loopbackAddr(addr string, n int) net.Addr {
	to, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil || n == 0 || to.IP.To4() == nil || !to.IP.IsLoopback() {
		return nil
	}
	return &net.TCPAddr{IP: net.IPv4(127, byte(n>>16), byte(n>>8), byte(n+1))}
}

// duplicate returns a descriptor of nc that Go's own poller does not watch. It is non-blocking, and
// closing it resets the connection instead of leaving it in TIME_WAIT.
func duplicate(nc *net.TCPConn) (fd int, err error) {
	if err := nc.SetLinger(0); err != nil {
		return -1, err
	}
	raw, err := nc.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd = -1
	var dupErr error
	err = raw.Control(func(old uintptr) {
		fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = os.NewSyscallError("fcntl", dupErr)
	}
	return fd, err
}

// wait sleeps until a socket has something to say or a tick is over, and hears it.
func (cl *Client) wait() error {
	before := time.Since(cl.start)
	timeout := int(tick / time.Millisecond)
	if cl.alarm > 0 {
		if cl.alarm <= before {
			timeout = 0
		} else if err := cl.poll.setTimer(cl.alarm - before); err != nil {
			return err
		}
	}
	n, err := unix.EpollWait(cl.poll.epfd, cl.poll.events, timeout)
	cl.now = time.Since(cl.start)
	cl.slept += cl.now - before
	if err != nil && err != unix.EINTR {
		return os.NewSyscallError("epoll_wait", err)
	}
	for _, ev := range cl.poll.events[:max(n, 0)] {
		if ev.Fd == timerNumber {
			cl.poll.readTimer()
			continue
		}
		c := cl.conns[ev.Fd]
		if ev.Events&unix.EPOLLOUT != 0 {
			c.wakeUp()
		}
		if ev.Events&^unix.EPOLLOUT == 0 {
			continue
		}
		if err := cl.hear(c); err != nil {
			return err
		}
	}
	return nil
}

// hear takes what a connection has to say. Of one that is paused only its end is told.
func (cl *Client) hear(c *conn) error {
	if cl.links[c.number].paused {
		return cl.lose(c)
	}
	_, err := cl.read(c, readBytes)
	if c.heard {
		c.heard, cl.heard = false, cl.now
	}
	if err != nil {
		return cl.named(c, err)
	}
	return nil
}

// read takes what one read gives, n octets but not more than most, and acts on it.
func (cl *Client) read(c *conn, most int) (n int, err error) {
	l, buf := &cl.links[c.number], cl.poll.buf
	if l.secure != nil {
		return cl.readSecure(c, most)
	}
	k := copy(buf, l.rest)
	n, err = cl.readSocket(c, buf[k:min(len(buf), k+most)])
	if n == 0 || err != nil {
		return 0, err
	}
	return n, cl.take(c, k+n)
}

// readSecure is read under TLS: n is octets of records.
func (cl *Client) readSecure(c *conn, most int) (n int, err error) {
	n, err = cl.readSocket(c, cl.poll.sealed[:min(most, readBytes)])
	if n == 0 || err != nil {
		return 0, err
	}
	cl.links[c.number].secure.wire.in = cl.poll.sealed[:n]
	return n, cl.open(c)
}

// open acts on what TLS has decrypted, or can. The handshake may have read more than its own.
func (cl *Client) open(c *conn) error {
	l, buf := &cl.links[c.number], cl.poll.buf
	for l.secure != nil {
		k := copy(buf, l.rest)
		n, err := l.secure.open(buf[k:])
		if err == io.EOF {
			return cl.readEOF(c)
		}
		if n == 0 || err != nil {
			return cl.answer(c, err)
		}
		if err := cl.take(c, k+n); err != nil {
			return err
		}
	}
	return nil
}

// answer sends what TLS has to say of its own.
func (cl *Client) answer(c *conn, err error) error {
	if len(cl.links[c.number].secure.wire.out) > 0 {
		c.wakeUp()
	}
	return err
}

// readSocket reads once. Without data n is 0.
func (cl *Client) readSocket(c *conn, p []byte) (n int, err error) {
	n, err = unix.Read(cl.links[c.number].fd, p)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return 0, nil
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0:
		return 0, cl.readEOF(c)
	}
	cl.now = time.Since(cl.start)
	return n, nil
}

// readEOF is the end of what the server says.
func (cl *Client) readEOF(c *conn) error {
	if over, err := c.recvEOF(); over {
		cl.poll.forget(cl.links[c.number].fd)
		return err
	}
	if !c.settled {
		return fmt.Errorf("%w: the server closed the connection before its SETTINGS", ErrNotHTTP2)
	}
	return fmt.Errorf("the server closed the connection: %w", io.EOF)
}

// take acts on the first n octets of the read buffer, and keeps what is no whole frame.
func (cl *Client) take(c *conn, n int) error {
	l, buf := &cl.links[c.number], cl.poll.buf
	used, err := c.recv(buf[:n])
	l.rest = append(l.rest[:0], buf[used:n]...)
	return err
}

// write gives the socket what the connection has to send. What it does not take waits for EPOLLOUT.
func (cl *Client) write(c *conn) error {
	l := &cl.links[c.number]
	if l.lost || cl.conns[c.number] != c {
		c.out = c.out[:0]
		return nil
	}
	out := &c.out
	if l.secure != nil {
		if err := l.secure.seal(c.out); err != nil {
			return cl.named(c, err)
		}
		c.out, out = c.out[:0], &l.secure.wire.out
	}
	n, err := unix.Write(l.fd, (*out)[l.taken:])
	if err != nil && l.paused && err != unix.EAGAIN && err != unix.EINTR {
		return cl.lose(c)
	}
	if err != nil && err != unix.EAGAIN && err != unix.EINTR {
		return cl.named(c, cl.lastWords(c, os.NewSyscallError("write", err)))
	}
	l.taken += max(n, 0)
	if l.taken >= len(*out)/2 { // else moving the rest would cost more than it frees
		*out = (*out)[:copy(*out, (*out)[l.taken:])]
		l.taken = 0
	}
	if blocked := len(*out) > 0; blocked != l.blocked {
		l.blocked = blocked
		return cl.arm(c)
	}
	return nil
}

// arm has epoll wait for what is to be waited for.
func (cl *Client) arm(c *conn) error {
	l := &cl.links[c.number]
	ev := unix.EpollEvent{Fd: int32(c.number)}
	if !l.paused {
		ev.Events |= unix.EPOLLIN
	}
	if l.blocked {
		ev.Events |= unix.EPOLLOUT
	}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(cl.poll.epfd, unix.EPOLL_CTL_MOD, l.fd, &ev))
}

// lastWords returns what the server said before it stopped listening, which explains more than the
// failed write does.
func (cl *Client) lastWords(c *conn, writing error) error {
	for {
		n, err := cl.read(c, readBytes)
		if n == 0 {
			return writing
		}
		if err != nil {
			return err
		}
	}
}

// named says which connection err is about, where there are several.
func (cl *Client) named(c *conn, err error) error {
	if len(cl.conns) == 1 {
		return err
	}
	return fmt.Errorf("connection %d of %d: %w", c.number+1, cl.cfg.Conns, err)
}
