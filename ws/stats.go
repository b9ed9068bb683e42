package ws

import "sync/atomic"

// ConnStats counts what became of the messages for a Conn, be they sent to it or published to its topics: see
// AcceptOptions.Stats. One may be given to several Conns, such as all of one tenant, and is then their sum. Each
// message that Send accepted, or that was published while the Conn was a member, ends in exactly one of the first four.
// Those that have not ended yet wait in the queue, whose octets Conn.Buffered tells, or in the log of a topic.
//
// Any goroutine may read it at any time. Nothing but the engine writes to it.
type ConnStats struct {
	Delivered atomic.Uint64 // framed for the peer, whole
	Dropped   atomic.Uint64 // lost to QueueLimits, or to the bounds of a topic, a mailbox or the process
	Conflated atomic.Uint64 // replaced by a newer one of the same key
	Unsent    atomic.Uint64 // discarded because the WebSocket, or its membership, ended first

	Octets atomic.Uint64 // delivered, frame headers included
}
