package bench

import (
	"sync"

	"h2ws/ws"
)

// registry is every open socket of a Reference. A socket keeps its place while it is open, so that
// somebody who walks over the places meets each open socket once, whatever opens and closes meanwhile.
// It costs 8 octets a socket.
type registry struct {
	mu     sync.Mutex
	chunks []*[chunkPlaces]place // never moved: sockets point into them
	used   int                   // places handed out at least once, in the order of the chunks
	free   []*place              // of them, given back
}

// place is where a socket is registered; nil: a socket that closed.
type place struct{ c *ws.Conn }

const chunkPlaces = 4096

func (r *registry) add(c *ws.Conn) *place {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.take()
	p.c = c
	return p
}

func (r *registry) take() (p *place) {
	if n := len(r.free); n > 0 {
		p, r.free = r.free[n-1], r.free[:n-1]
		return p
	}
	if r.used == len(r.chunks)*chunkPlaces {
		r.chunks = append(r.chunks, new([chunkPlaces]place))
	}
	p = &r.chunks[r.used/chunkPlaces][r.used%chunkPlaces]
	r.used++
	return p
}

func (r *registry) remove(p *place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.c = nil
	r.free = append(r.free, p)
}

// open counts the open sockets.
func (r *registry) open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.used - len(r.free)
}

// walk puts the open sockets from place number at on into dst until it is full, and returns them and
// the place to go on from. It returns none at the end.
func (r *registry) walk(dst []*ws.Conn, at int) (conns []*ws.Conn, next int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	conns = dst[:0]
	for ; at < r.used && len(conns) < len(dst); at++ {
		if c := r.chunks[at/chunkPlaces][at%chunkPlaces].c; c != nil {
			conns = append(conns, c)
		}
	}
	return conns, at
}
