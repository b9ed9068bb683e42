package engine

import (
	"cmp"
	"errors"
	"time"

	"h2ws/engine/frame"
	"h2ws/hpack"
	"h2ws/ws"
)

// fieldBlock is the field block being received, when it takes more than one frame (RFC 9113 §4.3).
type fieldBlock struct {
	id            uint32 // its stream
	end           bool   // END_STREAM
	continuations int
	b             []byte
	by            time.Duration
}

func (c *conn) recvHeaders(h frame.Header, p []byte) error {
	fragment, err := frame.ParseHeaders(h, p)
	if err != nil {
		return err
	}
	end := h.Flags.Has(frame.FlagEndStream)
	if h.Flags.Has(frame.FlagEndHeaders) {
		return c.recvBlock(h.StreamID, end, fragment)
	}
	if len(fragment) == 0 {
		if err := c.charge(RuleEmpty, 1); err != nil {
			return err
		}
	}
	c.block = &fieldBlock{
		id:  h.StreamID,
		end: end,
		b:   append([]byte(nil), fragment...),
		by:  after(c.core.now, c.core.limits.HeaderTimeout),
	}
	return nil
}

func (c *conn) recvContinuation(h frame.Header, p []byte) error {
	b := c.block
	b.continuations++
	if len(p) == 0 && !h.Flags.Has(frame.FlagEndHeaders) {
		return c.breach(RuleFieldBlock, frame.EnhanceYourCalm, "empty CONTINUATION")
	}
	if b.continuations > c.core.limits.Continuations || len(b.b)+len(p) > c.core.limits.HeaderBlockSize {
		return c.breach(RuleFieldBlock, frame.EnhanceYourCalm, "field block too long")
	}
	b.b = append(b.b, p...)
	if !h.Flags.Has(frame.FlagEndHeaders) {
		return nil
	}
	c.block = nil
	return c.recvBlock(b.id, b.end, b.b)
}

// recvBlock takes a whole field block: a request's, trailers, or one that nobody wants, which
// is decoded all the same because the next ones refer to it (RFC 9113 §4.3).
func (c *conn) recvBlock(id uint32, end bool, block []byte) error {
	if id%2 == 0 {
		return connError(frame.ProtocolError, "a client's stream id is odd (RFC 9113 §5.1.1)")
	}
	if c.hpack == nil {
		c.hpack = hpack.NewDecoder(c.core.limits.Header)
	}
	if err := c.charge(RuleFields, float32(len(block))); err != nil {
		return err
	}
	if s := c.streams.find(id); s != nil {
		return c.recvTrailers(s, end, block)
	}
	if id <= c.lastPeerID {
		return c.recvBlockClosed(id, block)
	}
	if c.drain == drainFinal {
		return c.blockError(id, c.hpack.Discard(block)) // above the id in our GOAWAY
	}
	if c.core.overload >= OverloadStreams {
		return c.shed(id, block)
	}
	if err := c.charge(RuleOpen, 1); err != nil {
		return err
	}
	c.usedID(id)
	if c.streams.len() >= int(c.core.limits.MaxConcurrentStreams) {
		return c.decline(id, block)
	}
	request := &c.core.request
	err := c.hpack.Decode(block, request)
	if errors.Is(err, hpack.ErrTooLarge) {
		c.refuse(id, end, ws.Decision{Status: 431, Reason: "request header fields too large"})
		return nil
	}
	if err != nil {
		return c.blockError(id, err)
	}
	return c.recvRequest(id, end, request)
}

// lastIDs is from where on a peer had better make another connection: ids "cannot be reused" (RFC 9113 §5.1.1), and
// there are some for what it has under way.
const lastIDs = 1<<31 - 1<<20

// usedID notes the id of a stream that the peer opens.
func (c *conn) usedID(id uint32) {
	c.lastPeerID = id
	if id >= lastIDs && c.drain == drainNone {
		c.notifyDrain()
	}
}

// shed answers a request that the process has no memory for, which is not the peer's fault.
func (c *conn) shed(id uint32, block []byte) error {
	c.usedID(id)
	c.core.stats.StreamsShed++
	if err := c.blockError(id, c.hpack.Discard(block)); err != nil {
		return err
	}
	c.sayReset(id, frame.RefusedStream)
	return nil
}

// decline answers a request for which there is no room.
func (c *conn) decline(id uint32, block []byte) error {
	c.core.stats.StreamsRefused++
	if err := c.blockError(id, c.hpack.Discard(block)); err != nil {
		return err
	}
	if err := c.charge(RuleRefused, 1); err != nil {
		return err
	}
	c.resetStream(id, frame.RefusedStream, nil)
	return nil
}

// recvBlockClosed is HEADERS on a closed stream. Behind our own reset it is ignored
// (RFC 9113 §5.1); an id that is neither is one that must not go back (§5.1.1).
func (c *conn) recvBlockClosed(id uint32, block []byte) error {
	if err := c.blockError(id, c.hpack.Discard(block)); err != nil {
		return err
	}
	if c.resets.has(id) {
		return nil
	}
	return connError(frame.StreamClosed, "HEADERS on a closed stream (RFC 9113 §5.1)")
}

// recvTrailers is a second field block on a stream: it must end it (RFC 9113 §8.1). A WebSocket has none, be its handshake
// decided or not: "Frame types other than DATA or stream management frames (RST_STREAM, WINDOW_UPDATE, and PRIORITY) MUST
// NOT be sent on a connected stream and MUST be treated as a stream error" (§8.5).
func (c *conn) recvTrailers(s *stream, end bool, block []byte) error {
	switch {
	case s.state == stateHalfClosedRemote:
		return c.unwelcome(block, streamError(s.id, frame.StreamClosed, "HEADERS after END_STREAM (RFC 9113 §5.1)"))
	case s.kind == streamSocket, s.kind == streamPending:
		return c.unwelcome(block, streamError(s.id, frame.ProtocolError, "HEADERS on the stream of a WebSocket (RFC 9113 §8.5)"))
	}
	if err := c.hpack.Trailers(block); err != nil && !errors.Is(err, hpack.ErrTooLarge) {
		return c.blockError(s.id, err)
	}
	if !end {
		return streamError(s.id, frame.ProtocolError, "trailers without END_STREAM (RFC 9113 §8.1)")
	}
	return c.recvEnd(s)
}

// unwelcome decodes a field block that is an error where it comes, whatever is in it.
func (c *conn) unwelcome(block []byte, err error) error {
	return cmp.Or(c.blockError(0, c.hpack.Discard(block)), err)
}

// blockError says how far the damage of a bad field block reaches.
func (c *conn) blockError(id uint32, err error) error {
	var malformed *hpack.Malformed
	switch {
	case err == nil, errors.Is(err, hpack.ErrTooLarge):
		return nil
	case errors.As(err, &malformed):
		return streamError(id, frame.ProtocolError, malformed.Rule)
	case errors.Is(err, hpack.ErrFlood):
		return c.breach(RuleFieldBlock, frame.EnhanceYourCalm, err.Error())
	}
	return connError(frame.CompressionError, err.Error())
}
