// Gws is a peer on github.com/lxzan/gws.
//
// A message to all goes through a Broadcaster, as its documentation has it. The read loop is a goroutine
// of its own, so that the handler returns and net/http lets go of the request. The read buffer has 1,024
// octets instead of 4,096, for many connections. Compression and parallel handling of one socket's
// messages, which are off by default, stay off.
package main

import (
	"net"
	"net/http"

	"github.com/lxzan/gws"

	"h2ws/bench/peers/convention"
)

const bufferBytes = 1024

var (
	sockets  convention.Sockets[*gws.Conn]
	commands = convention.Commands{Publish: publish}
)

func publish(payload []byte) {
	b := gws.NewBroadcaster(gws.OpcodeBinary, payload)
	defer b.Close()
	sockets.Each(func(c *gws.Conn) { b.Broadcast(c) }) // if it fails, so does its reader
}

type handler struct {
	gws.BuiltinEventHandler
}

func (handler) OnOpen(c *gws.Conn) { sockets.Add(c) }

func (handler) OnClose(c *gws.Conn, _ error) { sockets.Remove(c) }

func (handler) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	payload := m.Bytes()
	if m.Opcode == gws.OpcodeText && convention.Is(payload) {
		if payload = commands.Do(payload); payload == nil {
			return
		}
	}
	c.WriteMessage(m.Opcode, payload)
}

func main() {
	upgrader := gws.NewUpgrader(handler{}, &gws.ServerOption{ReadBufferSize: bufferBytes})
	convention.Main(func(l net.Listener) error {
		return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := upgrader.Upgrade(w, r); err == nil {
				go c.ReadLoop()
			}
		}))
	})
}
