package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

func init() {
	// The child is to die with this process, not with the thread that started it: main keeps the
	// first thread, which lives as long as the process.
	runtime.LockOSThread()
}

// childAttributes puts the child into a process group of its own, so that Ctrl-C reaches only the
// parent, which ends it when it has read the last figures; and ends it if the parent is killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// isTerminal says whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// spareDescriptors is what a process needs besides its connections.
const spareDescriptors = 64

// raiseDescriptors makes sure that this process, and the child that inherits the limit, may have a
// descriptor for each of n connections. The Go runtime has raised the soft limit to the hard one.
func raiseDescriptors(n int) error {
	need := uint64(n + spareDescriptors)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= need {
		return err
	}
	raised := syscall.Rlimit{Cur: need, Max: max(limit.Max, need)}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
		return nil
	}
	return fmt.Errorf("%d connections need %d descriptors, and this process may have %d: "+
		"raise the hard limit (as root ulimit -Hn %d, LimitNOFILE= of systemd, --ulimit nofile of a container), or use fewer -conns",
		n, need, limit.Max, need)
}

// idle has all threads of this process, and those to come, take only the CPU time that nobody else wants.
func idle() error {
	for {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		changed := false
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil {
				return err
			}
			attr, err := unix.SchedGetAttr(id, 0)
			if err == nil && attr.Policy != unix.SCHED_IDLE {
				changed = true
				err = unix.SchedSetAttr(id, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
			}
			if err != nil && err != unix.ESRCH { // or it has ended
				return os.NewSyscallError("sched_setattr", err)
			}
		}
		if !changed {
			return nil // who starts a thread hands it on
		}
	}
}
