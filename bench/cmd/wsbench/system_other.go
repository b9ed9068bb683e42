//go:build !linux

package main

import (
	"errors"
	"io"
	"syscall"
)

func childAttributes() *syscall.SysProcAttr { return nil }

func isTerminal(io.Writer) bool { return false }

func raiseDescriptors(int) error { return nil }

func idle() error { return errors.New("only on Linux") }
