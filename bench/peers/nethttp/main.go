// Nethttp is a peer on net/http's HTTP/2, with frames by github.com/gobwas/ws.
//
// net/http leaves a WebSocket over HTTP/2 to the handler: the extended CONNECT is a request, the frames
// are in its body and in the response. Extended CONNECT takes GODEBUG=http2xconnect=1, which the program
// sets for itself. A message to all is framed once and written to each response, and flushed, by the
// goroutine that publishes. A ResponseWriter is not for several goroutines: each has a lock.
package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/gobwas/ws"

	"h2ws/bench/peers/convention"
	"h2ws/bench/peers/frames"
)

// streamsMax is MAX_CONCURRENT_STREAMS, as large as the reference server's.
const streamsMax = 1 << 20

type socket struct {
	io.Reader
	mu       sync.Mutex
	response http.ResponseWriter
	control  *http.ResponseController
	done     bool // the handler has returned, or is about to
}

func (s *socket) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return 0, net.ErrClosed
	}
	n, err := s.response.Write(p)
	if err != nil {
		return n, err
	}
	return n, s.control.Flush()
}

// end waits for a Write under way: after the handler has returned its response must not be touched.
func (s *socket) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
}

var (
	sockets  convention.Sockets[*socket]
	commands = convention.Commands{Publish: publish}
)

func publish(payload []byte) {
	frame := ws.MustCompileFrame(ws.NewBinaryFrame(payload))
	sockets.Each(func(s *socket) { s.Write(frame) }) // if it fails, so does its reader
}

func serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || !strings.EqualFold(r.Header.Get(":protocol"), "websocket") {
		http.Error(w, "WebSockets only", http.StatusBadRequest)
		return
	}
	s := &socket{Reader: r.Body, response: w, control: http.NewResponseController(w)}
	w.WriteHeader(http.StatusOK)
	if err := s.control.Flush(); err != nil {
		return
	}
	sockets.Add(s)
	defer s.end()
	defer sockets.Remove(s)
	frames.Serve(s, &commands)
}

// setting must be in the environment when the program starts: net/http reads it before main.
const setting = "http2xconnect=1"

func main() {
	if debug := os.Getenv("GODEBUG"); !strings.Contains(debug, setting) {
		restart(strings.TrimPrefix(debug+","+setting, ","))
	}
	server := http.Server{
		Handler:   http.HandlerFunc(serve),
		Protocols: new(http.Protocols),
		HTTP2:     &http.HTTP2Config{MaxConcurrentStreams: streamsMax},
	}
	server.Protocols.SetUnencryptedHTTP2(true)
	convention.Main(server.Serve)
}

// restart begins this program again, in the same process.
func restart(debug string) {
	exe, err := os.Executable()
	if err == nil {
		os.Setenv("GODEBUG", debug)
		err = syscall.Exec(exe, os.Args, os.Environ())
	}
	panic(err)
}
