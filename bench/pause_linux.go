package bench

import (
	"errors"
	"io"
	"os"
)

// pause stops reading a connection, but for readSome. From now on its end is no error.
func (cl *Client) pause(c *conn) error {
	cl.links[c.number].paused = true
	return cl.arm(c)
}

// readSome reads up to n octets, if there are so many, of a connection that is paused.
func (cl *Client) readSome(c *conn, n int) error {
	for !cl.links[c.number].lost && n > 0 {
		k, err := cl.read(c, n)
		var system *os.SyscallError
		switch {
		case errors.As(err, &system) || errors.Is(err, io.EOF):
			return cl.lose(c)
		case err != nil:
			return cl.named(c, err)
		case k == 0:
			return nil
		}
		n -= k
	}
	return nil
}

// lose is the end of a connection that is paused, and of its sockets. Its descriptor stays open until
// Close.
func (cl *Client) lose(c *conn) error {
	l := &cl.links[c.number]
	l.lost = true
	cl.poll.forget(l.fd)
	for i := range c.streams {
		if c.streams[i].state == done {
			continue
		}
		c.finish(i)
		if err := c.tell().closed(c, i, io.EOF); err != nil {
			return err
		}
	}
	return nil
}
