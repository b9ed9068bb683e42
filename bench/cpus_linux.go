package bench

import (
	"os"

	"golang.org/x/sys/unix"
)

// CPUs are one CPU for the loop of a Client, and the others for the server and what else the loader does. Loop and server
// wake each other, for which the system likes to have both on one CPU and leaves the other idle, for milliseconds at a
// time: the loop is late then, at any rate. nil divides nothing.
type CPUs struct{ loop, others unix.CPUSet }

// DivideCPUs divides those that the calling thread may use. It returns nil where there is only one.
func DivideCPUs() (*CPUs, error) {
	c := &CPUs{}
	if err := unix.SchedGetaffinity(0, &c.others); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	if c.others.Count() < 2 {
		return nil, nil
	}
	last := len(c.others)*64 - 1
	for !c.others.IsSet(last) {
		last--
	}
	c.others.Clear(last)
	c.loop.Set(last)
	return c, nil
}

// Loop keeps the calling thread on the loop's CPU. Its goroutine is locked to it, and runs the Client.
func (c *CPUs) Loop() error {
	if c == nil {
		return nil
	}
	return os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(0, &c.loop))
}

// Others keeps the calling thread, and the processes that it starts from now on, on the others.
func (c *CPUs) Others() error {
	if c == nil {
		return nil
	}
	return os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(0, &c.others))
}
