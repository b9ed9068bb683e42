package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// poller waits for the sockets of a Client. Level-triggered: what one turn leaves, the next one finds.
type poller struct {
	epfd   int
	events []unix.EpollEvent
	buf    []byte // of one read, shared by all connections
}

// link is where the octets of a connection go to and come from.
type link struct {
	fd      int
	rest    []byte // the beginning of a frame that a read cut
	blocked bool   // the socket took less than it was given: wait until it takes more
	paused  bool   // is read by readSome only, and may end
	lost    bool   // was paused, and ended
}

// readBytes is how much one read takes at most, in octets. What it makes the client send is in the same
// order, and written at once.
const readBytes = 128 << 10

func (p *poller) open() error {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		p.epfd = -1
		return os.NewSyscallError("epoll_create1", err)
	}
	p.epfd = epfd
	p.events = make([]unix.EpollEvent, 512)
	p.buf = make([]byte, readBytes)
	return nil
}

func (p *poller) close() {
	if p.epfd >= 0 {
		unix.Close(p.epfd)
		p.epfd = -1
	}
}

func (p *poller) hangUp(fd int) { unix.Close(fd) }

// forget stops waiting for a descriptor that stays open.
func (p *poller) forget(fd int) { unix.EpollCtl(p.epfd, unix.EPOLL_CTL_DEL, fd, nil) }

// dial connects to addr from the source-th loopback address, if it is on the loopback. number comes
// back with the socket's events.
func (p *poller) dial(ctx context.Context, addr string, source, number int) (fd int, err error) {
	d := net.Dialer{Timeout: 10 * time.Second, LocalAddr: sourceAddr(addr, source), KeepAlive: -1}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return -1, err
	}
	defer nc.Close()
	fd, err = duplicate(nc.(*net.TCPConn))
	if err != nil {
		return -1, err
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(number)}
	if err := unix.EpollCtl(p.epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("epoll_ctl", err)
	}
	return fd, nil
}

// sourceAddr returns the n-th address to connect from, nil where the system is to choose. Each address
// has its own 28,000 ports.
func sourceAddr(addr string, n int) net.Addr {
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
	n, err := unix.EpollWait(cl.poll.epfd, cl.poll.events, int(tick/time.Millisecond))
	cl.now = time.Since(cl.start)
	if err != nil && err != unix.EINTR {
		return os.NewSyscallError("epoll_wait", err)
	}
	for _, ev := range cl.poll.events[:max(n, 0)] {
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
	if _, err := cl.read(c, readBytes); err != nil {
		return cl.named(c, err)
	}
	return nil
}

// read takes what one read gives, n octets but not more than most, and acts on it.
func (cl *Client) read(c *conn, most int) (n int, err error) {
	l, buf := &cl.links[c.number], cl.poll.buf
	k := copy(buf, l.rest)
	n, err = unix.Read(l.fd, buf[k:min(len(buf), k+most)])
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return 0, nil
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0:
		if over, err := c.recvEOF(); over {
			cl.poll.forget(l.fd)
			return 0, err
		}
		return 0, fmt.Errorf("the server closed the connection: %w", io.EOF)
	}
	cl.now = time.Since(cl.start)
	cl.heard = cl.now
	used, err := c.recv(buf[:k+n])
	l.rest = append(l.rest[:0], buf[used:k+n]...)
	return n, err
}

// write gives the socket what the connection has to send. What it does not take waits for EPOLLOUT.
func (cl *Client) write(c *conn) error {
	l := &cl.links[c.number]
	if l.lost {
		c.out = c.out[:0]
		return nil
	}
	n, err := unix.Write(l.fd, c.out)
	if err != nil && l.paused && err != unix.EAGAIN && err != unix.EINTR {
		return cl.lose(c)
	}
	if err != nil && err != unix.EAGAIN && err != unix.EINTR {
		return cl.named(c, cl.lastWords(c, os.NewSyscallError("write", err)))
	}
	c.out = c.out[:copy(c.out, c.out[max(n, 0):])]
	if blocked := len(c.out) > 0; blocked != l.blocked {
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
