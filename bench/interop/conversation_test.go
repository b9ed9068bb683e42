package interop

import (
	"bytes"
	"fmt"
	"sync"

	"golang.org/x/net/http2/hpack"

	"h2ws/engine/frame"
)

// A conversation writes down one connection: HTTP/2 as frames, and what is not HTTP/2 as it is.
//
//	1 > HEADERS 1 END_HEADERS 0x8286...
//	1 >   :method: CONNECT
//	1 < DATA 1 0x8105 "hello"
//
// The number is the connection's, > the client's and < the server's.
type conversation struct {
	lines          *transcript
	number         int
	mu             sync.Mutex // one speaks at a time: the keys of both are in what both say
	hello          hello
	client, server *speaker
}

func newConversation(lines *transcript, number int, keys *keyLog) *conversation {
	c := &conversation{lines: lines, number: number}
	c.client = newSpeaker(c, '>')
	c.server = newSpeaker(c, '<')
	if keys != nil {
		c.client.records = &records{keys: keys, hello: &c.hello, label: clientSecret}
		c.server.records = &records{keys: keys, hello: &c.hello, label: serverSecret}
	}
	c.client.note("connects")
	return c
}

// A speaker is one side of a conversation.
type speaker struct {
	conversation *conversation
	arrow        byte
	records      *records // nil: cleartext

	language language
	unread   []byte // the beginning of a frame
	fields   *hpack.Decoder
	block    []byte // of a field block that is not complete
}

type language uint8

const (
	languageUnknown language = iota
	languageHTTP2
	languageOther
)

// tableSizeMax is the largest dynamic table that a server may allow its client.
const tableSizeMax = 1 << 20

func newSpeaker(c *conversation, arrow byte) *speaker {
	s := &speaker{conversation: c, arrow: arrow}
	s.fields = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		s.note(fmt.Sprintf("  %s: %.200s", f.Name, f.Value))
	})
	s.fields.SetAllowedMaxDynamicTableSize(tableSizeMax)
	return s
}

func (s *speaker) note(line string) {
	s.conversation.lines.add(fmt.Sprintf("%d %c %s", s.conversation.number, s.arrow, line))
}

// hear takes the next octets as they are on the wire.
func (s *speaker) hear(p []byte) {
	s.conversation.mu.Lock()
	defer s.conversation.mu.Unlock()
	if s.records == nil {
		s.read(p)
		return
	}
	if err := s.records.open(p, s.read); err != nil {
		s.note(err.Error())
	}
}

// read takes the next octets of cleartext.
func (s *speaker) read(p []byte) {
	s.unread = append(s.unread, p...)
	if s.language == languageUnknown && !s.recognize() {
		return
	}
	if s.language == languageOther {
		s.note(fmt.Sprintf("%.300q of %d octets", s.unread, len(s.unread)))
		s.unread = nil
		return
	}
	for {
		h, n := frame.ConsumeHeader(s.unread)
		if n == 0 || len(s.unread)-n < int(h.Length) {
			return
		}
		s.frame(h, s.unread[n:n+int(h.Length)])
		s.unread = s.unread[n+int(h.Length):]
	}
}

// recognize tells HTTP/2 by the client's preface or the server's SETTINGS, as soon as there is enough.
func (s *speaker) recognize() bool {
	switch {
	case len(s.unread) < frame.HeaderLen:
		return false
	case s.arrow == '<' && bytes.HasPrefix(s.unread[3:], []byte{byte(frame.Settings), 0, 0, 0, 0, 0}):
		s.language = languageHTTP2
	case s.arrow == '>' && bytes.HasPrefix(s.unread, []byte(frame.Preface)):
		s.note("PRI * HTTP/2.0")
		s.unread = s.unread[len(frame.Preface):]
		s.language = languageHTTP2
	case s.arrow == '>' && bytes.HasPrefix([]byte(frame.Preface), s.unread):
		return false
	default:
		s.language = languageOther
	}
	return true
}

// octetsShown is how much of the payload of a DATA frame is written down.
const octetsShown = 48

func (s *speaker) frame(h frame.Header, payload []byte) {
	shown, more := payload, ""
	if h.Type == frame.Data && len(payload) > octetsShown {
		shown, more = payload[:octetsShown], fmt.Sprintf(" ... %d octets", len(payload))
	}
	length := h.Length
	h.Length = uint32(len(shown))
	s.note(string(frame.AppendText(nil, h, shown)) + more)
	h.Length = length
	s.decode(h, payload)
}

// decode writes down the fields of a field block when it is complete.
func (s *speaker) decode(h frame.Header, payload []byte) {
	switch h.Type {
	case frame.Headers:
		if h.Flags.Has(frame.FlagPadded) {
			payload = payload[1 : len(payload)-int(payload[0])]
		}
		if h.Flags.Has(frame.FlagPriority) {
			payload = payload[5:]
		}
	case frame.Continuation:
	default:
		return
	}
	s.block = append(s.block, payload...)
	if !h.Flags.Has(frame.FlagEndHeaders) {
		return
	}
	if _, err := s.fields.Write(s.block); err != nil {
		s.note(err.Error())
	}
	if err := s.fields.Close(); err != nil {
		s.note(err.Error())
	}
	s.block = s.block[:0]
}
