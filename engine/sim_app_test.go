package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"h2ws/ws"
)

// simSocket is one WebSocket as the application and the client's page see it: what was said on
// either side, in order.
type simSocket struct {
	s      *sim
	client *simClient
	cs     *simStream
	reject bool // the application does

	pending *ws.Pending // the decision was deferred
	decided bool        // and has been made
	refused error       // what Accept or Reject returned: it was too late

	conn   *ws.Conn
	stream *stream
	opened int
	closed int

	toServer [][]byte // messages the client has begun to send
	received int      // of these, seen by OnMessage
	accepted [][]byte // messages Send took
	asked    bool     // Close was called and taken
	awaits   bool     // AwaitDrain was called, and OnDrain not since
	drains   int      // calls of AwaitDrain less those of OnDrain, of which there may be one for each
	slow     bool     // a Send failed with ErrSlow
	panicked bool
}

// simApp is the handler of all sockets.
type simApp struct{ s *sim }

// OnHandshake finds the socket by its path.
func (a simApp) OnHandshake(r *ws.Request) {
	n, err := strconv.Atoi(r.Path[1:])
	if err != nil {
		a.s.failf("handshake for %q", r.Path)
	}
	k := a.s.sockets[n]
	if a.s.r.IntN(4) == 0 {
		k.pending = r.Defer()
		if a.s.r.IntN(5) == 0 {
			k.decide()
		}
		return
	}
	if k.reject {
		r.Reject(403, "not you")
		return
	}
	r.Accept(ws.AcceptOptions{Data: k})
}

// decide makes the decision that was deferred.
func (k *simSocket) decide() {
	if k.pending == nil || k.decided {
		return
	}
	k.decided = true
	over := context.Cause(k.pending.Context())
	if k.reject {
		k.refused = k.pending.Reject(403, "not you")
	} else {
		k.refused = k.pending.Accept(ws.AcceptOptions{Data: k})
	}
	k.s.note("%s: decided, reject %t: %v", k, k.reject, k.refused)
	if (k.refused != nil) != (over != nil) || k.refused != nil && !errors.Is(k.refused, over) {
		k.s.failf("%s: the decision returns %v, the context was over with %v", k, k.refused, over)
	}
}

// unavailable reports whether the handshake was answered without the decision, for one of the reasons there are.
func (k *simSocket) unavailable() bool {
	if k == nil || k.pending == nil {
		return false
	}
	cause := context.Cause(k.pending.Context())
	return cause == ws.ErrDecided /* and on its way when it was too late */ || cause == errUndecided || cause == errPendings || cause == errEarly || cause == errDrained
}

func (a simApp) OnOpen(c *ws.Conn) {
	k := c.Data().(*simSocket)
	k.conn, k.stream = c, k.client.conn.streams.find(k.cs.id)
	if k.stream == nil || &k.stream.ws != c {
		a.s.failf("%s: OnOpen of another", k)
	}
	if k.opened++; k.opened != 1 {
		a.s.failf("%s: OnOpen again", k)
	}
	if a.s.r.IntN(3) == 0 {
		k.sendSome()
	}
}

func (a simApp) OnMessage(c *ws.Conn, m ws.Message) {
	k := c.Data().(*simSocket)
	if k.opened != 1 || k.closed != 0 || k.asked {
		a.s.failf("%s: OnMessage with opened %d, closed %d, asked %t", k, k.opened, k.closed, k.asked)
	}
	if k.received == len(k.toServer) || string(m.Data) != string(k.toServer[k.received]) {
		a.s.failf("%s: message %d of %d is %.40q", k, k.received, len(k.toServer), m.Data)
	}
	k.received++
	switch n := a.s.r.IntN(200); {
	case n == 0:
		k.panicked = true
		panic("the application's fault")
	case n == 1:
		k.close()
	case n < 120:
		k.took(m.Data, c.Send(m.Type, m.Data))
	case n < 160:
		k.sendSome()
	}
}

func (a simApp) OnDrain(c *ws.Conn) {
	k := c.Data().(*simSocket)
	if k.drains == 0 || k.closed > 0 {
		a.s.failf("%s: OnDrain that nobody awaits", k)
	}
	k.awaits = false
	k.drains--
	if a.s.r.IntN(2) == 0 {
		b := a.s.payload(a.s.size(3000))
		err := c.TrySend(ws.Binary, b)
		if err == ws.ErrSlow && k.stream.queued.Load()&queuedSlow == 0 && !k.slow {
			return // it has no consequence
		}
		k.took(b, err)
	}
}

func (a simApp) OnClose(c *ws.Conn, err error) {
	k := c.Data().(*simSocket)
	if k.closed++; k.closed != 1 || k.opened != 1 {
		a.s.failf("%s: OnClose %d times after %d OnOpen", k, k.closed, k.opened)
	}
	var e *ws.CloseError
	if !errors.As(err, &e) {
		a.s.failf("%s: OnClose with %v", k, err)
	}
	if c.Send(ws.Text, nil) != ws.ErrClosed || c.Close(ws.CloseNormal, "") != ws.ErrClosed {
		a.s.failf("%s: not closed in OnClose", k)
	}
	a.s.note("%s: OnClose: %v", k, err)
	if a.s.r.IntN(50) == 0 {
		panic("the application's fault")
	}
}

func (k *simSocket) String() string {
	return fmt.Sprintf("client %d stream %d", k.client.n, k.cs.id)
}

func (k *simSocket) sendSome() {
	for range 1 + k.s.r.IntN(3) {
		if k.s.r.IntN(3) > 0 {
			k.send(k.s.size(20_000))
			continue
		}
		p := pick(k.s.r, k.s.shared...)
		k.took(p.Data(), k.conn.SendPrepared(p))
	}
}

func (k *simSocket) send(size int) {
	b := k.s.payload(size)
	k.took(b, k.conn.Send(pick(k.s.r, ws.Text, ws.Binary), b))
	clear(b) // Send has copied
}

// took notes what became of a Send.
func (k *simSocket) took(b []byte, err error) {
	s, l := k.s, &k.s.core.limits
	queued := k.stream.queued.Load() &^ queuedSlow
	switch err {
	case nil:
		if k.asked || k.closed > 0 {
			s.failf("%s: Send after the end was taken", k)
		}
		k.accepted = append(k.accepted, append([]byte(nil), b...))
		s.accepted++
		s.largest = max(s.largest, len(b)+ws.HeaderLenMax)
	case ws.ErrSlow:
		if queued&queuedOctets < uint64(l.Queue.MaxBytes) && queued/queuedMessage < uint64(l.Queue.MaxMessages) {
			s.failf("%s: ErrSlow with %d octets and %d messages queued", k, queued&queuedOctets, queued/queuedMessage)
		}
		k.slow = true
	case ErrMailboxFull:
		if !s.core.box.full(len(b) + ws.HeaderLenMax) {
			s.failf("%s: ErrMailboxFull with %d octets", k, len(s.core.box.arena))
		}
	case ws.ErrClosed:
		if !k.asked && k.closed == 0 && k.client.conn.drain == drainNone && !k.shut() {
			s.failf("%s: ErrClosed of an open socket", k)
		}
	default:
		s.failf("%s: Send: %v", k, err)
	}
}

// shut reports whether the connection has closed the socket without OnClose, by a drain.
func (k *simSocket) shut() bool { return k.stream.asked || k.stream.shut }

// Codes that say who closed.
const (
	simCodeApp    ws.CloseCode = 4000
	simCodeClient ws.CloseCode = 3000
)

func (k *simSocket) close() {
	err := k.conn.Close(simCodeApp, "enough")
	k.s.note("%s: Close: %v", k, err)
	if err == nil {
		k.asked = true
	}
}
