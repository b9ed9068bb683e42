// Package ws is the WebSocket endpoint of a server (RFC 6455) without its
// transport: octets come in through [Conn.Feed], and what must be answered
// goes out through the [Lower] interface. It performs no I/O, starts no
// goroutine and reads no clock.
//
// Applications meet [Handler], [Request], [Conn], [Message], [Prepared] and
// [CloseError]. [Endpoint], [Receiver], [Lower] and the methods of Conn marked
// "for the engine" belong to whoever carries the octets.
package ws

// A MessageType tells text from binary. Its values are those of the opcodes.
type MessageType uint8

const (
	Text   MessageType = MessageType(OpText)
	Binary MessageType = MessageType(OpBinary)
)

// String returns "text" or "binary".
func (t MessageType) String() string {
	switch t {
	case Text:
		return "text"
	case Binary:
		return "binary"
	}
	return "invalid"
}

// A Message is one whole message from the peer.
type Message struct {
	Type MessageType
	Data []byte // borrowed: valid until OnMessage returns; may be overwritten
}

// A Handler is told what happens on its WebSockets.
//
// The calls for one Conn are serial, ordered, and made on its event loop,
// which many other Conns share: they must not block. A call that panics closes
// its own WebSocket with 1011 and is logged.
type Handler interface {
	// OnOpen is the first call for a Conn.
	OnOpen(c *Conn)

	// OnMessage is called for every whole message, until Close is called.
	OnMessage(c *Conn, m Message)

	// OnClose is called exactly once for each OnOpen, and is the last call.
	// err is a *CloseError, never nil.
	OnClose(c *Conn, err error)
}

// A Handshaker is a Handler that decides on opening handshakes. Without it,
// or where OnHandshake decides nothing, a request from the same origin is
// accepted without a subprotocol and every other one is refused with 403.
type Handshaker interface {
	// OnHandshake is called on the event loop and must not block.
	// r is borrowed: valid until it returns.
	OnHandshake(r *Request)
}

// Funcs makes a Handler and Handshaker of functions. Each may be nil.
type Funcs struct {
	Handshake func(r *Request)
	Open      func(c *Conn)
	Message   func(c *Conn, m Message)
	Close     func(c *Conn, err error)
}

func (f Funcs) OnHandshake(r *Request) {
	if f.Handshake != nil {
		f.Handshake(r)
	}
}

func (f Funcs) OnOpen(c *Conn) {
	if f.Open != nil {
		f.Open(c)
	}
}

func (f Funcs) OnMessage(c *Conn, m Message) {
	if f.Message != nil {
		f.Message(c, m)
	}
}

func (f Funcs) OnClose(c *Conn, err error) {
	if f.Close != nil {
		f.Close(c, err)
	}
}

// Nop is a Handler that does nothing, to be embedded by handlers that do not
// need every call.
type Nop struct{}

func (Nop) OnOpen(*Conn)             {}
func (Nop) OnMessage(*Conn, Message) {}
func (Nop) OnClose(*Conn, error)     {}
