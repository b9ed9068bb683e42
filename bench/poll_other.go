//go:build !linux

package bench

import "context"

// poller is not there: see ErrUnsupported.
type poller struct{}

type link struct{ fd int }

var noLink = link{fd: -1}

func (*poller) open() error { return ErrUnsupported }
func (*poller) close()      {}
func (*poller) hangUp(int)  {}

func (*poller) add(int, int) error { return ErrUnsupported }

func dial(context.Context, *Config, int) (link, error) { return link{}, ErrUnsupported }

func (*Client) wait() error               { return ErrUnsupported }
func (*Client) write(*conn) error         { return ErrUnsupported }
func (*Client) open(*conn) error          { return ErrUnsupported }
func (*Client) pause(*conn) error         { return ErrUnsupported }
func (*Client) readSome(*conn, int) error { return ErrUnsupported }
