package engine

import "h2ws/engine/frame"

// Stats counts what a Server, or one of its loops, has done since it began. Every drop and every
// refusal is in one of them.
type Stats struct {
	Connections         int64  // on loops now: of HTTP/2 or a WebSocket each, or with nothing said yet
	ConnectionsAccepted uint64 // since the start, whatever they spoke
	ConnectionsRefused  uint64 // reset when they were accepted: Limits.Connections, ConnectionsAddr
	AcceptPauses        uint64 // times that accepting waited for memory: Limits.MemorySize
	AcceptErrors        uint64 // failures to accept a connection, as when descriptors run out

	TLSHandshakes         int64  // of TLS, under way
	TLSHandshakesFailed   uint64 // for another reason than time
	TLSHandshakesTimedOut uint64 // after Limits.TLSHandshakeTimeout or, while others waited, 1 s

	Sockets        int64  // open WebSockets now
	SocketsOpened  uint64 // opening handshakes accepted
	SocketsRefused uint64 // opening handshakes answered with an error, and requests too large to be told from one
	SocketsSilent  uint64 // reset because nothing came for Limits.SocketPongTimeout after a ping
	SocketsSlow    uint64 // closed because the peer did not keep up: ws.QueueLimits
	SocketsHTTP1   uint64 // of SocketsOpened, those over HTTP/1.1

	HandshakesPending int64  // waiting now for a decision that was deferred, or being worked on for nobody
	HandshakesExpired uint64 // refused with 503: not decided within Limits.HandshakeTimeout
	HandshakesShed    uint64 // refused with 503: Limits.PendingHandshakes, too much sent before, or shutting down

	StreamsRefused uint64 // above Limits.MaxConcurrentStreams
	StreamsShed    uint64 // refused for want of memory: Limits.MemorySize
	RequestsPlain  uint64 // requests that are no WebSocket

	RequestsRunning int64  // handlers of Server.HTTP that run now, for requests over HTTP/2
	RequestsServed  uint64 // of RequestsPlain those over HTTP/2 that were given to Server.HTTP
	RequestsRefused uint64 // answered with 503 because of Limits.Requests or RequestsConn, or 413 because of RequestSize
	RequestsExpired uint64 // not answered within Limits.RequestTimeout

	HTTPConnections int64  // that speak HTTP/1.1 now and carry no WebSocket
	HTTPAccepted    uint64 // that turned out to speak it
	HTTPRefused     uint64 // above Limits.HTTPConnections
	HTTPUnserved    uint64 // that ended without a request that could be understood

	FramesReceived    uint64 // HTTP/2 frames
	FramesSent        uint64 // DATA frames
	OctetsReceived    uint64
	OctetsSent        uint64
	MessagesSent      uint64 // messages from Send and SendPrepared, framed whole
	MessageOctetsSent uint64 // their octets, RFC 6455 headers included
	MessagesDiscarded uint64 // accepted by Send, and not sent: the socket ended first, or its policy dropped it
	MessagesConflated uint64 // accepted by SendPrepared, and replaced by a newer one of the same key

	Overload      Overload // now
	MemoryHeld    int64    // octets that the process holds now, of all its Servers: what Limits.MemorySize bounds
	MemoryReliefs uint64   // logs cut and backlogs given up because of Limits.MemorySize

	ResetsReceived uint64 // RST_STREAM
	ResetsSent     uint64 // RST_STREAM, stream errors included
	Panics         uint64 // callbacks and handlers that panicked
	LoopsBlocked   uint64 // times that a callback kept its loop from everything else for Limits.BlockTime

	// ConnectionErrors counts the connections that the peer's errors ended, by error code
	// (RFC 9113 §7), unknown codes with the last.
	ConnectionErrors [frame.HTTP11Required + 1]uint64

	// Rules counts what was done about peers, by the Rule that they met.
	Rules [RuleCount]RuleStats
}

// RuleStats counts what a rule had done.
type RuleStats struct {
	Slowed  uint64 // connections not read for a while
	Refused uint64 // streams refused, or sockets closed
	Drained uint64 // connections told by GOAWAY(NO_ERROR) to open no more streams
	Ended   uint64 // connections ended
}

func (s *RuleStats) count(a action) {
	switch a {
	case actSlow:
		s.Slowed++
	case actRefuse:
		s.Refused++
	case actDrain:
		s.Drained++
	case actEnd:
		s.Ended++
	}
}

func (s *RuleStats) add(t *RuleStats) {
	s.Slowed += t.Slowed
	s.Refused += t.Refused
	s.Drained += t.Drained
	s.Ended += t.Ended
}

// add sums two of them, field by field.
func (s *Stats) add(t *Stats) {
	s.Connections += t.Connections
	s.ConnectionsAccepted += t.ConnectionsAccepted
	s.AcceptErrors += t.AcceptErrors
	s.TLSHandshakes += t.TLSHandshakes
	s.TLSHandshakesFailed += t.TLSHandshakesFailed
	s.TLSHandshakesTimedOut += t.TLSHandshakesTimedOut
	s.Sockets += t.Sockets
	s.SocketsOpened += t.SocketsOpened
	s.SocketsRefused += t.SocketsRefused
	s.SocketsSilent += t.SocketsSilent
	s.SocketsSlow += t.SocketsSlow
	s.HandshakesPending += t.HandshakesPending
	s.HandshakesExpired += t.HandshakesExpired
	s.HandshakesShed += t.HandshakesShed
	s.StreamsRefused += t.StreamsRefused
	s.StreamsShed += t.StreamsShed
	s.SocketsHTTP1 += t.SocketsHTTP1
	s.RequestsPlain += t.RequestsPlain
	s.RequestsRunning += t.RequestsRunning
	s.RequestsServed += t.RequestsServed
	s.RequestsRefused += t.RequestsRefused
	s.RequestsExpired += t.RequestsExpired
	s.HTTPConnections += t.HTTPConnections
	s.HTTPAccepted += t.HTTPAccepted
	s.HTTPRefused += t.HTTPRefused
	s.HTTPUnserved += t.HTTPUnserved
	s.FramesReceived += t.FramesReceived
	s.FramesSent += t.FramesSent
	s.OctetsReceived += t.OctetsReceived
	s.OctetsSent += t.OctetsSent
	s.MessagesSent += t.MessagesSent
	s.MessageOctetsSent += t.MessageOctetsSent
	s.MessagesDiscarded += t.MessagesDiscarded
	s.MessagesConflated += t.MessagesConflated
	s.Overload = max(s.Overload, t.Overload)
	s.MemoryReliefs += t.MemoryReliefs
	s.ResetsReceived += t.ResetsReceived
	s.ResetsSent += t.ResetsSent
	s.Panics += t.Panics
	s.LoopsBlocked += t.LoopsBlocked
	for i := range s.ConnectionErrors {
		s.ConnectionErrors[i] += t.ConnectionErrors[i]
	}
	for i := range s.Rules {
		s.Rules[i].add(&t.Rules[i])
	}
}
