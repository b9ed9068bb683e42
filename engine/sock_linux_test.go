package engine

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The table of descriptors has room for what is asked for, as far as it may, before any of it is used.
func TestDescriptorsHaveRoom(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	before := tableSize(t)
	growDescriptors(int(before) + 1)
	if after := tableSize(t); after < min(before+1, limit.Cur, descriptorsMost) {
		t.Errorf("room for %d, and it was for %d", after, before)
	}
	most := tableSize(t)
	growDescriptors(0)
	growDescriptors(-1)
	if after := tableSize(t); after != most {
		t.Errorf("room for %d, and it was for %d", after, most)
	}
}

// tableSize is for how many descriptors the process's table has room.
func tableSize(t *testing.T) uint64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "FDSize:")
	line, _, _ = strings.Cut(line, "\n")
	size, err := strconv.ParseUint(strings.TrimSpace(line), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return size
}
