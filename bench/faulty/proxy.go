// Package faulty is a bad network: a TCP proxy that delays, cuts up, breaks and stalls what passes through it.
package faulty

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Path is what happens to one direction of every connection. The zero value hands on everything as it comes.
type Path struct {
	Slice     int           // the most octets of a piece, each a segment of its own if TCP has it so; 0: as they come
	Latency   time.Duration // of each piece, one after the other
	Bandwidth int           // octets a second; 0: any number
	After     int           // so many octets pass before End; negative: any number
	End       End
}

// End is how a path ends.
type End uint8

const (
	None  End = iota // it goes on: After has no effect
	FIN              // the receiver is told that no more comes; the other direction goes on
	RST              // both sides get a reset, and may lose what is under way
	Stall            // nothing passes any more, and nobody is told
)

// Proxy is a listener, and its connections to a server.
type Proxy struct {
	l        net.Listener
	target   string
	up, down Path
	group    sync.WaitGroup
	ended    chan struct{}
	stalled  atomic.Int64

	mu    sync.Mutex
	gate  chan struct{} // closed: nothing is paused
	conns map[*net.TCPConn]struct{}
}

// Listen begins a proxy of a server on the loopback: up is the way to it, down the way back.
func Listen(target string, up, down Path) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{l: l, target: target, up: up, down: down, ended: make(chan struct{}),
		gate: make(chan struct{}), conns: make(map[*net.TCPConn]struct{})}
	close(p.gate)
	p.group.Go(p.accept)
	return p, nil
}

// Addr is where clients connect.
func (p *Proxy) Addr() string { return p.l.Addr().String() }

// Stalled is how many paths have stalled.
func (p *Proxy) Stalled() int { return int(p.stalled.Load()) }

// Pause has nothing pass until Resume, not even that a side is gone: connections are half-open then.
func (p *Proxy) Pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = make(chan struct{})
}

// Resume ends a Pause: what waits passes, in order.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.gate)
}

// Close resets every connection and returns when nothing is left.
func (p *Proxy) Close() {
	close(p.ended)
	p.l.Close()
	p.mu.Lock()
	for c := range p.conns {
		reset(c)
	}
	p.mu.Unlock()
	p.group.Wait()
}

func reset(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

func (p *Proxy) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return // Close
		}
		p.group.Go(func() { p.serve(c.(*net.TCPConn)) })
	}
}

// serve takes a client's connection to the server.
func (p *Proxy) serve(client *net.TCPConn) {
	defer reset(client)
	c, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	server := c.(*net.TCPConn)
	defer reset(server)
	if !p.enter(client, server) {
		return
	}
	defer p.leave(client, server)
	back := make(chan struct{})
	go func() {
		defer close(back)
		p.carry(server, client, p.down)
	}()
	p.carry(client, server, p.up)
	<-back
}

// enter notes connections for Close. It reports false when that has been.
func (p *Proxy) enter(conns ...*net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ended:
		return false
	default:
	}
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
	return true
}

func (p *Proxy) leave(conns ...*net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}

// carry takes octets from one side to the other until the path ends.
func (p *Proxy) carry(from, to *net.TCPConn, path Path) {
	buf := make([]byte, 32<<10)
	if path.Slice > 0 {
		buf = buf[:path.Slice]
	}
	left := path.After
	for {
		if path.End != None && path.After >= 0 && left == 0 {
			p.end(from, to, path.End)
			return
		}
		piece := buf
		if path.End != None && path.After >= 0 {
			piece = buf[:min(len(buf), left)]
		}
		n, err := from.Read(piece)
		if !p.hold(path.delay(n)) {
			return
		}
		_, writeErr := to.Write(piece[:n])
		left -= n
		switch {
		case err == io.EOF && writeErr == nil:
			to.CloseWrite()
			return
		case err != nil || writeErr != nil:
			p.end(from, to, RST)
			return
		}
	}
}

// delay is how long n octets take.
func (path *Path) delay(n int) time.Duration {
	d := path.Latency
	if path.Bandwidth > 0 {
		d += time.Duration(n) * time.Second / time.Duration(path.Bandwidth)
	}
	return d
}

// hold waits, and as long as nothing may pass. It reports false when the proxy is closed.
func (p *Proxy) hold(d time.Duration) bool {
	if d > 0 {
		select {
		case <-time.After(d):
		case <-p.ended:
			return false
		}
	}
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	select {
	case <-gate:
		return true
	case <-p.ended:
		return false
	}
}

// end ends one direction of a connection, or both.
func (p *Proxy) end(from, to *net.TCPConn, how End) {
	switch how {
	case FIN:
		to.CloseWrite()
		io.Copy(io.Discard, from)
	case RST:
		reset(to)
		reset(from)
	case Stall:
		p.stalled.Add(1)
		<-p.ended
	}
}
