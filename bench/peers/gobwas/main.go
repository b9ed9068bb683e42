// Gobwas is a peer on github.com/gobwas/ws over HTTP/1.1.
//
// The handshake is the zero-copy one on the accepted connection, which the library's documentation has
// for services with many connections. A socket is one goroutine, with a read buffer of 512 octets: without
// one the library reads every message with three system calls. A message to all is framed once
// (CompileFrame) and written to each connection by the goroutine that publishes: net.Conn makes a Write
// atomic, so there is neither a lock nor a goroutine to write.
package main

import (
	"bufio"
	"net"

	"github.com/gobwas/ws"

	"h2ws/bench/peers/convention"
	"h2ws/bench/peers/frames"
)

const readBytes = 512

type socket struct {
	*bufio.Reader
	net.Conn
}

func (s *socket) Read(p []byte) (int, error) { return s.Reader.Read(p) }

var (
	sockets  convention.Sockets[*socket]
	commands = convention.Commands{Publish: publish}
)

func publish(payload []byte) {
	frame := ws.MustCompileFrame(ws.NewBinaryFrame(payload))
	sockets.Each(func(s *socket) { s.Write(frame) }) // if it fails, so does its reader
}

// open leaves the socket to another goroutine: what the handshake made of the stack goes with this one.
func open(nc net.Conn) {
	if _, err := ws.Upgrade(nc); err != nil {
		nc.Close()
		return
	}
	s := &socket{bufio.NewReaderSize(nc, readBytes), nc}
	sockets.Add(s)
	go s.serve()
}

func (s *socket) serve() {
	defer s.Close()
	defer sockets.Remove(s)
	frames.Serve(s, &commands)
}

func main() {
	convention.Main(func(l net.Listener) error {
		for {
			nc, err := l.Accept()
			if err != nil {
				return err
			}
			go open(nc)
		}
	})
}
