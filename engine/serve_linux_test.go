package engine_test

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// A Server with nothing but a Handler serves.
func TestServeZeroValue(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo})
	c := r.dial()
	id := c.open("/")
	c.echo(id, "hello")
	c.close(id, frame.FlagEndStream, ws.CloseNormal)
	c.want("Close is answered with Close and END_STREAM", "1 close 1000", "1 end")
	r.await(t, 1, 1)
}

func TestServeWithoutHandler(t *testing.T) {
	wantNoLeaks(t)
	s := new(engine.Server)
	l := listen(t)
	if err := s.Serve(l); err == nil || !strings.Contains(err.Error(), "Handler") {
		t.Errorf("Serve without a Handler: %v", err)
	}
	wantClosed(t, l)
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestServeOnClosedServer(t *testing.T) {
	for name, end := range map[string]func(*engine.Server) error{
		"Close":    (*engine.Server).Close,
		"Shutdown": func(s *engine.Server) error { return s.Shutdown(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			wantNoLeaks(t)
			s := &engine.Server{Handler: echo, Addr: "127.0.0.1:0"}
			if err := end(s); err != nil {
				t.Errorf("%s before Serve: %v", name, err)
			}
			l := listen(t)
			if err := s.Serve(l); !errors.Is(err, engine.ErrServerClosed) {
				t.Errorf("Serve after %s: %v", name, err)
			}
			wantClosed(t, l)
			if err := s.ListenAndServe(); !errors.Is(err, engine.ErrServerClosed) {
				t.Errorf("ListenAndServe after %s: %v", name, err)
			}
		})
	}
}

func wantClosed(t *testing.T, l net.Listener) {
	t.Helper()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is not closed: %v", err)
	}
}

func TestListenAndServeAddressInUse(t *testing.T) {
	wantNoLeaks(t)
	l := listen(t)
	defer l.Close()
	err := engine.ListenAndServe(l.Addr().String(), echo)
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("ListenAndServe on an address in use: %v", err)
	}
}

// One server may listen on several addresses, of different kinds.
func TestServeTwoListeners(t *testing.T) {
	r := serve(t, &engine.Server{Handler: ws.Funcs{
		Handshake: func(q *ws.Request) { q.Accept(ws.AcceptOptions{Data: q.RemoteAddr}) },
		Message:   func(c *ws.Conn, m ws.Message) { c.Send(m.Type, m.Data) },
	}})
	unixSocket, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.Serve(unixSocket) }()

	tcp, unix := r.dial(), dial(t, unixSocket.Addr(), roomy...)
	idTCP, idUnix := tcp.open("/"), unix.open("/")
	tcp.echo(idTCP, "over TCP")
	unix.echo(idUnix, "over a Unix socket")
	r.Close()
	if err := <-served; !errors.Is(err, engine.ErrServerClosed) {
		t.Errorf("the second Serve: %v", err)
	}
	tcp.wantGone("Close ends connections of the first listener")
	unix.wantGone("Close ends connections of the second listener")
}

// A listener that its owner closes ends its Serve, not the server.
func TestServeListenerClosedByOwner(t *testing.T) {
	wantNoLeaks(t)
	l := listen(t)
	r := serveOn(t, &engine.Server{Handler: echo}, l)
	c := r.dial()
	id := c.open("/")
	l.Close()
	err := <-r.served
	if !errors.Is(err, net.ErrClosed) || errors.Is(err, engine.ErrServerClosed) {
		t.Errorf("Serve on a listener that was closed: %v", err)
	}
	r.served <- err
	c.echo(id, "still here")

	l2 := listen(t)
	served := make(chan error, 1)
	go func() { served <- r.Serve(l2) }()
	c2 := dial(t, l2.Addr())
	c2.echo(c2.open("/"), "here too")
	r.Close()
	if err := <-served; !errors.Is(err, engine.ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
}

// pipes is a listener whose connections have no descriptor.
type pipes struct{ ends chan net.Conn }

func (l pipes) Accept() (net.Conn, error) { return <-l.ends, nil }
func (l pipes) Close() error              { return nil }
func (l pipes) Addr() net.Addr            { return &net.UnixAddr{Name: "pipe"} }

func TestServeListenerWithoutDescriptors(t *testing.T) {
	wantNoLeaks(t)
	ours, theirs := net.Pipe()
	defer ours.Close()
	l := pipes{make(chan net.Conn, 1)}
	l.ends <- theirs
	s := &engine.Server{Handler: echo}
	if err := s.Serve(l); !errors.Is(err, engine.ErrListener) {
		t.Errorf("Serve: %v", err)
	}
	if _, err := ours.Write([]byte("x")); err == nil {
		t.Error("the connection that could not be served is still open")
	}
	s.Close()
}

// When Close returns, every socket has had its OnClose, whoever else calls Close or Shutdown at the same time.
func TestCloseConcurrently(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo, Loops: 2})
	var clients []*client
	for range 8 {
		c := r.dial()
		for range 8 {
			c.open("/")
		}
		clients = append(clients, c)
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if i%2 == 0 {
				r.Close()
			} else {
				r.Shutdown(t.Context())
			}
			if opened, closed := r.count(); opened != 64 || closed != 64 {
				t.Errorf("Close returned with %d of %d sockets closed", closed, opened)
			}
		})
	}
	group.Wait()
	for _, c := range clients {
		c.wantGone("the server is closed")
	}
	for _, err := range r.errs() {
		if !errors.Is(err, ws.ErrConnLost) {
			t.Errorf("OnClose when the server is closed: %v", err)
		}
	}
}

// Connections that come while the server is being closed are closed, not forgotten.
func TestCloseWhileConnecting(t *testing.T) {
	for range 20 {
		r := serve(t, &engine.Server{Handler: echo, Loops: 2})
		stop := make(chan struct{})
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for {
					nc, err := net.Dial("tcp", r.addr.String())
					if err != nil {
						return // the listener is closed
					}
					nc.Close()
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		until(t, "connections are accepted", func() bool { return r.Stats().ConnectionsAccepted > 4 })
		r.Close()
		close(stop)
		group.Wait()
	}
}
