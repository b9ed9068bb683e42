package conform

import (
	"fmt"
	"slices"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
)

// accepted wants the WebSocket opened: RFC 8441 §5, status 200, on a stream that goes on.
func accepted(d *dialogue) error {
	const wanted = "status 200 (RFC 8441 §5)"
	e, err := d.await(d.s.id, d.patience())
	switch {
	case err != nil:
		return d.missed(err, wanted)
	case e.kind != gotResponse || e.code/100 != 2 || e.end:
		return &missError{wanted + ", without END_STREAM", e.String()}
	case e.code != 200:
		d.s.status = 200
		d.allow("status %d where clients want 200 (RFC 8441 §5)", e.code)
	}
	return nil
}

// refusal is what may come in place of a WebSocket.
type refusal struct {
	statuses []uint32        // as good as each other; nil: any of 4xx and 5xx
	resets   []frame.ErrCode // as good
	accept   string          // why a 2xx is allowed; "": it is not
	fields   []string        // the response must have, where it is one
}

// refuses wants an answer that ends the stream, with one of the statuses.
func refuses(statuses ...uint32) step { return refusal{statuses: statuses}.want }

// malforms wants a malformed request treated as such: RFC 9113 §8.1.1, "a stream error of type PROTOCOL_ERROR", and
// "For malformed requests, a server MAY send an HTTP response prior to closing or resetting the stream."
var malforms = refusal{statuses: []uint32{400}, resets: []frame.ErrCode{frame.ProtocolError}}.want

// malformsOr is malforms, or it is accepted for a reason.
func malformsOr(why string) step {
	return refusal{statuses: []uint32{400}, resets: []frame.ErrCode{frame.ProtocolError}, accept: why}.want
}

func (r refusal) String() string {
	switch {
	case len(r.resets) > 0:
		return fmt.Sprintf("RST_STREAM %v, or status %v", r.resets, r.statuses)
	case len(r.statuses) > 0:
		return fmt.Sprintf("one of the statuses %v, and END_STREAM", r.statuses)
	}
	return "a status that refuses, and END_STREAM"
}

func (r refusal) want(d *dialogue) error {
	e, err := d.await(d.s.id, d.patience())
	if err != nil {
		return d.missed(err, r.String())
	}
	d.s.over = true
	switch {
	case e.kind == gotResponse && e.code/100 == 2 && r.accept != "":
		d.allow("accepted: %s", r.accept)
		d.s.over = false
		return nil
	case e.kind == gotResponse && e.code >= 300:
		return r.judge(d, e)
	case e.kind == gotReset && len(r.resets) == 0:
		d.allow("RST_STREAM %v in place of a status", frame.ErrCode(e.code))
		return nil
	case e.kind == gotReset:
		if !slices.Contains(r.resets, frame.ErrCode(e.code)) {
			d.allow("RST_STREAM %v where %v tells why", frame.ErrCode(e.code), r.resets[0])
		}
		return nil
	case (e.kind == gotGoAway || e.kind == gotGone) && len(r.resets) > 0:
		return d.escalated(e)
	}
	return &missError{r.String(), e.String()}
}

// judge looks at a response that refuses.
func (r refusal) judge(d *dialogue, e event) error {
	if len(r.statuses) > 0 && !slices.Contains(r.statuses, e.code) {
		d.allow("status %d where %v is usual", e.code, r.statuses)
	}
	for _, name := range r.fields {
		if !slices.ContainsFunc(e.fields, func(f raw.Field) bool { return f.Name == name }) {
			d.allow("status %d without %s", e.code, name)
		}
	}
	if e.end {
		return nil
	}
	e, err := d.await(d.s.id, d.patience())
	switch {
	case err != nil:
		return d.missed(err, "END_STREAM behind the refusal")
	case e.kind == gotReset:
		d.allow("RST_STREAM %v where END_STREAM belongs", frame.ErrCode(e.code))
	case e.kind != gotEnd:
		return &missError{"END_STREAM behind the refusal", e.String()}
	}
	return nil
}

// escalated is a stream error that ended the whole connection: RFC 9113 §5.4.1, "an endpoint MAY choose to treat a
// stream error as a connection error".
func (d *dialogue) escalated(e event) error {
	d.over = true
	d.allow("a stream error that costs the whole connection: %v (RFC 9113 §5.4.1)", e)
	return nil
}

// resets wants a stream error with one of the codes.
func resets(codes ...frame.ErrCode) step {
	return func(d *dialogue) error {
		wanted := fmt.Sprintf("RST_STREAM %v", codes)
		if _, err := d.ping(); err != nil { // to have an answer if the error is not seen
			return err
		}
		e, err := d.await(d.s.id, d.patience())
		switch {
		case err != nil:
			return d.missed(err, wanted)
		case e.kind == gotGoAway, e.kind == gotGone:
			return d.escalated(e)
		case e.kind != gotReset:
			return &missError{wanted, e.String()}
		case !slices.Contains(codes, frame.ErrCode(e.code)):
			d.allow("RST_STREAM %v where %v tells why", frame.ErrCode(e.code), codes[0])
		}
		d.s.over = true
		return nil
	}
}

// breaks wants a connection error with one of the codes: GOAWAY, and the end. RFC 9113 §5.4.1 has an endpoint
// SHOULD send GOAWAY first.
func breaks(codes ...frame.ErrCode) step {
	return func(d *dialogue) error {
		wanted := fmt.Sprintf("GOAWAY %v and the end of the connection", codes)
		e, err := d.await(0, d.patience())
		switch {
		case err != nil:
			return d.missed(err, wanted)
		case e.kind == gotGone:
			d.allow("the end of the connection without GOAWAY (RFC 9113 §5.4.1)")
		case e.kind == gotGoAway && e.code == uint32(frame.NoError):
			d.allow("GOAWAY NO_ERROR where %v tells why", codes[0])
		case e.kind != gotGoAway:
			return &missError{wanted, e.String()}
		case !slices.Contains(codes, frame.ErrCode(e.code)):
			d.allow("GOAWAY %v where %v tells why", frame.ErrCode(e.code), codes[0])
		}
		d.over = true
		return nil
	}
}

// breaksSoon is breaks with a PING behind, which is answered if the error was not seen.
func breaksSoon(codes ...frame.ErrCode) step {
	return func(d *dialogue) error {
		if _, err := d.ping(); err != nil {
			return err
		}
		return breaks(codes...)(d)
	}
}

// survives wants the connection alive.
func survives(d *dialogue) error { return d.barrier() }
