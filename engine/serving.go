package engine

import (
	"errors"

	"h2ws/engine/frame"
	"h2ws/hpack"
)

var (
	errExpired = errors.New("the request was not answered in time")
	errAborted = errors.New("the handler gave up")

	errReturned = errors.New("engine: the handler has returned")
)

// serve has Server.HTTP answer a request, if there is room for one more. Who is refused is told by 503, not by
// REFUSED_STREAM: that is for streams above the limit which the peer knows, clients repeat such a request at once, when
// there is least room for it, and some proxies end the client's connection on account of it.
func (c *conn) serve(s *stream, r *plainRequest, q *hpack.Request) {
	k := c.core
	switch {
	case r.length > k.limits.RequestSize:
		k.stats.RequestsRefused++
		c.refusePlain(s, 413, nil, "request body too large")
		return
	case int(c.plain.serving.Load()) >= k.limits.RequestsConn || !k.http.admit():
		k.stats.RequestsRefused++
		c.refusePlain(s, 503, []hpack.Field{{Name: "retry-after", Value: "1"}}, "too many requests at a time")
		return
	}
	k.stats.RequestsServed++
	s.kind = streamServed
	r.by = after(k.now, k.limits.RequestTimeout)
	c.plain.note(r)
	r.x = k.http.newExchange(s, q)
	k.http.start(r.x)
}

// attend looks at what the handler of a request has for the loop.
func (c *conn) attend(s *stream) {
	r := c.plain.find(s.id)
	if r == nil || c.state >= connLeaving {
		return
	}
	w := r.x.look()
	if w.deadline {
		r.by = after(c.core.now, w.timeout)
		c.plain.note(r)
		c.touch() // the loop looks at deadlines behind that
	}
	if w.credit {
		c.sendCredit(s, s.recvWindow.Raise(c.bodyWindow(s)))
	}
	if s.queue.empty() && !s.end {
		c.takeOutput(s, r)
		if s.end || !s.queue.empty() {
			s.schedule()
		} else {
			c.servedRests(s)
		}
	}
}

// servedRests is called when the handler has given nothing more to send.
func (c *conn) servedRests(s *stream) {
	if c.plain.find(s.id).aborted {
		c.resetStream(s.id, frame.InternalError, errAborted)
	}
}

// bodyWindow is how large the receive window of a served stream may be: what its handler has not read is withheld.
func (c *conn) bodyWindow(s *stream) int32 {
	return c.plain.find(s.id).x.window(c.core.limits.StreamWindow)
}

// takeOutput moves what comes next of a response to its stream's queue, which is empty. It is little, so that what
// waits is where it can be added to.
func (c *conn) takeOutput(s *stream, r *plainRequest) {
	o, end := r.x.take()
	if len(o.b) > 0 {
		g := c.core.segments.get()
		g.b, g.size, g.kind, g.owner = o.b, uint32(len(o.b)), o.kind, bytesOwned
		s.queue.push(g)
		c.backlog += len(o.b)
		c.core.keep(len(o.b))
	}
	r.begun = r.begun || o.final
	switch end {
	case exchangeDone:
		s.end = true
	case exchangeAborted:
		r.aborted = true
	}
}

// sentOutput is called when n octets that were taken are framed.
func (c *conn) sentOutput(s *stream, n int) {
	r := c.plain.find(s.id)
	r.x.sent(n)
	if s.queue.empty() && !s.end {
		c.takeOutput(s, r)
	}
}

// answered is called when a response is sent with END_STREAM. A peer that is not through with its request has a while
// to end it: some clients take RST_STREAM that comes together with the response for a failure, against RFC 9113 §8.1.
func (c *conn) answered(s *stream) {
	c.plain.drop(s.id, errAnswered)
	s.kind = streamResponse
	if s.state == stateOpen {
		c.startClosing(s)
	}
}

// sendFields frames a field block: HEADERS, and CONTINUATION as often as it takes, with nothing between them
// (RFC 9113 §6.10).
func (c *conn) sendFields(g *gather, s *stream) {
	seg := s.queue.pop()
	block := seg.b
	if c.tableless {
		block = append(c.beginBlock(nil), block...)
	}
	c.sentSegment(s, seg)
	done := s.queue.empty()
	appendFrame, flags := frame.AppendHeaders, frame.Flags(0)
	if done && s.end {
		flags = frame.FlagEndStream
	}
	for more := true; more; {
		n := min(len(block), frame.MaxPayloadMin)
		if more = n < len(block); !more {
			flags |= frame.FlagEndHeaders
		}
		g.buf = appendFrame(g.buf, s.id, flags, block[:n])
		g.size += frame.HeaderLen + n
		block = block[n:]
		appendFrame, flags = frame.AppendContinuation, 0
	}
	c.sentSome(s, done)
}

// expireRequest ends a request whose time is over.
func (c *conn) expireRequest(s *stream, r *plainRequest) {
	c.core.stats.RequestsExpired++
	if r.begun {
		c.resetStream(s.id, frame.Cancel, errExpired)
		return
	}
	r.x.lose(errExpired)
	s.discard(false) // 1xx
	c.refusePlain(s, 503, nil, "the request took too long")
}
