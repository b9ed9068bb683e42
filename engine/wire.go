package engine

import "time"

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
	reading  bool   // is on loop.reading
	paused   bool   // not read: see loop.clogged

	tls   *tlsWire      // nil: cleartext
	timer time.Duration // when the loop looks at deadline again; never: not in the heap
}
