// Package soak has a server bear honest load and attacks for a long time, and tells whether anything grows: its memory,
// its descriptors, its goroutines. Meanwhile the honest must not lose a message nor a socket.
//
// The honest load is light, at a fixed rate, and checked to the last message: echoes over HTTP/2 and HTTP/1.1, on sockets
// and connections that are closed, reset and killed all the time, and messages published to topics. Attacks (package
// attack) follow each other in a random order, and each is followed by as long a rest, so that a soak uses a share of a
// CPU only. Honest connections come from another address than the attacker's, 127.0.0.2: limits may be by address.
package soak
