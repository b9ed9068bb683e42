package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A process is a client or a proxy. It ends, with all it has started, when the test does at the latest.
type process struct {
	*exec.Cmd
	exited chan struct{}

	mu     sync.Mutex
	output bytes.Buffer // stdout and stderr
}

// Write is for the program's output.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

func (p *process) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// command makes a command that can be killed with its children. A program that is not there fails the test.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: .ci/interop installs it", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, args...)
	// Pdeathsig is for a test process that ends without its cleanups.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// start runs a command in the background.
func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{Cmd: cmd, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		cmd.Cancel()
		<-p.exited
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, p)
		}
	})
	return p
}

// says waits until the program has written what the expression matches, and returns the submatches.
func (p *process) says(t *testing.T, expression string) (match []string) {
	t.Helper()
	re := regexp.MustCompile(expression)
	until(t, p.Path+" says "+expression, func() bool {
		match = re.FindStringSubmatch(p.String())
		if match == nil {
			select {
			case <-p.exited:
				t.Fatalf("%s has ended: %v", p.Path, p.ProcessState)
			default:
			}
		}
		return match != nil
	})
	return match
}

// run runs a command to its end and returns what it wrote on stdout.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, stdout, &stderr)
	}
	return string(stdout)
}

// runJSON runs a command that writes one JSON value.
func runJSON(t *testing.T, cmd *exec.Cmd, value any) {
	t.Helper()
	if text := run(t, cmd); json.Unmarshal([]byte(text), value) != nil {
		t.Fatalf("%s wrote %s", cmd, text)
	}
}
