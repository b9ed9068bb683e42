package bench

import (
	"bytes"
	"slices"
	"strconv"

	"golang.org/x/net/http2/hpack"

	"h2ws/engine/frame"
)

// blockBytesMax bounds a field block from the server, and headerBytesMax one string in it, in octets.
const (
	blockBytesMax  = 1 << 20
	headerBytesMax = 1 << 16
)

// recvHeaders begins a field block: the answer to an extended CONNECT, or trailers.
func (c *conn) recvHeaders(h frame.Header, p []byte) error {
	i, err := c.index(h)
	if err != nil {
		return err
	}
	fragment, err := frame.ParseHeaders(h, p)
	if err != nil {
		return faultf("%v", err)
	}
	if h.Flags.Has(frame.FlagEndHeaders) {
		return c.recvBlock(i, fragment, h.Flags.Has(frame.FlagEndStream))
	}
	c.blockFor = h.StreamID
	c.block = append(c.block[:0], byte(h.Flags))
	c.block = append(c.block, fragment...)
	return nil
}

// recvContinuation goes on with a field block; the first octet of c.block are the flags it began with.
func (c *conn) recvContinuation(h frame.Header, p []byte) error {
	if c.blockFor == 0 {
		return faultf("CONTINUATION on stream %d without HEADERS (RFC 9113 §6.10)", h.StreamID)
	}
	if len(c.block)+len(p) > blockBytesMax {
		return faultf("field block above %d octets", blockBytesMax)
	}
	c.block = append(c.block, p...)
	if !h.Flags.Has(frame.FlagEndHeaders) {
		return nil
	}
	c.blockFor = 0
	flags := frame.Flags(c.block[0])
	return c.recvBlock(int(h.StreamID>>1), c.block[1:], flags.Has(frame.FlagEndStream))
}

// recvBlock acts on a whole field block.
func (c *conn) recvBlock(i int, block []byte, end bool) error {
	status, subprotocol, err := c.decoder.decode(block)
	if err != nil {
		return faultf("field block of stream %d: %v", streamID(i), err)
	}
	s := &c.streams[i]
	switch {
	case s.state == dropped:
		return nil
	case s.state == done:
		return faultf("HEADERS on stream %d, which is over", streamID(i))
	case s.state != opening && !end:
		return faultf("trailers without END_STREAM on stream %d (RFC 9113 §8.1)", streamID(i))
	case s.state != opening:
		return c.recvEndStream(i)
	case status/100 == 1 && !end:
		return nil // the answer is still to come
	case status == 200 && end:
		c.finish(i)
		return c.tell().closed(c, i, &ClosedError{Stream: streamID(i), Code: 1006})
	case status == 200 && subprotocol != "" && !c.request.target.offers(subprotocol):
		return faultf("200 with a subprotocol that was not offered: %.40q", subprotocol)
	case status == 200:
		s.state = open
		return c.tell().opened(c, i)
	}
	s.state = refused
	if c.refusal == nil {
		c.refusal = &RefusedError{Status: status}
	}
	if end {
		return c.recvEndStream(i)
	}
	return nil
}

// recvRefusal collects the body that explains a refusal. Of many refusals the bodies run together, up
// to the first END_STREAM, which ends the run.
func (c *conn) recvRefusal(p []byte) {
	const bodyBytesMax = 512
	room := bodyBytesMax - len(c.refusal.Body)
	c.refusal.Body += string(p[:min(room, len(p))])
}

// statusDecoder finds :status and sec-websocket-protocol in field blocks. The zero value is ready.
type statusDecoder struct {
	decoder     *hpack.Decoder
	status      int
	subprotocol string
	// last is the latest block that consists of indexes alone: the same octets mean the same fields
	// until a block changes the dynamic table.
	last []byte
}

func (d *statusDecoder) decode(block []byte) (status int, subprotocol string, err error) {
	if len(d.last) > 0 && bytes.Equal(d.last, block) {
		return d.status, d.subprotocol, nil
	}
	if d.decoder == nil {
		d.decoder = hpack.NewDecoder(4096, d.field)
		d.decoder.SetMaxStringLength(headerBytesMax)
	}
	d.status, d.subprotocol, d.last = 0, "", d.last[:0]
	if _, err := d.decoder.Write(block); err != nil {
		return 0, "", err
	}
	if err := d.decoder.Close(); err != nil {
		return 0, "", err
	}
	if allIndexed(block) {
		d.last = slices.Clone(block)
	}
	return d.status, d.subprotocol, nil
}

func (d *statusDecoder) field(f hpack.HeaderField) {
	switch f.Name {
	case ":status":
		d.status, _ = strconv.Atoi(f.Value)
	case "sec-websocket-protocol":
		d.subprotocol = f.Value
	}
}
