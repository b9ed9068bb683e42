package interop

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"h2ws/ws"
)

// A record is what a server saw of its sockets, and what it logged.
type record struct {
	mu      sync.Mutex
	sockets []*socket
	log     bytes.Buffer
}

// socket is one opening handshake and the socket it became.
type socket struct {
	path, authority, origin string
	protocol                string // that TLS negotiated, empty without
	offered                 []string
	remote                  netip.AddrPort

	opened   bool
	first    string // message
	messages int
	end      *ws.CloseError // nil: open, or never opened
}

// Write is for the Logger.
func (r *record) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(line)
}

func (r *record) add(q *ws.Request) *socket {
	k := &socket{
		path: strings.Clone(q.Path), authority: strings.Clone(q.Authority), origin: strings.Clone(q.Origin()),
		remote: q.RemoteAddr,
	}
	if q.TLS != nil {
		k.protocol = q.TLS.NegotiatedProtocol
	}
	for _, offered := range q.Subprotocols() {
		k.offered = append(k.offered, strings.Clone(offered))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sockets = append(r.sockets, k)
	return k
}

func (r *record) opened(k *socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k.opened = true
}

func (r *record) received(k *socket, m ws.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k.messages == 0 {
		k.first = fmt.Sprintf("%.100s", m.Data)
	}
	k.messages++
}

func (r *record) closed(k *socket, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !errors.As(err, &k.end) {
		panic(fmt.Sprintf("OnClose with %T", err))
	}
}

// seen returns a copy of what is known of the sockets of a path.
func (r *record) seen(path string) (list []socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.sockets {
		if k.path == path {
			list = append(list, *k)
		}
	}
	return list
}

// one returns what is known of the only socket of a path.
func (r *record) one(t *testing.T, path string) socket {
	t.Helper()
	list := r.seen(path)
	if len(list) != 1 {
		t.Fatalf("the server had %d opening handshakes for %s, want 1", len(list), path)
	}
	return list[0]
}

// wantOpened waits until so many sockets have been opened, and wants all over a protocol.
func (r *record) wantOpened(t *testing.T, n int, protocol string) {
	t.Helper()
	var opened []string
	until(t, fmt.Sprintf("the server has opened %d sockets", n), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		opened = nil
		for _, k := range r.sockets {
			if k.opened {
				opened = append(opened, k.protocol)
			}
		}
		return len(opened) == n
	})
	if slices.ContainsFunc(opened, func(p string) bool { return p != protocol }) {
		t.Errorf("the server opened sockets over %q, want %s", opened, protocol)
	}
}

// wantClosed waits until all n sockets of a path have ended, and wants all to have ended like this.
func (r *record) wantClosed(t *testing.T, path string, n int, want ws.CloseError) {
	t.Helper()
	until(t, fmt.Sprintf("the server sees %d sockets of %s closed", n, path), func() bool {
		list := r.seen(path)
		return len(list) == n && !slices.ContainsFunc(list, func(k socket) bool { return k.end == nil })
	})
	for _, k := range r.seen(path) {
		if *k.end != want {
			t.Fatalf("the server saw the end of %s as %v, want %v", path, k.end, &want)
		}
	}
}

// String is all of it, for a test that failed. Like sockets in a row are one line.
func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text, count := "", 0
	for i, k := range r.sockets {
		line := k.String()
		if count++; i+1 < len(r.sockets) && r.sockets[i+1].String() == line {
			continue
		}
		text += fmt.Sprintf("%d x %s\n", count, line)
		count = 0
	}
	return text + r.log.String()
}

func (k *socket) String() string {
	return fmt.Sprintf("%s of %s from %q over %q, %q: opened %v, %d messages, closed %v",
		k.path, k.authority, k.origin, k.protocol, k.offered, k.opened, k.messages, k.end)
}
