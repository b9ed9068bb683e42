//go:build !linux

package engine

import (
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"h2ws/ws"
)

// loop does not exist on this system: everything without I/O works, serving does not.
type loop struct {
	heart heart
	load  atomic.Int64
	done  chan struct{}
}

type stopState uint8

const (
	stopDrain stopState = iota
	stopNow
)

func startLoop(Limits, *ws.Endpoint, *service, *slog.Logger, *atomic.Int64, func(int, []byte, netip.AddrPort), func(netip.Addr)) (*loop, error) {
	return nil, ErrUnsupported
}

func (l *loop) assign(*arrival)              {}
func (l *loop) end(stopState, time.Duration) {}
func (l *loop) stats() Stats                 { return Stats{} }

func detach(net.Conn) (int, error) { return -1, ErrUnsupported }
func attach(int) (net.Conn, error) { return nil, ErrUnsupported }
func acceptMayRecover(error) bool  { return false }

func growDescriptors(int) {}
