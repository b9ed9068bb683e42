package engine

import (
	"math/bits"
	"time"
)

// wire is what the loop keeps with a connection: its socket and its place in the loop's lists.
type wire struct {
	fd       int
	index    int32  // in loop.conns
	timerAt  int32  // in the heap
	rest     []byte // framed and, under TLS, sealed, and not yet accepted by the socket
	shut     bool   // our side of the socket is closed
	readable bool   // a read may find something
	writable bool   // a write may be accepted
	hangup   bool   // the peer's side is closed: read until its end
	reading  bool   // is on loop.reading or loop.ending
	paused   bool   // not read: see loop.clogged
	share    uint8  // of what a read may take: one part in 2^share. It begins with the least

	tls   *tlsWire      // nil: cleartext
	timer time.Duration // when the loop looks at deadline again; never: not in the heap
}

const (
	// readSize is what one read takes: above 64 KiB the system call no longer counts.
	readSize = 64 << 10
	// shareMax is the least share of it: 4 KiB.
	shareMax = 4
	// readTime is how long what one read takes may keep the loop from other connections. 64 KiB of messages take
	// less, of opening handshakes and of what is hard to decompress more.
	readTime = 500 * time.Microsecond
)

// readNext is how much the next read takes.
func (w *wire) readNext() int { return readSize >> w.share }

// took adjusts the share after all that a read took has been handled in so long.
func (w *wire) took(d time.Duration) {
	switch {
	case d > readTime:
		w.share = uint8(min(int(w.share)+bits.Len(uint(d/readTime)), shareMax))
	case d < readTime/4 && w.share > 0:
		w.share--
	}
}
