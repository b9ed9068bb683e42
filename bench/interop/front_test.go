package interop

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
)

// A front is a server as a browser meets it: a page and WebSockets, on an origin of its own.
type front struct {
	*server
	tap    *tap
	origin string

	mu       sync.Mutex
	requests []string // that were no WebSocket: protocol, method and path
}

// newFront serves until the test ends, in cleartext if there is no certificate.
func newFront(t *testing.T, certificate *tls.Certificate) *front {
	t.Helper()
	f := &front{server: newServer(t)}
	f.server.HTTP = f.pages()
	f.tap = f.server.tapped(t, certificate)
	f.origin = "https://localhost:" + f.tap.port()
	if certificate == nil {
		f.origin = "http://localhost:" + f.tap.port()
	}
	return f
}

// replace has another server take over the origin.
func (f *front) replace(t *testing.T) *front {
	t.Helper()
	next := &front{server: newServer(t), tap: f.tap, origin: f.origin}
	next.server.HTTP = next.pages()
	next.server.TLSConfig = f.server.TLSConfig.Clone()
	f.tap.redirect(next.server.listen(t))
	return next
}

const (
	largeSize = 8 << 20   // octets of /large
	postSize  = 100 << 10 // octets that a test posts to /count
)

// pages serves the page, and what tests ask for.
func (f *front) pages() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir("testdata/page")))
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		io.Copy(w, io.LimitReader(rand.Reader, largeSize))
	})
	mux.HandleFunc("/count", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		fmt.Fprint(w, n)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.requests = append(f.requests, r.Proto+" "+r.Method+" "+r.URL.Path)
		f.mu.Unlock()
		mux.ServeHTTP(w, r)
	})
}

func (f *front) requested(line string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.requests, line)
}
