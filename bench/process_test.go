package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func readTestdata(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseSchedstat(t *testing.T) {
	if d, waited, err := parseSchedstat(readTestdata(t, "schedstat")); err != nil || d != 29355705*time.Nanosecond || waited != 16002614*time.Nanosecond {
		t.Errorf("got %v, %v", d, err)
	}
	for _, bad := range []string{"", "1 2", "x 2 3", "1 2 3 4"} {
		if d, _, err := parseSchedstat([]byte(bad)); err == nil {
			t.Errorf("%q: got %v, want an error", bad, d)
		}
	}
}

func TestParseStat(t *testing.T) {
	if d, err := parseStat(readTestdata(t, "stat")); err != nil || d != (123+45)*10*time.Millisecond {
		t.Errorf("got %v, %v; the program's name has parentheses and blanks", d, err)
	}
	for _, bad := range []string{"", "1 (x) S 1 2 3", "1 (x) S 1 1 1 0 -1 1 1 1 1 1 a b 0 0"} {
		if d, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: got %v, want an error", bad, d)
		}
	}
}

func TestParseStatus(t *testing.T) {
	if rss, err := parseStatus(readTestdata(t, "status"), "VmRSS:"); err != nil || rss != 3712<<10 {
		t.Errorf("got %d, %v", rss, err)
	}
	if own, err := parseStatus(readTestdata(t, "status"), "RssAnon:"); err != nil || own != 400<<10 {
		t.Errorf("RssAnon is %d (%v), want 400 kB", own, err)
	}
	if rss, err := parseStatus([]byte("Name:\tzombie\nState:\tZ (zombie)\n"), "VmRSS:"); err == nil {
		t.Errorf("a process that has ended: got %d, want an error", rss)
	}
}

// fakeProc is a /proc with one process.
type fakeProc struct {
	t   *testing.T
	dir string
}

func newFakeProc(t *testing.T, pid int) fakeProc {
	p := fakeProc{t, t.TempDir()}
	p.write(fmt.Sprintf("%d/status", pid), string(readTestdata(t, "status")))
	p.write(fmt.Sprintf("%d/stat", pid), string(readTestdata(t, "stat")))
	return p
}

func (p fakeProc) write(name, content string) {
	p.t.Helper()
	name = filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
		p.t.Fatal(err)
	}
}

func TestCPUSumsThreads(t *testing.T) {
	proc := newFakeProc(t, 7)
	proc.write("7/task/7/schedstat", "1000 1 1\n")
	proc.write("7/task/8/schedstat", "200 1 1\n")
	p, err := openProcess(proc.dir, 7)
	if err != nil {
		t.Fatal(err)
	}
	wantCPU(t, p, 1200, "two threads")
	proc.write("7/task/8/schedstat", "300 1 1\n")
	wantCPU(t, p, 1300, "one went on")
	if err := os.RemoveAll(filepath.Join(proc.dir, "7/task/8")); err != nil {
		t.Fatal(err)
	}
	proc.write("7/task/9/schedstat", "50 1 1\n")
	wantCPU(t, p, 1350, "one ended, whose time still counts, and one began")
}

func TestCPUWithoutSchedstat(t *testing.T) {
	proc := newFakeProc(t, 7)
	p, err := openProcess(proc.dir, 7)
	if err != nil {
		t.Fatal(err)
	}
	wantCPU(t, p, 1680*time.Millisecond, "no schedstat: stat")
	proc.write("7/task/7/schedstat", "0 0 0\n")
	wantCPU(t, p, 1680*time.Millisecond, "a kernel that does not fill it in: stat")
}

func wantCPU(t *testing.T, p *Process, want time.Duration, why string) {
	t.Helper()
	if got, err := p.CPU(); err != nil || got != want {
		t.Errorf("%s: got %v, %v, want %v", why, got, err, want)
	}
}

func TestNoSuchProcess(t *testing.T) {
	if _, err := openProcess(t.TempDir(), 7); err == nil {
		t.Error("a process that is not there can be opened")
	}
}
