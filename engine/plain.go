package engine

import (
	"h2ws/engine/frame"
	"h2ws/hpack"
)

// plainRequests are the requests of a connection that are no WebSocket and not yet answered.
type plainRequests struct {
	byID map[uint32]*plainRequest
}

// plainRequest is a request that is no WebSocket, while its body comes in and is dropped.
type plainRequest struct {
	length int64 // content-length, or -1
	got    int64
	head   bool // no body in the answer
}

func (c *conn) plains() *plainRequests {
	if c.plain == nil {
		c.plain = &plainRequests{byID: make(map[uint32]*plainRequest)}
	}
	return c.plain
}

// find returns the request of a stream, or nil.
func (p *plainRequests) find(id uint32) *plainRequest {
	if p == nil {
		return nil
	}
	return p.byID[id]
}

// drop forgets a stream's request, if there is one: it is answered, or its stream gone.
func (p *plainRequests) drop(id uint32) {
	if p.find(id) != nil {
		delete(p.byID, id)
	}
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
	c.plains().byID[id] = &request
	if end {
		c.respondPlain(s)
	} else {
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
	c.refusePlain(s, 404, nil, "this server speaks WebSocket (RFC 8441)")
}

// refusePlain answers a request with an error.
func (c *conn) refusePlain(s *stream, status int, fields []hpack.Field, text string) {
	if !c.plain.find(s.id).head {
		c.respond(s, status, fields, text)
		return
	}
	s.kind = streamResponse
	c.plain.drop(s.id)
	s.end, s.reset = true, true
	c.sendHeaders(s.id, status, fields)
	s.schedule()
	c.startClosing(s)
}
