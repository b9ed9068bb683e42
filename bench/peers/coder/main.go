// Coder is a peer on github.com/coder/websocket.
//
// The library has nothing to frame a message once for many connections. A message to all is written to
// each by the goroutine that publishes, which is allowed: Write is for any goroutine. The documentation's
// chat example has a channel for every connection instead, and a goroutine that writes. A time limit for
// each Write, which it advises, is left out: it would cost more.
package main

import (
	"context"
	"net"
	"net/http"

	"github.com/coder/websocket"

	"h2ws/bench/peers/convention"
)

var (
	sockets  convention.Sockets[*websocket.Conn]
	commands = convention.Commands{Publish: publish}
)

func publish(payload []byte) {
	sockets.Each(func(c *websocket.Conn) {
		c.Write(context.Background(), websocket.MessageBinary, payload) // if it fails, so does its reader
	})
}

// serve reads in the handler's goroutine, as all examples of the library do.
func serve(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	sockets.Add(c)
	defer sockets.Remove(c)
	ctx := context.Background()
	for {
		kind, payload, err := c.Read(ctx)
		if err != nil {
			return
		}
		if kind == websocket.MessageText && convention.Is(payload) {
			if payload = commands.Do(payload); payload == nil {
				continue
			}
		}
		if c.Write(ctx, kind, payload) != nil {
			return
		}
	}
}

func main() {
	convention.Main(func(l net.Listener) error { return http.Serve(l, http.HandlerFunc(serve)) })
}
