package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"h2ws/bench"
)

func TestChildEndsWithItsParentsWish(t *testing.T) {
	c, err := startServer(t.Context(), &options{cfg: bench.DefaultConfig()}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.stop(nil); err != nil || !c.cmd.ProcessState.Success() {
		t.Errorf("got %v, the child ended with %v", err, c.cmd.ProcessState)
	}
	failed := errors.New("connection lost")
	if err := c.stop(failed); !errors.Is(err, failed) {
		t.Errorf("stopped again: got %v", err)
	}
}

func TestChildThatDies(t *testing.T) {
	c, err := startServer(t.Context(), &options{cfg: bench.DefaultConfig()}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	err = c.stop(errors.New("connection lost"))
	if err == nil || err.Error() != "connection lost (the server ended with: signal: killed)" {
		t.Errorf("got %v", err)
	}
}

func TestManyStreamsAreAskedFor(t *testing.T) {
	o := &options{cfg: bench.DefaultConfig()}
	o.cfg.Sockets = 3_000_000
	c, err := startServer(t.Context(), o, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.cmd.Args[1:], " "); !strings.HasSuffix(got, " -max-streams 3000000") {
		t.Errorf("the child was started with %s", got)
	}
	if err := c.stop(nil); err != nil {
		t.Error(err)
	}
}

func TestReadAddr(t *testing.T) {
	if addr, err := readAddr(t.Context(), strings.NewReader("listening on 127.0.0.1:8080\n")); err != nil || addr != "127.0.0.1:8080" {
		t.Errorf("got %q, %v", addr, err)
	}
	for _, bad := range []string{"", "listening on 127.0.0.1:8080", "bind: address in use\n"} {
		if addr, err := readAddr(t.Context(), strings.NewReader(bad)); err == nil {
			t.Errorf("%q: got %q, want an error", bad, addr)
		}
	}
	never, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := readAddr(ctx, never); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: got %v", err)
	}
}

func TestDescriptors(t *testing.T) {
	if err := raiseDescriptors(10); err != nil {
		t.Errorf("10 connections: %v", err)
	}
	// More than fs.nr_open, and so more than root may have.
	err := raiseDescriptors(1 << 31)
	if err == nil || !strings.Contains(err.Error(), "2147483648 connections need 2147483712 descriptors") || !strings.Contains(err.Error(), "-conns") {
		t.Errorf("2^31 connections: got %v", err)
	}
}
