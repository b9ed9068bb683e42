package interop

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// A client is one WebSocket of gobwas/ws, on a connection or on an HTTP/2 stream.
type client struct {
	io.Reader
	io.Writer
	protocol string       // the subprotocol
	end      func() error // ends connection or stream, without a closing handshake
}

// A dialer opens a WebSocket. Its error is a *refusal if the server, or what stands between, refuses.
type dialer func(path string, protocols ...string) (*client, error)

// refusal is a response that is no WebSocket.
type refusal struct {
	status int
	body   string
}

func (r *refusal) Error() string { return fmt.Sprintf("refused: %d %s", r.status, r.body) }

func newRefusal(response *http.Response) *refusal {
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	return &refusal{response.StatusCode, string(body)}
}

// dialUpgrade opens WebSockets over HTTP/1.1, on connections that connect makes.
func dialUpgrade(connect func() (net.Conn, error)) dialer {
	return func(path string, protocols ...string) (*client, error) {
		nc, err := connect()
		if err != nil {
			return nil, err
		}
		nc.SetDeadline(time.Now().Add(2 * patience))
		c, err := upgrade(nc, path, protocols)
		if err != nil {
			nc.Close()
			return nil, err
		}
		return c, nil
	}
}

func upgrade(nc net.Conn, path string, protocols []string) (*client, error) {
	var refused *refusal
	d := ws.Dialer{
		Protocols: protocols,
		OnStatusError: func(_ int, _ []byte, r io.Reader) {
			if response, err := http.ReadResponse(bufio.NewReader(r), nil); err == nil {
				refused = newRefusal(response)
			}
		},
	}
	target, err := url.Parse("ws://localhost" + path)
	if err != nil {
		return nil, err
	}
	early, handshake, err := d.Upgrade(nc, target)
	if refused != nil {
		return nil, refused
	}
	if err != nil {
		return nil, err
	}
	c := &client{Reader: nc, Writer: nc, protocol: handshake.Protocol, end: nc.Close}
	if early != nil {
		c.Reader = early
	}
	return c, nil
}

func (c *client) send(text string) error { return wsutil.WriteClientText(c, []byte(text)) }

// recv returns the next message. After a Close frame, which it answers, the error is a wsutil.ClosedError.
func (c *client) recv() (string, error) {
	message, _, err := wsutil.ReadServerData(c)
	return string(message), err
}

// echo sends a message and waits for it.
func (c *client) echo(text string) error {
	if err := c.send(text); err != nil {
		return err
	}
	return c.want(text)
}

func (c *client) want(text string) error {
	if message, err := c.recv(); err != nil || message != text {
		return fmt.Errorf("got %.40q (%v), want %.40q", message, err, text)
	}
	return nil
}

// wantNumbered receives messages from to count-1 of a publisher, in order.
func (c *client) wantNumbered(from, count int) error {
	for i := from; i < count; i++ {
		message, err := c.recv()
		if number, _, _ := strings.Cut(message, " "); err != nil || number != strconv.Itoa(i) {
			return fmt.Errorf("got message %s (%v), want %d of %d", number, err, i, count)
		}
	}
	return nil
}

// close closes with a code, and wants it back and the connection closed behind it.
func (c *client) close(code int, reason string) error {
	body := ws.NewCloseFrameBody(ws.StatusCode(code), reason)
	if err := wsutil.WriteClientMessage(c, ws.OpClose, body); err != nil {
		return err
	}
	c.Writer = io.Discard // wsutil answers every Close frame, also an answer
	return c.wantClosed(wsutil.ClosedError{Code: ws.StatusCode(code)})
}

// wantClosed wants a Close frame and behind it nothing.
func (c *client) wantClosed(want wsutil.ClosedError) error {
	defer c.end()
	message, err := c.recv()
	if got := (wsutil.ClosedError{}); !errors.As(err, &got) || got != want {
		return fmt.Errorf("got %.40q (%v), want %v", message, err, want)
	}
	if n, err := io.Copy(io.Discard, c); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%d octets behind the Close frame (%v)", n, err)
	}
	return nil
}

// each does something with all of a list at once, and fails with the first few errors.
func each[T any](t *testing.T, what string, list []T, atOnce int, do func(i int, x T) error) {
	t.Helper()
	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		failed []error
	)
	places := make(chan struct{}, atOnce)
	for i, x := range list {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			if err := do(i, x); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, fmt.Errorf("%d: %w", i, err))
			}
		})
	}
	all.Wait()
	if len(failed) > 0 {
		t.Fatalf("%s: %d of %d failed: %v", what, len(failed), len(list), errors.Join(failed[:min(len(failed), 5)]...))
	}
}
