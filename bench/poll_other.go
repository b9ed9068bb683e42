//go:build !linux

package bench

import "context"

// poller is not there: see ErrUnsupported.
type poller struct{}

type link struct{ fd int }

func (*poller) open() error { return ErrUnsupported }
func (*poller) close()      {}
func (*poller) hangUp(int)  {}

func (*poller) dial(context.Context, string, int, int) (int, error) { return -1, ErrUnsupported }

func (*Client) wait() error               { return ErrUnsupported }
func (*Client) write(*conn) error         { return ErrUnsupported }
func (*Client) pause(*conn) error         { return ErrUnsupported }
func (*Client) readSome(*conn, int) error { return ErrUnsupported }
