package wsconn

import (
	"context"
	"errors"
	"sync"

	"h2ws/ws"
)

// A Conn is one WebSocket. Its methods may be called from any goroutine at any
// time, also when it is closed. A context that ends ends the call that it was
// given to and nothing else: the WebSocket lives on, and no message is torn.
type Conn struct {
	socket *ws.Conn
	data   any
	buffer int
	ctx    context.Context
	cancel context.CancelCauseFunc

	arrived chan struct{} // something is in the inbox, or err is set
	room    chan struct{} // the queue to the peer is, or was, empty
	writing chan struct{} // has a token of the Write that sends

	mu       sync.Mutex
	inbox    inbox
	discards bool  // nobody reads any more
	err      error // why nothing comes behind what is in the inbox
}

// errDone: the caller did not want to wait any longer.
var errDone = errors.New("wsconn: done")

// signal puts a token in a channel that has room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Read waits for the next message. data is the caller's. It returns ctx.Err(),
// ws.ErrClosed after Close or CloseRead, and a *ws.CloseError that says how the
// WebSocket ended behind the last message.
func (c *Conn) Read(ctx context.Context) (t ws.MessageType, data []byte, err error) {
	if err := ctx.Err(); err != nil {
		return 0, nil, err
	}
	t, data, err = c.read(ctx.Done())
	if err == errDone {
		err = ctx.Err()
	}
	return t, data, err
}

// read is Read until done is closed.
func (c *Conn) read(done <-chan struct{}) (t ws.MessageType, data []byte, err error) {
	for {
		t, data, ok, err := c.take()
		if ok || err != nil {
			return t, data, err
		}
		select {
		case <-c.arrived:
		case <-done:
			return 0, nil, errDone
		}
	}
}

// take takes a message out of the inbox. ok is false when there is none.
func (c *Conn) take() (t ws.MessageType, data []byte, ok bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, data, ok = c.inbox.take()
	if c.inbox.size() <= c.buffer/2 {
		c.socket.Resume()
	}
	if !ok {
		err = c.err
	}
	if c.inbox.size() > 0 || c.err != nil {
		signal(c.arrived) // for another Read
	}
	return t, data, ok, err
}

// recv is OnMessage. The peer is paused under the lock, or a Read that has just
// emptied the inbox would have resumed it before.
func (c *Conn) recv(m ws.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.discards {
		return
	}
	c.inbox.put(m.Type, m.Data)
	if c.inbox.size() > c.buffer {
		c.socket.Pause()
	}
	signal(c.arrived)
}

// Write sends a message, and waits until there is room for it in the queue to
// the peer. p is copied. It returns ctx.Err(), ws.ErrClosed, and what
// ws.Conn.Send returns about a message that can't be sent; then nothing of it
// was sent. Under a policy that drops messages one that was written may still be
// dropped.
func (c *Conn) Write(ctx context.Context, t ws.MessageType, p []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := c.write(ctx.Done(), t, p)
	if err == errDone {
		err = ctx.Err()
	}
	return err
}

// write is Write until done is closed.
func (c *Conn) write(done <-chan struct{}, t ws.MessageType, p []byte) error {
	select {
	case c.writing <- struct{}{}:
		defer func() { <-c.writing }()
	case <-done:
		return errDone
	}
	for {
		err := c.socket.TrySend(t, p)
		if err != ws.ErrSlow && err != ws.ErrMailboxFull {
			return err
		}
		c.socket.AwaitDrain()
		select {
		case <-c.room:
		case <-c.ctx.Done():
		case <-done:
			return errDone
		}
	}
}

// Close starts the closing handshake, behind the messages written before, and
// does not wait for the peer; Context ends when it has answered, or did not in
// time. Messages that were not read are thrown away. Only the first Close counts.
func (c *Conn) Close(code ws.CloseCode, reason string) error {
	err := c.socket.Close(code, reason)
	if err == nil || err == ws.ErrClosed {
		c.CloseRead()
	}
	return err
}

// CloseRead says that nobody reads any more: what comes is thrown away, so that
// the peer is not kept from closing. It is for those who only write.
func (c *Conn) CloseRead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.discards = true
	c.inbox = inbox{}
	c.socket.Resume()
	c.stop(ws.ErrClosed)
}

// stop has Read return err. Under mu.
func (c *Conn) stop(err error) {
	if c.err == nil {
		c.err = err
	}
	signal(c.arrived)
}

// end is OnClose.
func (c *Conn) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop(err)
	c.cancel(err)
}

// Context returns a context that is canceled when the WebSocket is closed.
// context.Cause returns the *ws.CloseError then.
func (c *Conn) Context() context.Context { return c.ctx }

// Data returns what the handshake was accepted with: ws.AcceptOptions.Data.
func (c *Conn) Data() any { return c.data }

// Socket returns the WebSocket below, to join topics for instance. Its Data is
// this package's.
func (c *Conn) Socket() *ws.Conn { return c.socket }
