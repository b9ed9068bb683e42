package engine

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"h2ws/engine/frame"
	"h2ws/hpack"
)

// plainRequests are the requests of a connection that are no WebSocket and not yet answered.
type plainRequests struct {
	byID    map[uint32]*plainRequest
	by      time.Duration // none of them has an earlier deadline
	serving atomic.Int32  // of Limits.RequestsConn; see exchange.slots

	fieldsMax int // of a response: Limits.ResponseBuffer, or the peer's MAX_HEADER_LIST_SIZE if that is less
}

// plainRequest is a request that is no WebSocket.
type plainRequest struct {
	length int64 // content-length, or -1
	got    int64
	head   bool          // no body in the answer
	x      *exchange     // nil: it is not served, the body is dropped as it comes in
	by     time.Duration // for the end of the response
	begun  bool          // the response's fields have been taken from x

	aborted bool // all of it has been, and it is not complete
}

func (c *conn) plains() *plainRequests {
	if c.plain == nil {
		c.plain = &plainRequests{
			byID:      make(map[uint32]*plainRequest),
			by:        never,
			fieldsMax: c.core.limits.ResponseBuffer,
		}
	}
	return c.plain
}

// setPeerFields is a new MAX_HEADER_LIST_SIZE of the peer. It matters only to those who are asked for more.
func (c *conn) setPeerFields(size uint32) {
	if bound := int64(c.core.limits.ResponseBuffer); c.core.http != nil && (c.plain != nil || int64(size) < bound) {
		c.plains().fieldsMax = int(min(int64(size), bound))
	}
}

// find returns the request of a stream, or nil.
func (p *plainRequests) find(id uint32) *plainRequest {
	if p == nil {
		return nil
	}
	return p.byID[id]
}

// drop forgets a stream's request, if there is one: it is answered, or its stream gone, for the reason err.
func (p *plainRequests) drop(id uint32, err error) {
	r := p.find(id)
	if r == nil {
		return
	}
	delete(p.byID, id)
	if r.x != nil {
		r.x.lose(err)
	}
}

// recvPlain takes a plain request. Server.HTTP has it at once. Without, it is answered when it is complete, so that
// one that contradicts itself gets its error instead (RFC 9113 §8.1.1).
func (c *conn) recvPlain(id uint32, end bool, q *hpack.Request) error {
	r := &plainRequest{length: q.ContentLength, head: q.Method == "HEAD", by: never}
	if end {
		if err := r.complete(id); err != nil {
			return err
		}
	}
	c.core.stats.RequestsPlain++
	s := c.newStream(id, streamRequest, end)
	c.plains().byID[id] = r
	switch {
	case c.core.http != nil:
		c.serve(s, r, q)
	case end:
		c.respondPlain(s)
	default:
		c.startClosing(s)
	}
	return nil
}

// recvBody takes octets of the body. A request with more than is worth waiting for is answered now.
func (c *conn) recvBody(s *stream, p []byte) error {
	r := c.plain.find(s.id)
	r.got += int64(len(p))
	if r.length >= 0 && r.got > r.length {
		return r.complete(s.id)
	}
	switch {
	case r.x != nil:
		r.x.recv(p)
	case r.got > c.core.limits.RequestBody:
		c.respondPlain(s)
	}
	return nil
}

// complete checks a body that has ended, or grown too long, against its content-length.
func (r *plainRequest) complete(id uint32) error {
	if r.length >= 0 && r.got != r.length {
		return streamError(id, frame.ProtocolError, "the body is not of its content-length (RFC 9113 §8.1.1)")
	}
	return nil
}

// respondPlain answers a request for which there is no handler.
func (c *conn) respondPlain(s *stream) {
	c.refusePlain(s, 404, nil, "this server speaks WebSocket (RFC 8441)")
}

// refusePlain answers a request with an error. As with all plain requests, the peer has a while to end its side: see
// answered.
func (c *conn) refusePlain(s *stream, status int, fields []hpack.Field, text string) {
	if !c.plain.find(s.id).head {
		c.respond(s, status, fields, text)
		s.reset = false
		return
	}
	s.kind = streamResponse
	c.plain.drop(s.id, errAnswered)
	s.end = true
	c.sayHeaders(s.id, status, fields)
	s.schedule()
	c.startClosing(s)
}

// note has expire called at a request's deadline.
func (p *plainRequests) note(r *plainRequest) { p.by = min(p.by, r.by) }

func (p *plainRequests) deadline() time.Duration {
	if p == nil {
		return never
	}
	return p.by
}

// expire ends the requests whose time is over. Those with a deadline are no more than Limits.RequestsConn.
func (p *plainRequests) expire(c *conn) {
	if p.deadline() > c.core.now || c.state >= connLeaving {
		return
	}
	p.by = never
	for _, id := range slices.Sorted(maps.Keys(p.byID)) {
		r := p.find(id)
		if r != nil && r.by <= c.core.now {
			c.expireRequest(c.streams.find(id), r)
		} else if r != nil {
			p.note(r)
		}
	}
}
