package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBadComparisons(t *testing.T) {
	for line, want := range map[string]string{
		"compare x":             `bad target "x": it is a URL, or host:port (see wsbench compare -h)`,
		"compare -sockets 5":    "-sockets is for a comparison of URLs: there is none (see wsbench compare -h)",
		"compare -quick ws://a": "-quick is for the comparison without URLs (see wsbench compare -h)",
		"compare -peers gws,x":  `-peers: there is no "x", only nethttp, gorilla, coder, gws, gobwas (see wsbench compare -h)`,
		"compare -peers gws,":   `-peers: there is no "", only nethttp, gorilla, coder, gws, gobwas (see wsbench compare -h)`,
		"compare -quick=rather": `invalid boolean value "rather" for -quick: parse error (see wsbench compare -h)`,
	} {
		status, stdout, stderr := wsbench(t.Context(), strings.Fields(line)...)
		if status != exitUsage || stdout != "" || stderr != "wsbench: "+want+"\n" {
			t.Errorf("%s: status %d, wrote %q and %q, want %q", line, status, stdout, stderr, want)
		}
	}
}

func TestCompareHelp(t *testing.T) {
	status, stdout, stderr := wsbench(t.Context(), "compare", "-h")
	if status != exitOK || stderr != "" || !strings.HasPrefix(stdout, "wsbench compare [flags] [URL...]\n") {
		t.Errorf("status %d, wrote %q and %q", status, stdout, stderr)
	}
	for _, flag := range []string{"-peers names", "-quick", "-json file"} {
		if !strings.Contains(stdout, "\n  "+flag+"\n") {
			t.Errorf("help lacks %s", flag)
		}
	}
	for _, p := range peers {
		if !strings.Contains(stdout, p.name) {
			t.Errorf("help of -peers lacks %s", p.name)
		}
	}
}

func TestChoosePeers(t *testing.T) {
	for value, want := range map[string]string{
		"":                "nethttp gorilla coder gws gobwas",
		"gws":             "gws",
		"gobwas,nethttp":  "nethttp gobwas",
		"coder,coder,gws": "coder gws",
	} {
		chosen, err := choosePeers(value)
		var names []string
		for _, p := range chosen {
			names = append(names, p.name)
		}
		if got := strings.Join(names, " "); got != want || err != nil {
			t.Errorf("%q: got %s, %v, want %s", value, got, err, want)
		}
	}
}

func TestEveryPeerHasASource(t *testing.T) {
	source, err := findPeers()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range peers {
		if _, err := os.Stat(filepath.Join(source, p.name, "main.go")); err != nil {
			t.Error(err)
		}
	}
}

func TestLibraryTitle(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got := libraryTitle(exe, "golang.org/x/net"); !strings.HasPrefix(got, "golang.org/x/net 0.") {
		t.Errorf("got %q, want a version", got)
	}
	for _, program := range []string{exe, filepath.Join(t.TempDir(), "none")} {
		if got := libraryTitle(program, "github.com/some/library"); got != "some/library" {
			t.Errorf("no version to be known: got %q", got)
		}
	}
}

func TestPeersThatCannotBeBuilt(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	fails := func(why string, wants ...string) {
		t.Helper()
		status, stdout, stderr := wsbench(t.Context(), "compare", "-peers", "gws")
		for _, want := range wants {
			if status != exitFailure || stdout != "" || !strings.Contains(stderr, want) {
				t.Errorf("%s: status %d, wrote %q and %q, want %q", why, status, stdout, stderr, want)
			}
		}
	}
	fails("elsewhere", "there is no bench/peers here or above: run compare in a checkout of h2ws")

	write := func(name, content string) {
		name = filepath.Join(dir, "bench", "peers", name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module peers\n\ngo 1.26\n")
	write("gws/main.go", "package main\n\nfunc main() { no() }\n")
	fails("does not compile", "building the peers in "+filepath.Join(dir, "bench", "peers"), "module proxy", "undefined: no")

	t.Setenv("PATH", dir)
	fails("no go command", "the go command, which is not in PATH")
}
