package conform

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// wanted is one thing that must come on a WebSocket.
type wanted struct {
	kind kind
	op   ws.Opcode
	data []byte
}

func echo(op ws.Opcode, data string) wanted { return wanted{gotMessage, op, []byte(data)} }
func echoText(s string) wanted              { return echo(ws.OpText, s) }
func echoBinary(s string) wanted            { return echo(ws.OpBinary, s) }
func ponged(s string) wanted                { return wanted{gotPong, 0, []byte(s)} }

func (w wanted) matches(e event) bool {
	return w.kind == e.kind && (w.kind != gotMessage || w.op == e.op) && bytes.Equal(w.data, e.data)
}

func (w wanted) String() string { return event{kind: w.kind, op: w.op, data: w.data}.String() }

// want wants messages on the current stream in this order. No rule says when a Pong comes in respect to them, but "as soon
// as is practical" (RFC 6455 §5.5.2), and an endpoint "MAY elect to send a Pong frame for only the most recently
// processed Ping frame" (§5.5.3): each stands for those before.
func want(list ...wanted) step {
	return func(d *dialogue) error {
		list := slices.Clone(list)
		for len(list) > 0 {
			e, err := d.await(d.s.id, d.patience())
			if err != nil {
				return d.missed(err, list[0].String())
			}
			first := slices.IndexFunc(list, func(w wanted) bool { return w.kind == e.kind })
			i := slices.IndexFunc(list, func(w wanted) bool { return w.matches(e) })
			switch {
			case i < 0 || e.kind == gotMessage && i != first:
				return &missError{list[max(first, 0)].String(), e.String()}
			case e.kind == gotMessage:
				list = slices.Delete(list, i, i+1)
			default:
				rest := slices.DeleteFunc(slices.Clone(list[:i]), func(w wanted) bool { return w.kind == gotPong })
				list = append(rest, list[i+1:]...)
			}
		}
		return nil
	}
}

// alive says that the WebSocket is open, and nothing came that no step wanted.
var alive = steps(say(text("alive?")), want(echoText("alive?")))

// failure is a WebSocket that the server must fail (RFC 6455 §7.1.7).
type failure struct {
	codes   []ws.CloseCode // as good as each other
	open    bool           // what follows would be payload
	ignored string         // why going on as if it were right is allowed; "": it is not
	echoes  []wanted       // what comes then
}

// fails wants the server to fail the WebSocket: a Close with one of the codes, and the end of the stream
// without waiting for the client. RFC 6455 §7.1.7 has it SHOULD send a Close frame "with an appropriate status
// code".
func fails(codes ...ws.CloseCode) step { return failure{codes: codes}.want }

// failsInside is fails inside of a frame that is not whole.
func failsInside(codes ...ws.CloseCode) step { return failure{codes: codes, open: true}.want }

// failsOr is fails, or the message comes back, for a reason that makes it Lenient.
func failsOr(code ws.CloseCode, why string, echoes ...wanted) step {
	return failure{codes: []ws.CloseCode{code}, ignored: why, echoes: echoes}.want
}

func (f failure) String() string {
	var text []string
	for _, code := range f.codes {
		text = append(text, strconv.Itoa(int(code)))
	}
	return "a Close " + strings.Join(text, " or ") + " and END_STREAM"
}

// want asks by a message whether there is somebody who did not mind, unless the end came at once.
func (f failure) want(d *dialogue) error {
	e, err := d.await(d.s.id, d.grace())
	if raw.Timeout(err) {
		const still = "still there?"
		if !f.open {
			if err := d.data(d.s, 0, -1, text(still)); err != nil {
				return err
			}
		}
		e, err = d.await(d.s.id, d.patience())
		if err == nil && e.kind == gotMessage && string(e.data) == still {
			return f.wasIgnored(d, e)
		}
	}
	if raw.Timeout(err) && f.open && f.ignored != "" {
		d.allow("%s", f.ignored)
		d.s.over = true
		return nil
	}
	if err != nil {
		return d.missed(err, f.String())
	}
	return f.judge(d, e)
}

func (f failure) judge(d *dialogue, e event) error {
	switch e.kind {
	case gotClose:
		if code := closeCode(e.data); !slices.Contains(f.codes, code) {
			d.allow("Close %d where %d tells why (RFC 6455 §7.4.1)", code, f.codes[0])
		}
		return d.ending()
	case gotEnd:
		d.allow("END_STREAM without a Close (RFC 6455 §7.1.7)")
	case gotReset:
		d.allow("RST_STREAM %v without a Close (RFC 6455 §7.1.7)", frame.ErrCode(e.code))
	default:
		return f.wasIgnored(d, e)
	}
	d.s.over = true
	return nil
}

// wasIgnored is about a server that went on.
func (f failure) wasIgnored(d *dialogue, e event) error {
	if f.ignored == "" {
		return &missError{f.String(), e.String()}
	}
	for _, w := range f.echoes {
		if !w.matches(e) {
			return &missError{f.String(), e.String()}
		}
		next, err := d.await(d.s.id, d.grace())
		if raw.Timeout(err) {
			break
		}
		if err != nil {
			return err
		}
		e = next
	}
	d.allow("%s", f.ignored)
	return nil
}

// closeCode is 1005 for a Close without a code.
func closeCode(payload []byte) ws.CloseCode {
	if len(payload) < 2 {
		return ws.CloseNoStatus
	}
	return ws.CloseCode(binary.BigEndian.Uint16(payload))
}

// ending wants the end of the stream behind the server's Close. RFC 6455 §7.1.1: "the server MUST close the
// connection immediately", which on a stream is END_STREAM (RFC 8441 §5).
func (d *dialogue) ending() error {
	const wanted = "END_STREAM behind the Close (RFC 6455 §5.5.1, RFC 8441 §5)"
	e, err := d.await(d.s.id, d.grace())
	if raw.Timeout(err) {
		if err := d.data(d.s, frame.FlagEndStream, -1, nil); err != nil {
			return err
		}
		e, err = d.await(d.s.id, d.patience())
		d.allow("END_STREAM only behind that of the client (RFC 6455 §7.1.1)")
	}
	switch {
	case err != nil:
		return d.missed(err, wanted)
	case e.kind == gotEnd:
	case e.kind == gotReset:
		d.allow("RST_STREAM %v behind the Close, which may overtake it (RFC 8441 §5)", frame.ErrCode(e.code))
	default:
		return &missError{wanted, e.String()}
	}
	d.s.over = true
	return nil
}

// closes wants the answer to the client's Close: RFC 6455 §5.5.1, "the endpoint typically echos the status code
// it received".
func closes(code ws.CloseCode) step {
	return func(d *dialogue) error {
		e, err := d.await(d.s.id, d.patience())
		switch {
		case err != nil:
			return d.missed(err, "a Close in return (RFC 6455 §5.5.1)")
		case e.kind != gotClose:
			return &missError{fmt.Sprintf("a Close %d in return (RFC 6455 §5.5.1)", code), e.String()}
		}
		if got := closeCode(e.data); got != code {
			d.allow("Close %d in return to %d (RFC 6455 §5.5.1)", got, code)
		}
		return d.ending()
	}
}

// ends wants the end of the stream alone: the client ended its side without Close.
func ends(d *dialogue) error {
	e, err := d.await(d.s.id, d.patience())
	if err != nil {
		return d.missed(err, "END_STREAM in return (RFC 8441 §5)")
	}
	switch e.kind {
	case gotEnd:
	case gotReset:
		d.allow("RST_STREAM %v in return to END_STREAM", frame.ErrCode(e.code))
	case gotClose:
		d.allow("a Close to a client that has ended its side without one")
		return d.ending()
	default:
		return &missError{"END_STREAM in return (RFC 8441 §5)", e.String()}
	}
	d.s.over = true
	return nil
}
