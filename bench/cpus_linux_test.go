package bench

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// affinity is which CPUs the calling thread may use.
func affinity(t *testing.T) (set unix.CPUSet) {
	t.Helper()
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	return set
}

func TestDivideCPUs(t *testing.T) {
	done := make(chan struct{})
	go func() { // its thread ends with it
		defer close(done)
		runtime.LockOSThread()
		all := affinity(t)
		cpus, err := DivideCPUs()
		if err != nil {
			t.Error(err)
			return
		}
		if all.Count() < 2 {
			if cpus != nil {
				t.Errorf("one CPU was divided into %v", cpus)
			}
			return
		}
		if err := cpus.Others(); err != nil {
			t.Error(err)
		}
		others := affinity(t)
		child, err := exec.Command("grep", "Cpus_allowed:", "/proc/self/status").Output()
		if err != nil {
			t.Error(err)
		}
		if mine, err := os.ReadFile("/proc/thread-self/status"); err != nil || !strings.Contains(string(mine), string(child)) {
			t.Errorf("%v: the child has %s", err, child)
		}
		if err := cpus.Loop(); err != nil {
			t.Error(err)
		}
		loop := affinity(t)
		if loop.Count() != 1 || others.Count() != all.Count()-1 {
			t.Errorf("%d CPUs were divided into %d and %d", all.Count(), loop.Count(), others.Count())
		}
		for i := range others {
			if others[i]&loop[i] != 0 || others[i]|loop[i] != all[i] {
				t.Errorf("%x were divided into %x and %x", all, loop, others)
			}
		}
		if one, err := DivideCPUs(); one != nil || err != nil {
			t.Errorf("one CPU: %v, %v", one, err)
		}
	}()
	<-done
}

func TestNoCPUs(t *testing.T) {
	before := affinity(t)
	var cpus *CPUs
	if err := cpus.Loop(); err != nil {
		t.Error(err)
	}
	if err := cpus.Others(); err != nil || affinity(t) != before {
		t.Errorf("%v: %v", err, affinity(t))
	}
}
