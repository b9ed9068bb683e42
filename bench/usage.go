package bench

import (
	"time"
)

// Usage is what a server uses, as far as it can be read; what cannot is 0.
type Usage struct {
	CPU     time.Duration // user and system, since its start
	RSS     int64         // resident memory, octets
	Sockets int64         // the kernel's memory for its TCP sockets' queues, octets
}

// Server is where a server's usage is read. Any goroutine may.
type Server interface {
	Usage() (Usage, error)
}
