// Package convention is what the peers share: the command line and the commands of "wsbench serve", so
// that one client drives them all.
//
// A peer echoes every message, except text messages that begin with "!":
//
//	!B COUNT SIZE   publishes COUNT binary messages of SIZE octets to every open socket, one after another
//	!G              collects garbage, returns memory to the operating system, and answers "!G"
//
// Anything else behind "!" is answered with "!E" and what is wrong with it.
package convention

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
)

// Main is main of a peer: it listens where -addr says, tells so in one line, and serves until SIGINT or
// SIGTERM, which end it at once.
func Main(serve func(net.Listener) error) {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on `host:port`; with port 0 on a free one")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		fatal(err)
	}
	fmt.Println("listening on " + l.Addr().String())
	served := make(chan error, 1)
	go func() { served <- serve(l) }()
	select {
	case err := <-served:
		fatal(err)
	case <-ctx.Done():
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
