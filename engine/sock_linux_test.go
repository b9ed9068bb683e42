package engine

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The table of descriptors is as large as the connections need before there are any, and none of it is used.
func TestDescriptorsHaveRoom(t *testing.T) {
	const room = 5000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := open()
	growDescriptors(room)
	growDescriptors(0) // means nothing
	if after := open(); after != before {
		t.Errorf("%d descriptors are open, and were %d", after, before)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "FDSize:")
	line, _, _ = strings.Cut(line, "\n")
	if size, err := strconv.ParseUint(strings.TrimSpace(line), 10, 64); err != nil || size < min(room, limit.Cur) {
		t.Errorf("room for %d, %v", size, err)
	}
}
