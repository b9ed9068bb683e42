package ws

import (
	"fmt"
	"slices"
	"testing"
	"unicode/utf8"
)

// An event of the oracle is known as soon as `at` octets of the stream have
// arrived, and not before.
type event struct {
	at   int
	text string
}

// An oracle is a naive reading of RFC 6455: it has the whole stream, looks at
// it octet by octet and takes its time. If closeAt >= 0 we close with 1001
// after that many octets.
type oracle struct {
	stream  []byte
	closeAt int
	o       EndpointOptions
	events  []event
	done    bool
}

func runOracle(stream []byte, closeAt int, o EndpointOptions) []event {
	w := &oracle{stream: stream, closeAt: closeAt, o: o}
	w.run()
	if closeAt >= 0 && closeAt <= len(stream) {
		i := 0
		for i < len(w.events) && w.events[i].at <= closeAt {
			i++
		}
		before := w.events[:i]
		if !slices.ContainsFunc(before, func(e event) bool { return e.text[:5] == "close" }) {
			w.events = slices.Insert(w.events, i, event{closeAt, "CLOSE 1001"})
		}
	}
	return w.events
}

// upTo returns what must have happened after n octets.
func upTo(events []event, n int) []string {
	var texts []string
	for _, e := range events {
		if e.at <= n {
			texts = append(texts, e.text)
		}
	}
	return texts
}

func (w *oracle) say(at int, format string, args ...any) {
	w.events = append(w.events, event{at, fmt.Sprintf(format, args...)})
}

// closing: what happens after `at` octets, happens after our Close.
func (w *oracle) closing(at int) bool { return w.closeAt >= 0 && at > w.closeAt }

func (w *oracle) fail(at, code int, cause string) {
	if w.closing(at) {
		w.say(at, "END")
	} else {
		w.say(at, "CLOSE+END %d", code)
	}
	w.say(at, "close %d local %s", code, cause)
	w.done = true
}

func (w *oracle) run() {
	var (
		pos       int
		typ       byte // of the message begun
		message   []byte
		declared  uint64
		fragments int
	)
	for !w.done {
		head, ok := w.header(pos)
		if !ok {
			return
		}
		body := pos + head.size
		control := head.op >= 8
		switch {
		case head.rsv != 0, head.op > 2 && head.op < 8, head.op > 10, !head.masked:
			w.fail(body, 1002, "ErrProtocol")
			return
		case control && (head.length > 125 || !head.fin):
			w.fail(body, 1002, "ErrProtocol")
			return
		case head.length >= 1<<63, !head.shortest:
			w.fail(body, 1002, "ErrProtocol")
			return
		case !control && (head.op == 0) != (fragments > 0):
			w.fail(body, 1002, "ErrProtocol")
			return
		case !control && (head.length > uint64(w.o.MessageBytesMax) || declared+head.length > uint64(w.o.MessageBytesMax)):
			w.fail(body, 1009, "ErrTooBig")
			return
		case !control && fragments+1 > w.o.FragmentsMax:
			w.fail(body, 1008, "ErrFragments")
			return
		}
		if control {
			if uint64(len(w.stream)-body) < head.length {
				return
			}
			end := body + int(head.length)
			w.control(end, head.op, w.unmask(head, body, end))
			pos = end
			continue
		}
		if head.op != 0 {
			typ = head.op
		}
		fragments++
		declared += head.length
		end := len(w.stream)
		whole := uint64(len(w.stream)-body) >= head.length
		if whole {
			end = body + int(head.length)
		}
		payload := w.unmask(head, body, end)
		if typ == 1 && !w.text(message, payload, body, whole && head.fin) {
			return
		}
		message = append(message, payload...)
		if !whole {
			return
		}
		pos = end
		if !head.fin {
			continue
		}
		if !w.closing(end) {
			w.say(end, "%s %q", map[byte]string{1: "text", 2: "binary"}[typ], message)
		}
		message, declared, fragments = nil, 0, 0
	}
}

// text looks for the first octet that spoils a text message. body is where
// payload begins in the stream.
func (w *oracle) text(before, payload []byte, body int, last bool) bool {
	for i := range len(payload) + 1 {
		at := body + i
		if w.closing(at) {
			return true
		}
		if !extendable(slices.Concat(before, payload[:i])) {
			w.fail(at, 1007, "ErrInvalidUTF8")
			return false
		}
	}
	if last && !utf8.Valid(slices.Concat(before, payload)) {
		w.fail(body+len(payload), 1007, "ErrInvalidUTF8")
		return false
	}
	return true
}

func (w *oracle) control(at int, op byte, payload []byte) {
	switch op {
	case 9:
		w.say(at, "PONG %q", payload)
	case 8:
		w.close(at, payload)
	}
}

func (w *oracle) close(at int, payload []byte) {
	code := 1005
	reason := ""
	if len(payload) == 1 {
		w.fail(at, 1002, "ErrProtocol")
		return
	}
	if len(payload) >= 2 {
		code = int(payload[0])<<8 + int(payload[1])
		reason = string(payload[2:])
		if !validCodes[code] {
			w.fail(at, 1002, "ErrProtocol")
			return
		}
		if !utf8.ValidString(reason) {
			w.fail(at, 1007, "ErrInvalidUTF8")
			return
		}
	}
	w.done = true
	if w.closing(at) {
		w.say(at, "END")
		w.say(at, "close %d %q local", code, reason)
		return
	}
	w.say(at, "CLOSE+END %d", code)
	w.say(at, "close %d %q", code, reason)
}

type naiveHeader struct {
	fin, masked, shortest bool
	rsv, op               byte
	length                uint64
	key                   [4]byte
	size                  int
}

func (w *oracle) header(pos int) (h naiveHeader, ok bool) {
	var octets []byte
	next := func() byte {
		if pos+len(octets) >= len(w.stream) {
			panic("end")
		}
		b := w.stream[pos+len(octets)]
		octets = append(octets, b)
		return b
	}
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	b := next()
	h.fin, h.rsv, h.op = b >= 0x80, b/16%8, b%16
	b = next()
	h.masked, h.length, h.shortest = b >= 0x80, uint64(b%128), true
	extended, least := 0, uint64(0)
	if h.length == 126 {
		extended, least = 2, 126
	}
	if h.length == 127 {
		extended, least = 8, 65536
	}
	if extended > 0 {
		h.length = 0
		for range extended {
			h.length = h.length*256 + uint64(next())
		}
		h.shortest = h.length >= least
	}
	if h.masked {
		for i := range h.key {
			h.key[i] = next()
		}
	}
	h.size = len(octets)
	return h, true
}

func (w *oracle) unmask(h naiveHeader, from, to int) []byte {
	var p []byte
	for i := from; i < to; i++ {
		p = append(p, w.stream[i]^h.key[(i-from)%4])
	}
	return p
}

// validCodes are the codes that RFC 6455 §7.4 and the IANA registry allow in a
// Close frame.
var validCodes = func() map[int]bool {
	codes := map[int]bool{}
	for _, c := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014} {
		codes[c] = true
	}
	for c := 3000; c <= 4999; c++ {
		codes[c] = true
	}
	return codes
}()

// extendable reports whether some octets after p, or none, make it valid UTF-8,
// by trying: the octets tried include the ends of every range of the table in
// RFC 3629 §4.
func extendable(p []byte) bool {
	return extend(append(make([]byte, 0, len(p)+3), p...), 3)
}

func extend(p []byte, more int) bool {
	if utf8.Valid(p) {
		return true
	}
	if more == 0 {
		return false
	}
	for _, c := range []byte{0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf} {
		if extend(append(p, c), more-1) {
			return true
		}
	}
	return false
}

// compare feeds stream in parts, holds what happens against the oracle after
// each, and closes with 1001 after closeAt octets if that is within the stream.
func compare(t testing.TB, stream []byte, cuts []int, closeAt int, o EndpointOptions) {
	t.Helper()
	if closeAt > len(stream) {
		closeAt = -1
	}
	events := runOracle(stream, closeAt, o)
	s := open(t, o)
	at := 0
	advance := func(to int) {
		t.Helper()
		s.feed(stream[at:to])
		at = to
		if at == closeAt {
			s.c.CloseLocal(&s.r, CloseGoingAway, "bye")
		}
		s.checkBounds(o)
		if want := upTo(events, at); !slices.Equal(s.log, want) {
			t.Fatalf("stream % x\ncuts %v, our Close after %d; after %d octets\n got  %q\n want %q",
				stream, cuts, closeAt, at, s.log, want)
		}
	}
	for _, cut := range append(slices.Clone(cuts), len(stream)) {
		if at <= closeAt && closeAt < cut {
			advance(closeAt)
		}
		advance(cut)
	}
	s.c.Lost(&s.r, ErrReset)
	if s.closed != 1 {
		t.Fatalf("stream % x: OnClose called %d times", stream, s.closed)
	}
	s.checkBounds(o)
}

// checkBounds checks what a Conn and its Receiver may own.
func (s *script) checkBounds(o EndpointOptions) {
	s.t.Helper()
	if limit := 2*max(o.MessageBytesMax, bufferLenMin) + bufferLenMin; s.c.Held() > limit {
		s.t.Fatalf("Conn holds %d octets, more than %d", s.c.Held(), limit)
	}
	if s.c.Closed() && s.c.partial != nil {
		s.t.Fatal("a closed Conn holds a partial")
	}
	if f := s.c.partial; f != nil && (f.checked > len(f.buf) || len(f.buf) > f.size || f.size > o.MessageBytesMax) {
		s.t.Fatalf("partial: checked %d, len(buf) %d, size %d, limit %d", f.checked, len(f.buf), f.size, o.MessageBytesMax)
	}
	free := 0
	for class, buffers := range s.r.buffers {
		for _, b := range buffers {
			if cap(b) != bufferLenMin<<class {
				s.t.Fatalf("buffer of %d octets in class %d", cap(b), class)
			}
			free += cap(b)
		}
	}
	if free != s.r.bytes || free > freeBytesMax {
		s.t.Fatalf("Receiver holds %d octets, accounts for %d, limit %d", free, s.r.bytes, freeBytesMax)
	}
}
