//go:build !linux

package main

import (
	"io"
	"syscall"
)

func childAttributes() *syscall.SysProcAttr { return nil }

func isTerminal(io.Writer) bool { return false }

func raiseDescriptors(int) error { return nil }
