package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// peer is a server that can be compared with ours. It is a program in bench/peers, with that name.
type peer struct {
	name    string
	library string // import path, whose version is told; "": the standard library
	http1   bool   // speaks HTTP/1.1, not HTTP/2
}

var peers = []peer{
	{name: "nethttp"},
	{name: "gorilla", library: "github.com/gorilla/websocket", http1: true},
	{name: "coder", library: "github.com/coder/websocket", http1: true},
	{name: "gws", library: "github.com/lxzan/gws", http1: true},
	{name: "gobwas", library: "github.com/gobwas/ws", http1: true},
}

// choosePeers reads the value of -peers: names with commas between them, or nothing for all.
func choosePeers(value string) ([]peer, error) {
	if value == "" {
		return peers, nil
	}
	var known []string
	for _, p := range peers {
		known = append(known, p.name)
	}
	names := strings.Split(value, ",")
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("-peers: there is no %q, only %s", name, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(peers), func(p peer) bool { return !slices.Contains(names, p.name) }), nil
}

// buildPeers builds the peers into dir and returns them ready to start.
func buildPeers(ctx context.Context, peers []peer, dir string, stderr io.Writer) ([]contender, error) {
	source, err := findPeers()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(stderr, "building %s\n", source)
	args := []string{"build", "-buildvcs=false", "-o", dir + string(filepath.Separator)}
	for _, p := range peers {
		args = append(args, "./"+p.name)
	}
	build := exec.CommandContext(ctx, "go", args...)
	build.Dir = source
	build.Env = append(os.Environ(), "GOWORK=off")
	out, err := build.CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("the peers are built with the go command, which is not in PATH")
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("building the peers in %s, for which the first time takes a module proxy: %w\n%s", source, err, strings.TrimSpace(string(out)))
	}
	var built []contender
	for _, p := range peers {
		c := contender{title: "net/http HTTP/2", http1: p.http1, path: filepath.Join(dir, p.name)}
		if p.library != "" {
			c.title = libraryTitle(c.path, p.library)
		}
		built = append(built, c)
	}
	return built, nil
}

// findPeers finds the source of the peers, from the working directory upwards.
func findPeers() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		source := filepath.Join(dir, "bench", "peers")
		if _, err := os.Stat(filepath.Join(source, "go.mod")); err == nil {
			return source, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("there is no bench/peers here or above: run compare in a checkout of h2ws")
		}
		dir = filepath.Dir(dir)
	}
}

// libraryTitle is a library's name and the version that the program was built with: "lxzan/gws 1.8.9".
func libraryTitle(program, library string) string {
	title := strings.TrimPrefix(library, "github.com/")
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return title
	}
	for _, m := range info.Deps {
		if m.Path == library {
			return title + " " + strings.TrimPrefix(m.Version, "v")
		}
	}
	return title
}
