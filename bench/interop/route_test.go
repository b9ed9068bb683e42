package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws/wsutil"

	"h2ws/ws"
)

// A route is a way to a server: a proxy, or an HTTP/2 client of this process.
type route struct {
	*server
	dial dialer
	// sockets is how many WebSockets are open at the same time.
	sockets int
	// connections is on how many connections the server may see them.
	connections int64
	// blocking: a client that does not read holds up those with which it shares a connection.
	blocking bool
}

// check runs what must hold on every route.
func (r *route) check(t *testing.T) {
	t.Run(fmt.Sprintf("%d sockets", r.sockets), r.checkMany)
	t.Run("close by the client", r.checkCloseByClient)
	t.Run("close by the server", r.checkCloseByServer)
	t.Run("a client that vanishes", r.checkVanish)
	t.Run("refusals", r.checkRefusals)
	t.Run("subprotocol", r.checkSubprotocol)
	t.Run("1 MiB both ways", r.checkLarge)
	if r.blocking {
		t.Run("a slow client slows no other connection", r.checkBlocking)
	} else {
		t.Run("a slow client slows nobody", r.checkSlow)
	}
	t.Run("shutdown", r.checkShutdown)
}

// open opens a WebSocket, or fails.
func (r *route) open(t *testing.T, path string, protocols ...string) *client {
	t.Helper()
	c, err := r.dial(path, protocols...)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	t.Cleanup(func() { c.end() })
	return c
}

// dialsAtOnce is how many WebSockets are being opened at the same time.
const dialsAtOnce = 64

// openAll opens n WebSockets, some at a time.
func (r *route) openAll(t *testing.T, path string, n int) []*client {
	t.Helper()
	clients := make([]*client, n)
	each(t, "open", clients, dialsAtOnce, func(i int, _ *client) (err error) {
		clients[i], err = r.dial(path)
		return err
	})
	t.Cleanup(func() {
		for _, c := range clients {
			c.end()
		}
	})
	return clients
}

// Echo, fan-out and a clean close on many sockets.
func (r *route) checkMany(t *testing.T) {
	clients := r.openAll(t, "/topic", r.sockets)
	stats := r.Stats()
	if stats.Connections > r.connections {
		t.Errorf("on %d connections, want at most %d", stats.Connections, r.connections)
	}
	t.Logf("on %d connections", stats.Connections)
	each(t, "echo", clients, 256, func(i int, c *client) error { return c.echo(fmt.Sprint("hello ", i)) })
	const published = 10
	go r.publish(published, 100)
	each(t, "fan-out", clients, len(clients), func(_ int, c *client) error { return c.wantNumbered(0, published) })
	each(t, "close", clients, len(clients), func(_ int, c *client) error { return c.close(1000, "") })
	r.wantClosed(t, "/topic", r.sockets, ws.CloseError{Code: 1000})
	if topic := r.topic.Stats(); topic.Delivered != uint64(published*r.sockets) {
		t.Errorf("the topic counts %+v", topic)
	}
}

func (r *route) checkCloseByClient(t *testing.T) {
	c := r.open(t, "/client-closes")
	if err := c.close(4001, "bye"); err != nil {
		t.Error(err)
	}
	r.wantClosed(t, "/client-closes", 1, ws.CloseError{Code: 4001, Reason: "bye"})
}

func (r *route) checkCloseByServer(t *testing.T) {
	c := r.open(t, "/server-closes")
	c.send("!close 4002 later")
	if err := c.wantClosed(wsutil.ClosedError{Code: 4002, Reason: "later"}); err != nil {
		t.Error(err)
	}
	r.wantClosed(t, "/server-closes", 1, ws.CloseError{Code: 4002, Local: true})
}

// A client that is gone without a word costs its socket, and the server learns of it.
func (r *route) checkVanish(t *testing.T) {
	c, bystander := r.open(t, "/vanishes"), r.open(t, "/bystander")
	if err := c.echo("hello"); err != nil {
		t.Error(err)
	}
	c.end()
	until(t, "the server sees the socket closed", func() bool { return r.one(t, "/vanishes").end != nil })
	if end := r.one(t, "/vanishes").end; end.Code != ws.CloseAbnormal {
		t.Errorf("the server saw the end as %v, want 1006", end)
	}
	if err := bystander.echo("still there"); err != nil {
		t.Errorf("the bystander: %v", err)
	}
}

func (r *route) checkRefusals(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 429, 500, 503} {
		_, err := r.dial(fmt.Sprint("/refuse/", status))
		refused, ok := err.(*refusal)
		if !ok || refused.status != status || !strings.Contains(refused.body, "as you asked") {
			t.Errorf("%d: got %v", status, err)
		}
	}
}

func (r *route) checkSubprotocol(t *testing.T) {
	c := r.open(t, "/subprotocol", "bad", "good")
	if c.protocol != "good" {
		t.Errorf("got subprotocol %q", c.protocol)
	}
	if got := r.one(t, "/subprotocol").offered; fmt.Sprint(got) != "[bad good]" {
		t.Errorf("the server was offered %q", got)
	}
}

func (r *route) checkLarge(t *testing.T) {
	c := r.open(t, "/large")
	if err := c.echo(strings.Repeat("0123456789abcdef", 1<<16)); err != nil {
		t.Error(err)
	}
}

// A socket whose client does not read is closed when its queue is full or, if it has its connection for itself,
// loses what falls off the topic's log. The others get every message, also those that share its connection.
func (r *route) checkSlow(t *testing.T) {
	slow, others := r.open(t, "/topic/slow"), r.openAll(t, "/topic/others", 20)
	defer slow.end()
	const (
		size = 32 << 10
		most = 2000
	)
	lost := func() uint64 { return r.Stats().SocketsSlow + r.topic.Stats().DroppedLog }
	before, sent := lost(), 0
	for ; lost() == before; sent++ {
		if sent == most {
			t.Fatalf("after %d messages of %d octets the slow client is still no trouble", most, size)
		}
		r.topic.Publish(numbered(sent, size))
		each(t, "fan-out", others, len(others), func(_ int, c *client) error { return c.wantNumbered(sent, sent+1) })
	}
	t.Logf("the slow client was given up after %d messages of %d octets", sent, size)
	each(t, "echo", others, len(others), func(_ int, c *client) error { return c.echo("still there") })
}

// Some proxies stop reading a connection when one client does not take what came for it. Then the others on
// that connection wait with it, nobody else does, and nothing is missing when it goes on.
func (r *route) checkBlocking(t *testing.T) {
	slow, others := r.open(t, "/topic/slow"), r.openAll(t, "/patient", 200)
	defer slow.end()
	each(t, "echo", others, len(others), func(i int, c *client) error { return c.echo(fmt.Sprint("hello ", i)) })
	// The server knows which sockets share a connection, and the first message which socket is whose.
	blocked := r.one(t, "/topic/slow").remote
	var near, far []*client
	for _, k := range r.seen("/patient") {
		var i int
		if _, err := fmt.Sscanf(k.first, "hello %d", &i); err != nil {
			t.Fatal(err)
		}
		if k.remote == blocked {
			near = append(near, others[i])
		} else {
			far = append(far, others[i])
		}
	}
	if len(near) == 0 || len(far) == 0 {
		t.Fatalf("%d sockets share the slow client's connection, %d do not", len(near), len(far))
	}
	const (
		size = 32 << 10
		sent = 40 // several times what a proxy holds for one client, a third of what the topic's log holds
	)
	for i := range sent {
		r.topic.Publish(numbered(i, size))
		each(t, "fan-out", far, len(far), func(_ int, c *client) error { return c.wantNumbered(i, i+1) })
	}
	slow.end()
	each(t, "fan-out afterwards", near, len(near), func(_ int, c *client) error { return c.wantNumbered(0, sent) })
	t.Logf("%d sockets shared the slow client's connection, %d did not", len(near), len(far))
}

// When the server ends, every client is told so and answers.
func (r *route) checkShutdown(t *testing.T) {
	const sockets = 50
	clients := r.openAll(t, "/shutdown", sockets)
	ended := r.shutdown()
	each(t, "close", clients, len(clients), func(_ int, c *client) error {
		return c.wantClosed(wsutil.ClosedError{Code: 1001, Reason: "going away"})
	})
	if err := <-ended; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	r.wantClosed(t, "/shutdown", sockets, ws.CloseError{Code: 1001, Local: true})
}
