package engine

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"h2ws/ws"
)

// loop serves a share of the connections from one goroutine. A turn is: wait, read what is
// readable, deliver what was posted, flush what is dirty, look at the time. Callbacks run in
// reading; nothing is written there.
type loop struct {
	core   *core
	poller *poller
	start  time.Time
	clock  clock
	heart  heart
	conns  []*conn // by index; nil: free
	free   []int
	open   int // connections in conns
	timers timers

	reading    []*conn // may have something to be read
	ending     []*conn // the same, to its end
	readBefore []*conn // memory for reading
	upgrades   []upgrading
	buf        []byte // what one read may return
	gather     *gather
	opened     []byte  // what one record of TLS said
	plain      *gather // what the next will say
	sealed     *gather // one gather in records of TLS
	vectors    [][]byte
	iov        []unix.Iovec
	spare      []*conn // memory for core.dirty

	guests func(fd int, ahead []byte, remote netip.AddrPort) // what becomes of those who speak HTTP/1.1

	left func(netip.Addr) // a connection is closed

	stop stopState
	load atomic.Int64 // connections assigned to it, for the acceptor
	done chan struct{}

	mu       sync.Mutex
	snapshot Stats // core.stats as of the last turn
}

// upgrading is a connection whose handshake over HTTP/1.1 is to be decided before the turn ends.
type upgrading struct {
	c       *conn
	upgrade *upgrade
}

// stopState is how far the loop is on its way to its end.
type stopState uint8

const (
	stopNot stopState = iota
	stopDrain
	stopNow
)

func startLoop(limits Limits, e *ws.Endpoint, http *service, log *slog.Logger, pending *atomic.Int64,
	guests func(int, []byte, netip.AddrPort), left func(netip.Addr)) (*loop, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	l := &loop{
		core:   newCore(limits, e, log),
		poller: p,
		start:  time.Now(),
		buf:    make([]byte, readSize),
		gather: newGather(gatherSize),
		opened: make([]byte, readSize/4),
		plain:  newGather(recordSize),
		sealed: new(gather),
		iov:    make([]unix.Iovec, 0, iovMax),
		guests: guests,
		left:   left,
		done:   make(chan struct{}),
	}
	l.plain.whole = true
	l.core.http = http
	l.core.pendingAll = pending
	l.core.box.wake = p.wake
	l.core.enlist()
	go l.run()
	return l, nil
}

func (l *loop) run() {
	defer close(l.done)
	defer l.poller.close()
	defer l.core.delist()
	defer l.heart.rest() // or it is blocked, while other loops still drain
	l.heart.name()
	for l.stop == stopNot || l.open > 0 || len(l.core.leaving) > 0 {
		l.turn()
	}
	l.core.end()
	l.core.judge()
	l.publish()
}

func (l *loop) turn() {
	k := l.core
	patience := l.patience()
	l.heart.rest()
	events := l.poller.wait(patience)
	l.heart.beat()
	k.box.awake()
	k.now = l.clock.tick(system.since(l.start), patience)
	l.poller.turn(k.now)
	for i := range events {
		l.mark(&events[i])
	}
	k.openWaiting()
	l.readAll()
	l.output()
	l.openUpgrades()
	k.judge()
	k.relieve()
	k.tellDrops()
	k.tellDrained()
	l.followLeaving()
	k.sweep()
	l.expire()
	l.flushAll()
	k.holdSegments()
	l.publish()
}

// output delivers what was posted, and offers it to the sockets.
func (l *loop) output() {
	k := l.core
	for again := true; again; again = k.feedUnfed() {
		for more := true; more; {
			more = k.deliver()
			l.heart.beat()
			l.flushAll()
		}
		k.settle()
	}
}

// patience is how long the next wait may take.
func (l *loop) patience() time.Duration {
	k := l.core
	if len(l.reading)+len(l.ending)+len(k.dirty)+len(k.leaving)+len(k.drained) > 0 || !k.box.sleep() {
		return 0
	}
	next := min(l.timers.next(), k.nextWaiting(), k.nextPending(), k.nextMessage(), k.nextDrain())
	if next == never {
		return never
	}
	return max(0, next-l.clock.at(system.since(l.start)))
}

// mark notes what an event says of its connection.
func (l *loop) mark(e *unix.EpollEvent) {
	if e.Fd == wakeupIndex {
		l.poller.drainWakeup()
		return
	}
	c := l.conns[e.Fd]
	if c == nil {
		return
	}
	if e.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.wire.readable = true
		c.wire.hangup = c.wire.hangup || e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
		l.wantRead(c)
	}
	if e.Events&unix.EPOLLOUT != 0 && !c.wire.writable {
		c.wire.writable = true
		c.touch()
	}
}

func (l *loop) wantRead(c *conn) {
	if !c.wire.reading {
		l.list(c)
	}
}

// list has the connection read in this turn or, if it is at its end, when those before it have been.
func (l *loop) list(c *conn) {
	c.wire.reading = true
	if c.wire.hangup {
		l.ending = append(l.ending, c)
	} else {
		l.reading = append(l.reading, c)
	}
}

// expire calls every connection whose deadline has come.
func (l *loop) expire() {
	l.core.expirePending()
	l.core.expireMessages()
	for c := l.timers.due(l.core.now); c != nil; c = l.timers.due(l.core.now) {
		c.expire()
		l.unclog(c)
		l.follow(c)
	}
}

// followLeaving closes the sockets of connections that were lost without I/O, before sweep forgets of those
// with few streams that they ever were.
func (l *loop) followLeaving() {
	for _, c := range l.core.leaving {
		l.follow(c)
	}
}

// follow draws the consequences of whatever happened to c.
func (l *loop) follow(c *conn) {
	if c.wire.index < 0 {
		return
	}
	c.weigh()
	if c.state == connLost {
		l.remove(c)
		return
	}
	l.timers.arm(c, c.deadline())
}

func (l *loop) lose(c *conn, err error) {
	c.lose(err)
	l.follow(c)
}

// adopt takes over a connected socket.
func (l *loop) adopt(a *arrival) {
	c := a.conn(l.core)
	c.wire = wire{fd: a.fd, index: int32(l.place(c)), timer: never, writable: true, share: shareMax}
	l.open++
	if l.stop != stopNot {
		l.lose(c, net.ErrClosed)
		return
	}
	if err := l.poller.add(a.fd, int(c.wire.index)); err != nil {
		l.core.log.Error("connection not watched", "remote", a.remote, "error", err)
		l.lose(c, err)
		return
	}
	if a.tls != nil {
		l.beginTLS(c, a.tls, a.ahead)
	} else if len(a.ahead) > 0 {
		c.recv(a.ahead) // behind an opening handshake
	}
	if a.upgrade != nil {
		l.upgrades = append(l.upgrades, upgrading{c, a.upgrade})
	}
	l.follow(c)
}

// openUpgrades has the handshakes over HTTP/1.1 decided that came in this turn. To be sure that there is nothing behind
// them is to read, for which this is the place: posts are also delivered in the midst of reading from another connection.
func (l *loop) openUpgrades() {
	for i := 0; i < len(l.upgrades); i++ { // reading may deliver more of them
		l.heart.beat()
		u := l.upgrades[i]
		l.readConn(u.c)
		u.c.openUpgrade(u.upgrade)
		l.follow(u.c)
	}
	clear(l.upgrades)
	l.upgrades = l.upgrades[:0]
}

func (l *loop) place(c *conn) (index int) {
	if n := len(l.free); n > 0 {
		index, l.free = l.free[n-1], l.free[:n-1]
		l.conns[index] = c
		return index
	}
	l.conns = append(l.conns, c)
	return len(l.conns) - 1
}

// remove closes the socket of a lost connection, or gives it away. Its streams may take some turns to hear of it.
func (l *loop) remove(c *conn) {
	l.timers.disarm(c)
	if c.cause == errGuest {
		l.poller.remove(c.wire.fd)
		l.guests(c.wire.fd, c.held, c.remote)
		c.held = nil
	} else {
		unix.Close(c.wire.fd)
		l.left(c.remote.Addr())
	}
	l.conns[c.wire.index] = nil
	l.free = append(l.free, int(c.wire.index))
	c.wire.index = -1
	c.dropRest()
	c.control = nil
	l.open--
	l.core.stats.Connections--
	l.load.Add(-1)
}

// assign hands a connected socket to the loop. Any goroutine.
func (l *loop) assign(a *arrival) {
	l.load.Add(1)
	if !l.core.box.call(func() { l.adopt(a) }) {
		unix.Close(a.fd)
		l.left(a.remote.Addr())
	}
}

// end asks the loop to end: at once, or after a drain whose closes are spread over a time. Any goroutine.
func (l *loop) end(how stopState, spread time.Duration) {
	l.core.box.call(func() {
		l.stop = max(l.stop, how)
		l.core.paceDrain(spread)
		for _, c := range l.conns {
			if c == nil {
				continue
			}
			if how == stopDrain {
				c.startDrain()
			} else {
				l.lose(c, net.ErrClosed)
			}
		}
	})
}

// publish makes the turn's figures visible to Stats.
func (l *loop) publish() {
	l.mu.Lock()
	l.snapshot = l.core.stats
	l.mu.Unlock()
}

func (l *loop) stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.snapshot
}
