// Gorilla is a peer on github.com/gorilla/websocket.
//
// Buffers are as its documentation advises for many connections: 1,024 octets, those to write with from a
// pool. The reader is a goroutine of its own, so that the handler returns and net/http lets go of the
// request. A message to all is a PreparedMessage, written to each connection by the goroutine that
// publishes, under the lock that makes it the only writer. The documentation's chat example has a channel
// and a second goroutine for every connection instead, which costs more CPU and memory.
package main

import (
	"net"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"

	"h2ws/bench/peers/convention"
)

const bufferBytes = 1024

var upgrader = websocket.Upgrader{
	ReadBufferSize:  bufferBytes,
	WriteBufferSize: bufferBytes,
	WriteBufferPool: new(sync.Pool),
	CheckOrigin:     func(*http.Request) bool { return true },
}

type socket struct {
	*websocket.Conn
	mu sync.Mutex
}

func (s *socket) write(kind int, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.WriteMessage(kind, payload)
}

func (s *socket) writePrepared(m *websocket.PreparedMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.WritePreparedMessage(m) // if it fails, so does its reader
}

var (
	sockets  convention.Sockets[*socket]
	commands = convention.Commands{Publish: publish}
)

func publish(payload []byte) {
	m, err := websocket.NewPreparedMessage(websocket.BinaryMessage, payload)
	if err != nil {
		panic(err)
	}
	sockets.Each(func(s *socket) { s.writePrepared(m) })
}

func serve(w http.ResponseWriter, r *http.Request) {
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	s := &socket{Conn: c}
	sockets.Add(s)
	go s.read()
}

func (s *socket) read() {
	defer s.Close()
	defer sockets.Remove(s)
	for {
		kind, payload, err := s.ReadMessage()
		if err != nil {
			return
		}
		if kind == websocket.TextMessage && convention.Is(payload) {
			if payload = commands.Do(payload); payload == nil {
				continue
			}
		}
		if s.write(kind, payload) != nil {
			return
		}
	}
}

func main() {
	convention.Main(func(l net.Listener) error { return http.Serve(l, http.HandlerFunc(serve)) })
}
