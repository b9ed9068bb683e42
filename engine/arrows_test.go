package engine_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	xHPACK = "golang.org/x/net/http2/hpack"
	xHDR   = "github.com/HdrHistogram/hdrhistogram-go"
	xGuts  = "golang.org/x/net/http/httpguts"
	xUnix  = "golang.org/x/sys/unix"
)

// arrows has, for each package of the module, everything outside of the standard library that it may import.
//
//	bench/cmd/wsbench -> bench -> engine -> ws <- ws/wsconn
//	                          |----> hpack -> golang.org/x/net/http2/hpack
//	                          |----> flow                       flow, ws and engine/frame import nothing of ours
//	                          |----> engine/frame
//	                          '----> golang.org/x/sys/unix
var arrows = map[string][]string{
	"flow":         {},
	"ws":           {},
	"ws/wsconn":    {"h2ws/ws"},
	"engine/frame": {},
	"hpack":        {xHPACK},
	"engine":       {"h2ws/ws", "h2ws/hpack", "h2ws/flow", "h2ws/engine/frame", xUnix},
	"bench":        {"h2ws/bench/raw", "h2ws/engine", xHDR, "h2ws/engine/frame", "h2ws/ws", "h2ws/hpack", xHPACK, xGuts, xUnix},
	"cmd/wsbench":  {}, // builds and becomes:

	"bench/faulty":  {}, // a network
	"bench/raw":     {"h2ws/engine/frame", "h2ws/ws", xHPACK},
	"bench/served":  {"h2ws/engine", "h2ws/engine/frame", "h2ws/ws"},
	"bench/conform": {"h2ws/bench/raw", "h2ws/engine/frame", "h2ws/ws", xHPACK},
	"bench/attack":  {"h2ws/bench", "h2ws/bench/raw", "h2ws/engine/frame", "h2ws/ws", xHPACK},
	"bench/soak":    {"h2ws/bench", "h2ws/bench/attack", "h2ws/bench/raw"},
	"bench/cmd/wsbench": {
		"h2ws/bench", "h2ws/bench/attack", "h2ws/bench/conform", "h2ws/bench/raw", "h2ws/bench/soak", xHDR, "github.com/charmbracelet/bubbletea", "github.com/charmbracelet/lipgloss", xUnix,
	},
}

// testArrows has what tests may import besides. A package's own external tests import it.
var testArrows = map[string][]string{
	"engine":        {xHPACK, "h2ws/ws/wsconn"},
	"ws/wsconn":     {"h2ws/engine"},
	"bench":         {"h2ws/bench/served"},
	"bench/attack":  {"h2ws/bench/served"},
	"bench/conform": {"h2ws/bench/served"},
	"bench/soak":    {"h2ws/engine", "h2ws/ws"},

	"bench/cmd/wsbench": {"h2ws/engine/frame", "h2ws/ws"},
	"bench/faulty":      {"h2ws/bench", "h2ws/bench/raw", "h2ws/engine", "h2ws/engine/frame", "h2ws/ws"},
}

// withIO has the files that may use clocks, goroutines, locks and sockets. Everything else
// in core must do without: bytes and the time come in as arguments.
var (
	core   = []string{"flow", "hpack", "ws", "engine/frame", "engine"}
	withIO = []string{
		"engine/server.go",       // the public calls, from any goroutine
		"engine/accept.go",       // listeners
		"engine/admission.go",    // how many of them there may be
		"engine/http1.go",        // net/http on connections that speak HTTP/1.1
		"engine/guest.go",        // one of them
		"engine/upgrade.go",      // its way to a loop
		"engine/tls.go",          // handshakes, in goroutines
		"engine/tlswire.go",      // the tls.Conn on its way from there to a loop
		"engine/tls_linux.go",    // and on it
		"engine/loop_linux.go",   // the one goroutine, its clock and its sockets
		"engine/input_linux.go",  // what it reads
		"engine/output_linux.go", // what it writes
		"engine/poll_linux.go",   // epoll
		"engine/sock_linux.go",   // read, write
		"engine/system_linux.go", // and what else may fail of the kernel's
		"engine/mailbox.go",      // the lock between them
		"engine/watchdog.go",     // looks at the loop from outside
		"engine/topic.go",        // what publishers and loops share
		"ws/pending.go",          // decisions from any goroutine, with a context

		"engine/service.go",        // handlers of plain requests, in goroutines
		"engine/exchange.go",       // the lock between them and the loop
		"engine/requestbody.go",    // what they read,
		"engine/responsewriter.go", // and write,
		"engine/httpheader.go",     // in terms of net/http
	}
)

// source is one file of the module.
type source struct {
	path, dir string // slash-separated, relative to the module
	test      bool
	set       *token.FileSet
	*ast.File
}

// sources parses the files of the module, and of the one in bench, for all systems, those with go:build
// ignore and testdata aside.
func sources(t *testing.T) (list []source) {
	t.Helper()
	root := ".."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); d.IsDir() && path != root && path != filepath.Join(root, "bench") && err == nil {
			return filepath.SkipDir // neither this module nor that of the tool
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		dir, name, _ := cutLast(relative, "/")
		list = append(list, source{relative, dir, strings.HasSuffix(name, "_test.go"), set, file})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 50 {
		t.Fatalf("only %d files: the walk does not see the module", len(list))
	}
	return list
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+len(sep):], true
}

func importPath(spec *ast.ImportSpec) string {
	path, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		panic(err) // the parser has accepted it
	}
	return path
}

// standard reports whether a package belongs to the standard library: no dot in the first element, and not ours.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".") && first != "h2ws"
}

func TestArrows(t *testing.T) {
	for _, file := range sources(t) {
		allowed, known := arrows[file.dir]
		if !known {
			t.Errorf("%s: package %q is not drawn in arrows", file.path, file.dir)
			continue
		}
		if file.test {
			allowed = slices.Concat(allowed, testArrows[file.dir], []string{"h2ws/" + file.dir})
		}
		for _, spec := range file.Imports {
			if path := importPath(spec); !standard(path) && !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", file.path, path)
			}
		}
	}
}

// What a package of the standard library is for, where the core must do without.
var ioImports = []string{"bufio", "context", "net/http", "os", "os/signal", "sync", "syscall", xUnix}

// The clock, as package time has it. Durations are fine.
var clockCalls = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// What package net has besides constants and errors, and crypto/tls besides connections.
var (
	netNames = []string{"ErrClosed"}
	tlsNames = []string{"ConnectionState"}
)

// Below the loop nobody calls the clock, starts a goroutine, takes a lock or enters the kernel.
func TestCoreDoesNoIO(t *testing.T) {
	for _, file := range sources(t) {
		if file.test || !slices.Contains(core, file.dir) || slices.Contains(withIO, file.path) {
			continue
		}
		if file.path == "engine/serve_other.go" {
			continue // stands in for loop_linux.go where there is no epoll
		}
		complain := func(n ast.Node, what string) {
			t.Errorf("%s: %s below the loop", file.set.Position(n.Pos()), what)
		}
		for _, spec := range file.Imports {
			if slices.Contains(ioImports, importPath(spec)) {
				complain(spec, "import of "+importPath(spec))
			}
		}
		ast.Inspect(file.File, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				complain(n, "go statement")
			case *ast.SelectorExpr:
				if what := ioSelector(n); what != "" {
					complain(n, what)
				}
			}
			return true
		})
	}
}

// ioSelector names what is wrong with x.y in the core, or returns "".
func ioSelector(n *ast.SelectorExpr) string {
	name := n.Sel.Name
	if name == "Lock" || name == "RLock" || name == "TryLock" {
		return "lock"
	}
	pkg, ok := n.X.(*ast.Ident)
	switch {
	case !ok:
	case pkg.Name == "time" && slices.Contains(clockCalls, name):
		return "time." + name
	case pkg.Name == "net" && !slices.Contains(netNames, name):
		return "net." + name
	case pkg.Name == "tls" && !slices.Contains(tlsNames, name):
		return "tls." + name
	}
	return ""
}

// A list of files that do not exist guards nothing.
func TestListedFilesExist(t *testing.T) {
	var paths []string
	for _, file := range sources(t) {
		paths = append(paths, file.path)
	}
	for _, path := range withIO {
		if !slices.Contains(paths, path) {
			t.Errorf("withIO lists %s, which does not exist", path)
		}
	}
	for dir := range arrows {
		if !slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(p, dir+"/") }) {
			t.Errorf("arrows has package %s, which does not exist", dir)
		}
	}
}

// linesMax is more than a file of one idea needs.
const linesMax = 450

// Names for files that are about no idea in particular.
var vagueNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "mock", "mocks", "options"}

func TestFilesAreOneIdea(t *testing.T) {
	for _, file := range sources(t) {
		if lines := file.set.File(file.Pos()).LineCount(); lines > linesMax && !file.test {
			t.Errorf("%s has %d lines, more than %d", file.path, lines, linesMax)
		}
		_, name, _ := cutLast(file.path, "/")
		for part := range strings.SplitSeq(strings.TrimSuffix(name, ".go"), "_") {
			if slices.Contains(vagueNames, part) {
				t.Errorf("%s is named after no idea", file.path)
			}
		}
	}
}

// Tests wait for what they wait for: time.Sleep is not in them.
func TestTestsDoNotSleep(t *testing.T) {
	for _, file := range sources(t) {
		if !file.test {
			continue
		}
		ast.Inspect(file.File, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, _ := s.X.(*ast.Ident)
			switch {
			case pkg != nil && pkg.Name == "time" && s.Sel.Name == "Sleep":
				t.Errorf("%s: a test sleeps", file.set.Position(n.Pos()))
			case pkg != nil && pkg.Name == "t" && (s.Sel.Name == "Skip" || s.Sel.Name == "Skipf" || s.Sel.Name == "SkipNow"):
				t.Errorf("%s: a test is skipped", file.set.Position(n.Pos()))
			}
			return true
		})
	}
}
