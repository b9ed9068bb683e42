package engine

import "h2ws/engine/frame"

// recvPhase says what the next octet belongs to.
type recvPhase uint8

const (
	recvPreface recvPhase = iota
	recvHeader
	recvPayload // of a frame that is handled when it is whole
	recvData    // of a DATA frame, handled as it comes
	recvSkip    // of a frame that is ignored
	recvSniff   // nobody knows
	recvForeign // not of HTTP/2
	recvEarly   // what must not come: a raw connection is not accepted yet
	recvRaw     // the WebSocket of a raw connection
	recvNothing // what a raw connection does not want any more
)

// dataFrame is the DATA frame being received.
//
// 0 <= octets + padding <= what is left of the frame.
type dataFrame struct {
	s       *stream // nil: nobody wants it
	octets  int     // payload still to come
	padding int     // padding still to come, behind it
	padded  bool    // the Pad Length octet is still to come
	end     bool    // END_STREAM
}

// recv takes octets from the peer, at least one. It returns those that it is to be called with again once all that waits
// has been offered to the sockets: see stream.brims. p is borrowed and may be overwritten.
func (c *conn) recv(p []byte) (rest []byte) {
	c.lastRecv = c.core.now
	c.pingBy = never
	c.core.brims = false
	c.core.stats.OctetsReceived += uint64(len(p))
	warm := 0
	for len(p) > 0 && c.state < connLeaving {
		if c.core.brims {
			c.core.stats.OctetsReceived -= uint64(len(p))
			return p
		}
		if warm <= 0 && c.recvPhase == recvHeader && c.streams.len() > warmStreams {
			warm = c.warm(p)
		}
		n, err := c.recvSome(p)
		if err != nil {
			c.fail(err)
		}
		p, warm = p[n:], warm-n
	}
	return nil
}

// recvSome consumes at least one octet of p, at most one frame.
func (c *conn) recvSome(p []byte) (n int, err error) {
	switch c.recvPhase {
	case recvPreface:
		return c.recvPreface(p)
	case recvHeader:
		return c.recvHeader(p)
	case recvPayload:
		return c.recvPayload(p)
	case recvData:
		return c.recvData(p)
	case recvSkip:
		return c.recvSkip(p)
	case recvSniff:
		return c.recvSniff(p), nil
	case recvForeign:
		c.recvForeign(p)
		return len(p), nil
	}
	return c.recvRaw(p), nil
}

func (c *conn) recvPreface(p []byte) (int, error) {
	n := min(len(p), len(frame.Preface)-len(c.held))
	if string(p[:n]) != frame.Preface[len(c.held):len(c.held)+n] {
		return n, connError(frame.ProtocolError, "not an HTTP/2 connection preface (RFC 9113 §3.4)")
	}
	c.held = append(c.held, p[:n]...)
	if len(c.held) == len(frame.Preface) {
		c.held = nil
		c.recvPhase = recvHeader
	}
	return n, nil
}

// recvHeader consumes a frame header, and the whole frame if p holds it.
func (c *conn) recvHeader(p []byte) (n int, err error) {
	head := p
	if len(c.held) > 0 || len(p) < frame.HeaderLen {
		n = min(len(p), frame.HeaderLen-len(c.held))
		c.held = append(c.held, p[:n]...)
		if len(c.held) < frame.HeaderLen {
			return n, nil
		}
		head = c.held
	}
	h, _ := frame.ConsumeHeader(head)
	if n == 0 {
		n = frame.HeaderLen
	}
	c.held = c.held[:0]
	c.core.stats.FramesReceived++
	if err := c.checkHeader(h); err != nil {
		return n, c.recvRejected(h, err)
	}
	c.header = h
	if h.Type == frame.Data {
		return n, c.recvDataHeader(h)
	}
	if err := c.chargeFrame(h); err != nil {
		return n, err
	}
	if h.Type > frame.Continuation || h.Type == frame.Priority {
		c.skip(int(h.Length)) // unknown types (RFC 9113 §5.5), and priorities, which we don't use (§5.3.2)
		return n, nil
	}
	c.recvPhase = recvPayload
	if len(p)-n >= int(h.Length) {
		m, err := c.recvSome(p[n:])
		return n + m, err
	}
	return n, nil
}

// checkHeader judges a frame by its header alone, before a payload octet is read. What it may be here comes first: a
// frame that must not come at all is a connection error, even if its length would be a stream error.
func (c *conn) checkHeader(h frame.Header) error {
	if c.state == connOpening && (h.Type != frame.Settings || h.Flags.Has(frame.FlagAck)) {
		return connError(frame.ProtocolError, "the first frame is not SETTINGS (RFC 9113 §3.4)")
	}
	if c.block != nil && (h.Type != frame.Continuation || h.StreamID != c.block.id) {
		return connError(frame.ProtocolError, "a field block is interrupted (RFC 9113 §6.10)")
	}
	if c.block == nil && h.Type == frame.Continuation {
		return connError(frame.ProtocolError, "CONTINUATION without a field block (RFC 9113 §6.10)")
	}
	return frame.Check(h, frame.MaxPayloadMin)
}

// recvRejected goes on behind a frame whose header is a stream error. On an idle stream it is a connection
// error: "RST_STREAM frames MUST NOT be sent for a stream in the "idle" state" (RFC 9113 §6.4).
func (c *conn) recvRejected(h frame.Header, err error) error {
	c.skip(int(h.Length))
	if e := err.(*frame.Error); e.StreamID != 0 && c.idle(h.StreamID) {
		return connError(e.Code, e.Text)
	}
	return err
}

// idle reports whether the peer has not opened that stream (RFC 9113 §5.1). Behind our final GOAWAY it may have,
// and "the sender can discard frames for streams initiated by the receiver with identifiers higher than the
// identified last stream" (§6.8).
func (c *conn) idle(id uint32) bool {
	return id%2 == 0 || id > c.lastPeerID && c.drain != drainFinal
}

func (c *conn) skip(n int) {
	c.data = dataFrame{padding: n}
	c.recvPhase = recvSkip
	if n == 0 {
		c.recvPhase = recvHeader
	}
}

func (c *conn) recvSkip(p []byte) (int, error) {
	n := min(len(p), c.data.padding)
	c.skip(c.data.padding - n)
	return n, nil
}

// recvPayload collects the payload of a frame that must be whole, without a copy if p holds all of it.
func (c *conn) recvPayload(p []byte) (n int, err error) {
	need := int(c.header.Length)
	payload := p
	if n = need; len(c.held) > 0 || len(p) < need {
		n = min(len(p), need-len(c.held))
		c.held = append(c.held, p[:n]...)
		if len(c.held) < need {
			return n, nil
		}
		payload = c.held
	}
	c.recvPhase = recvHeader
	err = c.recvFrame(c.header, payload[:need])
	if c.held = c.held[:0]; cap(c.held) > heldKeep {
		c.held = nil
	}
	return n, err
}

// heldKeep is the largest buffer for cut frames that a connection keeps: idle ones must stay small.
const heldKeep = 64

// recvFrame reaches the one method that knows the type. Types without a case were skipped.
func (c *conn) recvFrame(h frame.Header, p []byte) error {
	switch h.Type {
	case frame.Headers:
		return c.recvHeaders(h, p)
	case frame.RSTStream:
		return c.recvRSTStream(h, p)
	case frame.Settings:
		return c.recvSettings(h, p)
	case frame.PushPromise:
		return connError(frame.ProtocolError, "a client must not push (RFC 9113 §8.4)")
	case frame.Ping:
		return c.recvPing(h, p)
	case frame.GoAway:
		return c.recvGoAway(p)
	case frame.WindowUpdate:
		return c.recvWindowUpdate(h, p)
	case frame.Continuation:
		return c.recvContinuation(h, p)
	}
	panic("BUG: no method for " + h.Type.String())
}

func (c *conn) recvRSTStream(h frame.Header, p []byte) error {
	if c.idle(h.StreamID) {
		return connError(frame.ProtocolError, "RST_STREAM on an idle stream (RFC 9113 §6.4)")
	}
	c.core.stats.ResetsReceived++
	s := c.streams.find(h.StreamID)
	if err := c.chargeReset(s); err != nil {
		return err
	}
	if s != nil {
		c.forget(s, recvReset, &resetError{frame.ParseRSTStream(p)})
	}
	return nil
}

func (c *conn) recvPing(h frame.Header, p []byte) error {
	data := frame.ParsePing(p)
	if err := c.charge(RulePing, 1); err != nil {
		return err
	}
	if !h.Flags.Has(frame.FlagAck) {
		c.control = frame.AppendPing(c.controls(), true, data)
		c.touch()
		return nil
	}
	if data == drainPing && c.drain == drainNotified {
		c.finishDrain()
	}
	return nil
}

// recvGoAway means that the peer opens no more streams; those that are open go on.
func (c *conn) recvGoAway(p []byte) error {
	_, code, debug := frame.ParseGoAway(p)
	if code != frame.NoError {
		c.core.log.Info("peer says GOAWAY", "remote", c.remote, "code", code, "debug", string(debug[:min(len(debug), 128)]))
	}
	c.peerLeaves()
	return nil
}

func (c *conn) recvWindowUpdate(h frame.Header, p []byte) error {
	if h.StreamID != 0 && c.idle(h.StreamID) {
		return connError(frame.ProtocolError, "WINDOW_UPDATE on an idle stream (RFC 9113 §5.1)")
	}
	increment, err := frame.ParseWindowUpdate(h, p)
	if err != nil {
		return c.unlessClosed(h.StreamID, err)
	}
	if h.StreamID == 0 {
		return c.recvConnCredit(increment)
	}
	s := c.streams.find(h.StreamID)
	if s == nil {
		return nil // may come "for a short period" after the stream closed (RFC 9113 §5.1)
	}
	return c.recvStreamCredit(s, increment)
}

// unlessClosed drops a stream error on a stream that has no state left to reset.
func (c *conn) unlessClosed(id uint32, err error) error {
	if id != 0 && c.streams.find(id) == nil {
		return nil
	}
	return err
}
