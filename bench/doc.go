// Package bench measures a server of WebSockets over HTTP/2 (RFC 8441): how many it opens, echoes and
// is sent a second, what that costs it in CPU, and what an open socket costs it in memory.
//
// A Client drives any number of sockets on any number of connections from one goroutine: it waits on
// epoll, reads, reacts and writes, and keeps 32 octets a socket. The connection (conn and its files)
// does no I/O: octets in, octets out. The scenarios (Open, Echo, Fanout, Idle, CloseSockets) are
// methods of the Client that say what it does when a socket opened, was sent a message or closed.
//
// To compare, the Client drives servers over HTTP/1.1 too (Config.HTTP1).
//
// The server is another process. Its CPU and memory are read from the operating system (Process),
// never derived from the client's clock. Serve is the reference server; its convention lets any client
// drive it.
//
// Measuring needs Linux. Elsewhere the package builds, and Dial returns ErrUnsupported.
package bench
