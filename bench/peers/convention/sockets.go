package convention

import "sync"

// Sockets are the open sockets of a peer. A socket is there before the first message of its client is
// read, so that a client which had a reply on each of its sockets is published to on each.
type Sockets[S comparable] struct {
	mu  sync.RWMutex
	all map[S]struct{}
}

// Add adds a socket.
func (s *Sockets[S]) Add(socket S) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[S]struct{}{}
	}
	s.all[socket] = struct{}{}
}

// Remove removes a socket.
func (s *Sockets[S]) Remove(socket S) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, socket)
}

// Each calls send with each socket. None is added or removed meanwhile.
func (s *Sockets[S]) Each(send func(S)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for socket := range s.all {
		send(socket)
	}
}
