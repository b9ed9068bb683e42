// Wsbench is the load tool for WebSockets over HTTP/2 and HTTP/1.1. See wsbench -h.
//
// The tool is the module in bench, because it has dependencies that the library must not have. This
// program builds it there, which takes the go command, and becomes it. To have the tool itself, for other
// places than a checkout:
//
//	go -C bench install ./cmd/wsbench
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// exitUnavailable is the exit status when there is no tool, so that it cannot be told from one that failed
// to connect.
const exitUnavailable = 2

func main() {
	path, err := build()
	if err == nil {
		err = syscall.Exec(path, append([]string{"wsbench"}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintln(os.Stderr, "wsbench:", err)
	os.Exit(exitUnavailable)
}

// build returns the tool, up to date. The go command keeps it in its cache.
func build() (path string, err error) {
	module, err := findModule()
	if err != nil {
		return "", err
	}
	tool := exec.Command("go", "-C", module, "tool", "-n", "wsbench")
	tool.Env = append(os.Environ(), "GOWORK=off")
	tool.Stderr = os.Stderr // what it downloads, and why it cannot
	out, err := tool.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("the tool is built with the go command, which is not in PATH")
	}
	if err != nil {
		return "", fmt.Errorf("building the tool in %s, for which the first time takes a module proxy: %w", module, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// findModule finds the tool's source: beside this file, or where a build with -trimpath hides that, from
// the working directory upwards.
func findModule() (string, error) {
	dir, err := os.Getwd()
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		dir = filepath.Dir(file)
	}
	for ; err == nil; dir = filepath.Dir(dir) {
		module := filepath.Join(dir, "bench")
		if _, err := os.Stat(filepath.Join(module, "cmd", "wsbench", "main.go")); err == nil {
			return module, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("there is no bench here or above: run it in a checkout of h2ws, or go -C bench install ./cmd/wsbench there")
		}
	}
	return "", err
}
