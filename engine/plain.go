package engine

import (
	"h2ws/engine/frame"
	"h2ws/hpack"
)

// plainRequest is a request that is no WebSocket, while its body comes in and is dropped.
type plainRequest struct {
	length int64 // content-length, or -1
	got    int64
	head   bool // no body in the answer
}

// recvPlain takes a plain request. It is answered when it is complete, so that one
// that contradicts itself gets its error instead (RFC 9113 §8.1.1).
func (c *conn) recvPlain(id uint32, end bool, r *hpack.Request) error {
	request := plainRequest{length: r.ContentLength, head: r.Method == "HEAD"}
	if end {
		if err := request.complete(id); err != nil {
			return err
		}
	}
	s := c.newStream(id, streamRequest, end)
	if c.requests == nil {
		c.requests = make(map[uint32]*plainRequest)
	}
	c.requests[id] = &request
	if end {
		c.respondPlain(s)
	} else {
		c.startClosing(s)
	}
	return nil
}

// recvBody counts n octets of the body. A request with more than is worth waiting for is answered now.
func (c *conn) recvBody(s *stream, n int) error {
	r := c.requests[s.id]
	r.got += int64(n)
	if r.length >= 0 && r.got > r.length {
		return r.complete(s.id)
	}
	if r.got > c.core.limits.RequestBody {
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
	c.core.stats.RequestsPlain++
	if !c.requests[s.id].head {
		c.respond(s, 404, nil, "this server speaks WebSocket (RFC 8441)")
		return
	}
	s.kind = streamResponse
	delete(c.requests, s.id)
	s.end, s.reset = true, true
	c.sendHeaders(s.id, 404, nil)
	s.schedule()
	c.startClosing(s)
}
