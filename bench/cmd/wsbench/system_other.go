//go:build !linux

package main

import (
	"io"
	"syscall"
)

func childAttributes() *syscall.SysProcAttr { return nil }

func hurry() (restore func()) { return func() {} }

func isTerminal(io.Writer) bool { return false }

func raiseDescriptors(int) error { return nil }
