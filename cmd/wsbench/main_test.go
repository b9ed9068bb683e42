package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// race is whether this test runs with the race detector.
var race bool

// The tests of the module in bench are tests of this one: go test ./... at the top runs everything.
func TestTool(t *testing.T) {
	module, err := findModule()
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, filepath.Dir(module))
	args := []string{"-C", module, "test", "-shuffle=on", "-timeout=9m"}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, "./...")...)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.CombinedOutput()
	t.Logf("go %s\n%s", strings.Join(args, " "), out)
	if err != nil {
		t.Error(err)
	}
}

// readAll looks at every file that TestTool depends on, so that its result is not taken from the cache
// when one of them has changed: go test cannot see what a child reads.
func readAll(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		_, err = os.Stat(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestToolIsBuilt(t *testing.T) {
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), path, "-h").Output()
	if err != nil || !strings.Contains(string(out), "wsbench serve") {
		t.Errorf("%s -h: %v, said\n%s", path, err, out)
	}
}
