package engine_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// process is a run of this test binary that is the other side of a test or benchmark: its descriptors, memory and
// CPU time are its own.
type process struct {
	t     testing.TB
	in    io.WriteCloser
	lines *bufio.Scanner
	said  strings.Builder // what was not waited for
}

// startProcess runs the test of that name with a variable in its environment, until the end of t.
func startProcess(t testing.TB, test, env string) *process {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v")
	child.Env = append(os.Environ(), env)
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		child.Process.Kill()
		child.Wait()
	})
	return &process{t: t, in: in, lines: bufio.NewScanner(out)}
}

// await waits for a line.
func (p *process) await(line string) {
	p.t.Helper()
	for p.lines.Scan() {
		if p.lines.Text() == line {
			return
		}
		fmt.Fprintln(&p.said, p.lines.Text())
	}
	p.t.Fatalf("the other process does not say %q:\n%s", line, &p.said)
}
