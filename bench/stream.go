package bench

// stream is what the client knows about one WebSocket. It stays at 40 octets and without pointers, so
// that a million of them are one allocation of which the collector looks at nothing.
type stream struct {
	stamp uint64 // of the opening or closing handshake: see stamp

	// send is relative to the server's INITIAL_WINDOW_SIZE, so that a change of that setting needs no
	// visit: INITIAL_WINDOW_SIZE + send octets may be sent.
	send int32
	recv int32 // octets the server may still send before it gets credit

	slot uint32 // the socket's number on its connection

	sent uint32 // messages sent, counted by the scenario
	seen uint32 // messages received, counted by the scenario

	state   streamState
	partial bool // conn.partials has the beginning of a message
	stalled bool // conn.stalled has output that waits for this stream's window
	closed  bool // the server's Close frame has arrived

	slow       bool // does not keep up, on purpose: its losses are reported apart
	uncredited bool // gets credit only by grant

	waiting uint32 // frames of it in conn.waiting
}

// streamState is where a stream is in the life of a WebSocket, seen from the client.
//
//	opening --:status 200--> open --Close sent--> closing --END_STREAM--> done
//	   |                       '------Close received (answered)------------^
//	   |                       '------RST_STREAM sent--> dropped
//	   '-----:status other--> refused (its body is read, then it is an error)
type streamState uint8

const (
	opening streamState = iota // extended CONNECT sent
	open                       // 200 received
	refused                    // another status received
	closing                    // Close sent with END_STREAM
	done                       // END_STREAM or RST_STREAM received
	dropped                    // RST_STREAM sent: what is still on its way is ignored
)
