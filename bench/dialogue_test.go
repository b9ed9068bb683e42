package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
)

// dialogue is a conn and a scripted server: what the server says are lines of frame's text notation,
// and so is what it hears, except that client messages are unmasked and written
//
//	MESSAGE stream opcode "payload" [END_STREAM]
type dialogue struct {
	t    *testing.T
	c    *conn
	wake []*conn
	seen []string // events since the last wantEvents
	rest []byte
	cut  *rand.Rand // where reads end; nil: after whole lines
}

const offer = "SETTINGS ENABLE_CONNECT_PROTOCOL=1"

// newDialogue has already exchanged SETTINGS.
func newDialogue(t *testing.T, settings string) *dialogue {
	d := newSilentDialogue(t)
	d.recv(settings)
	d.wantSent("the client acknowledges SETTINGS", "SETTINGS ACK")
	return d
}

func newSilentDialogue(t *testing.T) *dialogue {
	d := &dialogue{t: t}
	d.c = newConn(0, &d.wake, newRequest(&Target{Target: raw.Target{Addr: "example.com", Path: "/chat"}}), 1<<20)
	d.c.events = d
	d.c.out = nil
	return d
}

func (d *dialogue) opened(c *conn, i int) error { return d.note("opened %d", i) }

func (d *dialogue) message(c *conn, i int, m message) error {
	return d.note("message %d %#x %q", i, byte(m.op), m.data)
}

func (d *dialogue) closed(c *conn, i int, err error) error { return d.note("closed %d %v", i, err) }

func (d *dialogue) note(format string, args ...any) error {
	d.seen = append(d.seen, fmt.Sprintf(format, args...))
	return nil
}

// tryRecv lets the server say the lines.
func (d *dialogue) tryRecv(lines ...string) error {
	d.t.Helper()
	for _, line := range lines {
		wire, err := frame.ParseText(line)
		if err != nil {
			d.t.Fatalf("bad line %q: %v", line, err)
		}
		if err := d.read(wire); err != nil {
			return err
		}
	}
	return nil
}

// read is what Client.read does with what arrives.
func (d *dialogue) read(wire []byte) error {
	for len(wire) > 0 {
		n := len(wire)
		if d.cut != nil {
			n = 1 + d.cut.IntN(n)
		}
		d.rest = append(d.rest, wire[:n]...)
		wire = wire[n:]
		used, err := d.c.recv(d.rest)
		if err != nil {
			return err
		}
		d.rest = d.rest[used:]
	}
	return nil
}

func (d *dialogue) recv(lines ...string) {
	d.t.Helper()
	if err := d.tryRecv(lines...); err != nil {
		d.t.Fatalf("after %q: %v", lines, err)
	}
}

// open opens n sockets, and forgets that it happened.
func (d *dialogue) open(n int) {
	d.t.Helper()
	for range n {
		i := d.c.open()
		d.recv(fmt.Sprintf("HEADERS %d END_HEADERS 0x88", streamID(i)))
	}
	d.c.out, d.seen = nil, nil
}

func (d *dialogue) wantEvents(why string, want ...string) {
	d.t.Helper()
	if !slices.Equal(d.seen, want) {
		d.t.Errorf("%s:\n got %q\nwant %q", why, d.seen, want)
	}
	d.seen = nil
}

func (d *dialogue) wantSent(why string, want ...string) {
	d.t.Helper()
	if got := d.sent(); !slices.Equal(got, want) {
		d.t.Errorf("%s:\n got %q\nwant %q", why, got, want)
	}
}

// sent takes what the client has sent.
func (d *dialogue) sent() (lines []string) {
	d.t.Helper()
	for len(d.c.out) > 0 {
		h, n := frame.ConsumeHeader(d.c.out)
		payload := d.c.out[n : n+int(h.Length)]
		d.c.out = d.c.out[n+int(h.Length):]
		lines = append(lines, sentText(h, payload))
	}
	return lines
}

func sentText(h frame.Header, payload []byte) string {
	if h.Type == frame.Data {
		if op, data, ok := unmask(payload); ok {
			s := fmt.Sprintf("MESSAGE %d %d %q", h.StreamID, op, data)
			if h.Flags.Has(frame.FlagEndStream) {
				s += " END_STREAM"
			}
			return s
		}
	}
	return string(frame.AppendText(nil, h, payload))
}

// unmask is a naive reader of one masked frame. ok is false if p is anything else.
func unmask(p []byte) (op byte, data []byte, ok bool) {
	if len(p) < 2 || p[0]&0xf0 != 0x80 || p[1]&0x80 == 0 {
		return 0, nil, false
	}
	size, at := int(p[1]&0x7f), 2
	switch {
	case size == 126 && len(p) > 4:
		size, at = int(binary.BigEndian.Uint16(p[2:])), 4
	case size == 127 && len(p) > 10:
		size, at = int(binary.BigEndian.Uint64(p[2:])), 10
	}
	if len(p) != at+4+size {
		return 0, nil, false
	}
	key := p[at : at+4]
	for i, b := range p[at+4:] {
		data = append(data, b^key[i%4])
	}
	return p[0] & 0xf, data, true
}

// wantFault fails unless err is a FaultError that mentions text.
func wantFault(t *testing.T, err error, text string) {
	t.Helper()
	var fault *FaultError
	if !errors.As(err, &fault) || !strings.Contains(fault.Text, text) {
		t.Errorf("got error %v, want a fault of the server about %q", err, text)
	}
}
