package ws

import "time"

// A partial is what a Conn keeps of a frame or message that is not complete.
//
// 0 <= checked <= len(buf) <= size <= messageBytesMax.
type partial struct {
	next, prev *partial // of those in use, or next alone of the free ones
	conn       *Conn
	since      time.Duration // on the Receiver's clock: it began then, or has grown enough since before
	grown      int           // octets of it as of since

	// The message, begun if fragments > 0.
	buf       []byte // owned: what has arrived, unmasked
	size      int    // octets of the frames begun so far, as declared
	checked   int    // octets of buf that are whole UTF-8 characters
	fragments int    // frames begun
	typ       MessageType
	fin       bool // the data frame begun last is the final one

	// The frame, begun if inFrame.
	inFrame   bool
	op        Opcode
	key       uint32 // for the next octet
	remaining int    // octets of payload to come
	control   []byte // owned: payload of a control frame

	// The header, cut if headerLen > 0.
	headerLen uint8
	header    [HeaderLenMax]byte
}

// feedPart handles octets up to the end of the frame that has begun, or begins
// with p, and returns what follows it.
func (c *Conn) feedPart(r *Receiver, p []byte) (rest []byte) {
	f := c.partial
	if !f.inFrame {
		h, n, used := f.consumeHeader(p)
		if n == 0 {
			return nil
		}
		if !c.beginFrame(r, h, n) {
			return nil
		}
		p = p[used:]
	}
	chunk, rest := p[:min(len(p), f.remaining)], p[min(len(p), f.remaining):]
	f.key = mask(chunk, f.key)
	f.remaining -= len(chunk)
	f.inFrame = f.remaining > 0
	if f.op.Control() {
		c.controlPart(r, chunk)
	} else {
		c.dataPart(r, chunk)
	}
	return rest
}

// consumeHeader parses a header that may have begun before p. It returns n = 0
// if it does not end in p, else its length, of which used octets are in p.
func (f *partial) consumeHeader(p []byte) (h Header, n, used int) {
	had := int(f.headerLen)
	have := had + copy(f.header[had:], p)
	h, n = ConsumeHeader(f.header[:have])
	if n == 0 {
		f.headerLen = uint8(have)
		return h, 0, len(p)
	}
	f.headerLen = 0
	return h, n, n - had
}

// beginFrame judges a header with n octets and enters the frame.
// It returns false if that failed the WebSocket.
func (c *Conn) beginFrame(r *Receiver, h Header, n int) bool {
	if rule := h.violation(n); rule != "" {
		c.failProtocol(r, rule)
		return false
	}
	if !h.Opcode().Control() && !c.beginData(r, h) {
		return false
	}
	f := c.partial
	f.op, f.key, f.remaining = h.Opcode(), h.Key, int(h.Length)
	return true
}

// beginData judges a data frame's place in its message. Nothing has been
// allocated for what its header declares.
func (c *Conn) beginData(r *Receiver, h Header) bool {
	f := c.partial
	continuation := h.Opcode() == OpContinuation
	switch {
	case continuation && f.fragments == 0:
		c.failProtocol(r, "continuation frame without a message (RFC 6455 5.4)")
		return false
	case !continuation && f.fragments > 0:
		// "The fragments of one message MUST NOT be interleaved between the
		// fragments of another message" without an extension.
		c.failProtocol(r, "new message inside a fragmented one (RFC 6455 5.4)")
		return false
	case h.Length > uint64(c.endpoint.messageBytesMax-f.size):
		c.failTooBig(r)
		return false
	case f.fragments == c.endpoint.fragmentsMax:
		c.Fail(r, ClosePolicyViolation, "too many fragments", ErrFragments)
		return false
	}
	if !continuation {
		f.typ = MessageType(h.Opcode())
	}
	f.fragments++
	f.size += int(h.Length)
	f.fin = h.Fin()
	return true
}

// dataPart handles the next octets of a data frame, unmasked. While we are
// closing they are thrown away: the message will reach nobody.
func (c *Conn) dataPart(r *Receiver, chunk []byte) {
	f := c.partial
	open, last, data := c.current() == stateOpen, f.fin && !f.inFrame, chunk
	if open && (!last || len(f.buf) > 0) {
		f.buf = append(r.grow(f.buf, len(chunk)), chunk...)
		data = f.buf
	}
	if open && f.typ == Text && !f.checkUTF8(data, last) {
		c.failUTF8(r)
		return
	}
	if !last {
		return
	}
	c.partial = nil
	if open {
		c.deliver(r, f.typ, data)
	}
	r.release(f)
}

// checkUTF8 checks what is new in data, the message so far. The last octet of
// the message must end a character.
func (f *partial) checkUTF8(data []byte, last bool) bool {
	n, ok := validPrefix(data[f.checked:])
	f.checked += n
	return ok && (!last || f.checked == len(data))
}

// discard frees what has arrived of a message that will reach nobody.
func (f *partial) discard(r *Receiver) {
	r.drop(&f.buf)
	f.checked = 0
}

// controlPart handles the next octets of a control frame, unmasked.
func (c *Conn) controlPart(r *Receiver, chunk []byte) {
	f := c.partial
	payload := chunk
	if f.inFrame || len(f.control) > 0 {
		f.control = append(r.grow(f.control, len(chunk)), chunk...)
		payload = f.control
	}
	if f.inFrame {
		return
	}
	c.recvControl(r, f.op, payload)
	switch {
	case c.partial == nil: // closed, and f released
	case f.fragments > 0:
		r.drop(&f.control)
	default:
		c.partial = nil
		r.release(f)
	}
}
