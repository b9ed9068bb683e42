package interop

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"h2ws/engine"
	"h2ws/ws"
)

// A handler echoes, remembers what each socket was and how it ended, and obeys text messages that begin
// with "!":
//
//	!publish COUNT SIZE   publishes COUNT messages of SIZE octets to the topic
//	!close CODE REASON    closes this socket
//
// Paths begin with what is wanted: /topic, also /patient with a long queue, /refuse/STATUS, /origin to be
// decided on by the origin; anything else just echoes. The subprotocol "good" is chosen if it is offered.
type handler struct {
	record
	topic *engine.Topic
}

func (h *handler) OnHandshake(r *ws.Request) {
	k := h.add(r)
	verb, rest, _ := strings.Cut(strings.TrimPrefix(k.path, "/"), "/")
	accept := ws.AcceptOptions{Data: k}
	switch verb {
	case "refuse":
		status, err := strconv.Atoi(rest)
		if err != nil {
			panic(err)
		}
		r.Reject(status, "as you asked")
		return
	case "origin":
		if !r.SameOrigin() {
			return // undecided: the default
		}
	case "patient":
		accept.Queue = &ws.QueueLimits{MaxBytes: 4 << 20}
		accept.Topics = []ws.Topic{h.topic}
	case "topic":
		accept.Topics = []ws.Topic{h.topic}
	}
	if slices.Contains(k.offered, "good") {
		accept.Subprotocol = "good"
	}
	r.Accept(accept)
}

func (h *handler) OnOpen(c *ws.Conn) { h.opened(c.Data().(*socket)) }

func (h *handler) OnMessage(c *ws.Conn, m ws.Message) {
	h.received(c.Data().(*socket), m)
	if m.Type == ws.Text && len(m.Data) > 0 && m.Data[0] == '!' {
		h.obey(c, strings.SplitN(string(m.Data), " ", 3))
		return
	}
	c.Send(m.Type, m.Data)
}

func (h *handler) OnClose(c *ws.Conn, err error) { h.closed(c.Data().(*socket), err) }

func (h *handler) obey(c *ws.Conn, words []string) {
	if len(words) != 3 {
		panic(fmt.Sprintf("no command: %q", words))
	}
	n, err := strconv.Atoi(words[1])
	if err != nil {
		panic(err)
	}
	switch words[0] {
	case "!publish":
		size, err := strconv.Atoi(words[2])
		if err != nil {
			panic(err)
		}
		go h.publish(n, size)
	case "!close":
		c.Close(ws.CloseCode(n), words[2])
	default:
		panic(fmt.Sprintf("no command: %q", words))
	}
}

// publish publishes numbered messages, as fast as the slowest connection takes them.
func (h *handler) publish(count, size int) {
	for i := range count {
		framed := make(chan struct{})
		h.topic.PublishThen(numbered(i, size), func() { close(framed) })
		<-framed
	}
}

// numbered is the i-th message of a publisher: its number, and dots.
func numbered(i, size int) *ws.Prepared {
	text := strconv.AppendInt(nil, int64(i), 10)
	text = append(append(text, ' '), bytes.Repeat([]byte("."), max(size-len(text)-1, 0))...)
	p, err := ws.Prepare(ws.Text, text)
	if err != nil {
		panic(err)
	}
	return p
}
