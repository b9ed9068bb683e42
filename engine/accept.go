package engine

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Pauses of accepting after an error, doubled each time.
const (
	acceptPauseMin = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

// acceptAll accepts from l, under TLS if there is a config.
func (s *Server) acceptAll(l net.Listener, config *tls.Config) error {
	pause := acceptPauseMin
	var waiting net.Conn // accepted, and without a descriptor of its own yet
	defer func() {
		if waiting != nil {
			waiting.Close()
		}
	}()
	for {
		s.admission.wait(s.closed)
		err := s.accept(l, config, &waiting)
		if s.isClosed() {
			return ErrServerClosed
		}
		if err == nil {
			pause = acceptPauseMin
			continue
		}
		if !acceptMayRecover(err) {
			return fmt.Errorf("engine: accept: %w", err)
		}
		s.acceptErrors.Add(1)
		s.logger().Warn("accepting pauses", "error", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-s.closed:
			return ErrServerClosed
		}
		pause = min(2*pause, acceptPauseMax)
	}
}

// accept waits for one connection and hands its descriptor to a loop, or the connection to its handshake. A
// connection for which there is no descriptor is left in waiting, for the next call.
func (s *Server) accept(l net.Listener, config *tls.Config, waiting *net.Conn) error {
	if *waiting == nil {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		if !s.admission.enter(nc) {
			nc.Close()
			return nil
		}
		*waiting = nc
	}
	nc := *waiting
	if config != nil {
		if _, ok := nc.(syscall.Conn); !ok {
			return ErrListener
		}
		*waiting = nil
		if s.handshakes.enter(nc, s.closed) {
			go s.secure(nc, config)
		} else {
			s.part(nc)
		}
		return nil
	}
	fd, err := detach(nc)
	if err != nil && acceptMayRecover(err) {
		return err
	}
	*waiting = nil
	defer nc.Close()
	if err != nil {
		s.admission.leave(remoteOf(nc).Addr())
		return err
	}
	s.leastLoaded().assign(&arrival{fd: fd, remote: remoteOf(nc), proto: protoUnknown})
	return nil
}

// part closes a connection that no loop has.
func (s *Server) part(nc net.Conn) {
	nc.Close()
	s.admission.leave(remoteOf(nc).Addr())
}

// remoteOf is the peer's address, if it has one.
func remoteOf(nc net.Conn) (remote netip.AddrPort) {
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		remote = tcp.AddrPort()
	}
	return netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
}

// release gives the socket of a connection, or the one under its TLS, to a loop.
func (s *Server) release(nc net.Conn, a *arrival) {
	if secure, ok := nc.(*tls.Conn); ok {
		a.tls = secure.NetConn().(*tlsWire)
		nc = a.tls.leave()
	}
	defer nc.Close()
	fd, err := detach(nc)
	if err != nil {
		s.acceptErrors.Add(1)
		s.logger().Warn("no descriptor for a connection", "remote", a.remote, "error", err)
		s.admission.leave(a.remote.Addr())
		return
	}
	a.fd = fd
	s.leastLoaded().assign(a)
}

// admit hands a socket that a loop gives away to the HTTP/1.1 server.
func (s *Server) admit(fd int, ahead []byte, remote netip.AddrPort) {
	nc, err := attach(fd)
	if err != nil {
		s.acceptErrors.Add(1)
		s.logger().Warn("no descriptor for a connection of HTTP/1.1", "remote", remote, "error", err)
		s.admission.leave(remote.Addr())
		return
	}
	s.http1.take(&guest{Conn: nc, ahead: ahead})
}

// leastLoaded is the loop with the fewest connections.
func (s *Server) leastLoaded() *loop {
	least := s.loops[0]
	for _, l := range s.loops[1:] {
		if l.load.Load() < least.load.Load() {
			least = l
		}
	}
	return least
}
