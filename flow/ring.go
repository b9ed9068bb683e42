package flow

// Slot is one place in a Ring. It is the FIRST field of its owner, which gets
// from the slot back to itself by converting the pointer:
//
//	s := (*stream)(unsafe.Pointer(ring.Pop()))
//
// A Slot is in at most one Ring, and costs its owner two words and no object.
// The zero value is in none. A linked Slot must not be copied.
type Slot struct {
	next, prev *Slot // both nil, or both set
}

// Linked says whether the slot is in a ring.
func (s *Slot) Linked() bool { return s.next != nil }

// Ring is the queue of those whose turn it is: they enter at the back, leave
// at the front, and may leave from anywhere. Only who has something to do is
// in it, so that a turn costs the same however many others exist. Everything
// is O(1). The zero value is an empty ring.
//
// The slots form a circle: front.prev is the back.
type Ring struct {
	front *Slot // nil: empty
	count int
}

// Len returns how many slots are in the ring.
func (r *Ring) Len() int { return r.count }

// Front returns the slot whose turn is next, nil if the ring is empty. The
// slot stays in the ring.
func (r *Ring) Front() *Slot { return r.front }

// Push puts a slot that is in no ring at the back.
func (r *Ring) Push(s *Slot) {
	if s.Linked() {
		panic("BUG: flow: slot is in a ring already")
	}
	r.count++
	if r.front == nil {
		s.next, s.prev = s, s
		r.front = s
		return
	}
	back := r.front.prev
	s.next, s.prev = r.front, back
	back.next, r.front.prev = s, s
}

// Pop removes and returns the front, nil if the ring is empty.
func (r *Ring) Pop() *Slot {
	s := r.front
	if s != nil {
		r.Remove(s)
	}
	return s
}

// Remove takes a slot out of the ring, wherever in it it is. That the slot is
// in this ring and not in another is the caller's to know.
func (r *Ring) Remove(s *Slot) {
	if !s.Linked() || r.front == nil {
		panic("BUG: flow: slot is not in the ring")
	}
	switch {
	case s.next == s:
		r.front = nil
	case s == r.front:
		r.front = s.next
	}
	s.prev.next, s.next.prev = s.next, s.prev
	s.next, s.prev = nil, nil
	r.count--
}
