package conform

import (
	"h2ws/bench/raw"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// streamCases are about HTTP/2 frames on the stream of a WebSocket.
func streamCases() []Case {
	const trailers = "RFC 9113 §8.5"
	onStream := func(build func(b []byte, id uint32) []byte) step {
		return frames(func(id uint32) []byte { return build(nil, id) })
	}
	fields := func(flags frame.Flags, all ...raw.Field) step {
		return onStream(func(b []byte, id uint32) []byte { return raw.AppendRequest(b, id, flags, all) })
	}
	field := raw.Field{Name: "x-trailer", Value: "1"}
	all := []Case{
		socket("trailers", trailers, fields(frame.FlagEndStream, field), tunnelBroken, another),
		socket("trailers-behind-message", trailers, say(text("hello")), want(echoText("hello")), fields(frame.FlagEndStream, field), tunnelBroken, another),
		socket("trailers-in-message", trailers, say(part(ws.OpText, "hel")), fields(frame.FlagEndStream, field), tunnelBroken, another),
		socket("trailers-empty", trailers, fields(frame.FlagEndStream), tunnelBroken, another),
		socket("trailers-behind-close", trailers, say(bye(ws.CloseNormal, "")), closes(ws.CloseNormal), fields(frame.FlagEndStream, field), another),
		socket("fields-without-end-stream", "RFC 9113 §8.1, §8.5", fields(0, field), resets(frame.ProtocolError), another),
		socket("fields-with-pseudo", "RFC 9113 §8.1, §8.5", fields(frame.FlagEndStream, raw.Field{Name: ":path", Value: "/"}), resets(frame.ProtocolError), another),
		socket("fields-upper-case", "RFC 9113 §8.2.1, §8.5", fields(frame.FlagEndStream, raw.Field{Name: "X-Trailer", Value: "1"}), resets(frame.ProtocolError), another),
		socket("request-again", "RFC 9113 §8.1, §8.5", func(d *dialogue) error {
			return d.send(raw.AppendRequest(nil, d.s.id, 0, d.cfg.Target.Handshake()))
		}, resets(frame.ProtocolError), another),
		socket("push-promise", "RFC 9113 §8.4", onStream(func(b []byte, id uint32) []byte {
			return append(frame.AppendHeader(b, frame.Header{Length: 5, Type: frame.PushPromise, Flags: frame.FlagEndHeaders, StreamID: id}), 0, 0, 0, 2, 0x88)
		}), breaks(frame.ProtocolError)),
		socket("padding-too-long", "RFC 9113 §6.1", onStream(func(b []byte, id uint32) []byte {
			return append(frame.AppendHeader(b, frame.Header{Length: 3, Type: frame.Data, Flags: frame.FlagPadded, StreamID: id}), 3, 0, 0)
		}), breaks(frame.ProtocolError)),
		socket("data-too-long", "RFC 9113 §4.2", func(d *dialogue) error {
			n := 1 + max(frame.MaxPayloadMin, int(d.settings[frame.MaxFrameSize]))
			if n > frame.MaxPayloadMax {
				d.allow("MAX_FRAME_SIZE is as large as can be")
				d.over = true
				return nil
			}
			d.log.add(line{sent: true, h: frame.Header{Length: uint32(n), Type: frame.Data, StreamID: d.s.id}})
			if err := d.c.Send(frame.AppendHeader(nil, frame.Header{Length: uint32(n), Type: frame.Data, StreamID: d.s.id}), d.patience()); err != nil {
				return d.missed(err, "a server that reads")
			}
			return breaksOrResets(d, frame.FrameSizeError)
		}),
		socket("data-on-idle-stream", "RFC 9113 §5.1", onStream(func(b []byte, id uint32) []byte { return frame.AppendData(b, id+2, 0, text("hello")) }), breaksSoon(frame.ProtocolError, frame.StreamClosed)),
		socket("data-on-stream-0", "RFC 9113 §6.1", onStream(func(b []byte, _ uint32) []byte { return frame.AppendData(b, 0, 0, text("hello")) }), breaksSoon(frame.ProtocolError)),
		socket("reset-of-idle-stream", "RFC 9113 §6.4", onStream(func(b []byte, id uint32) []byte { return frame.AppendRSTStream(b, id+2, frame.Cancel) }), breaksSoon(frame.ProtocolError)),
		socket("window-update-on-idle-stream", "RFC 9113 §5.1", onStream(func(b []byte, id uint32) []byte { return frame.AppendWindowUpdate(b, id+2, 1) }), breaksSoon(frame.ProtocolError)),
		socket("id-that-goes-back", "RFC 9113 §5.1.1", func(d *dialogue) error { d.nextID = 9; return nil }, open, func(d *dialogue) error {
			return d.send(raw.AppendRequest(nil, 5, 0, d.cfg.Target.Handshake()))
		}, breaksSoon(frame.ProtocolError, frame.StreamClosed)),
		socket("id-even", "RFC 9113 §5.1.1", func(d *dialogue) error {
			return d.send(raw.AppendRequest(nil, 2, 0, d.cfg.Target.Handshake()))
		}, breaksSoon(frame.ProtocolError)),
		socket("continuation-alone", "RFC 9113 §6.10", onStream(func(b []byte, id uint32) []byte {
			return frame.AppendContinuation(b, id, frame.FlagEndHeaders, []byte{0x88})
		}), breaksSoon(frame.ProtocolError)),
		socket("data-inside-of-field-block", "RFC 9113 §4.3", func(d *dialogue) error {
			b := frame.AppendHeaders(nil, d.s.id+2, 0, raw.Block(d.cfg.Target.Handshake()))
			return d.send(frame.AppendData(b, d.s.id, 0, text("hello")))
		}, breaksSoon(frame.ProtocolError)),
		socket("goaway-of-the-client", "RFC 9113 §6.8", frames(func(uint32) []byte { return frame.AppendGoAway(nil, 0, frame.NoError, nil) }), alive),
		socket("reset-twice", "RFC 9113 §5.1, §5.4.2", drop(frame.Cancel), drop(frame.Cancel), unanswered, another),
	}
	for _, code := range []frame.ErrCode{frame.NoError, frame.InternalError, frame.StreamClosed, 0xffffffff} {
		all = append(all, socket(named("reset-with", code), "RFC 9113 §7",
			say(part(ws.OpText, "hel")), drop(code), another))
	}
	return all
}

// tunnelBroken is about HEADERS on the stream of a CONNECT that was accepted: RFC 9113 §8.5, "Frame types other than
// DATA or stream management frames (RST_STREAM, WINDOW_UPDATE, and PRIORITY) MUST NOT be sent on a connected stream and
// MUST be treated as a stream error (Section 5.4.2) if received."
func tunnelBroken(d *dialogue) error {
	e, err := d.await(d.s.id, d.patience())
	switch {
	case err != nil:
		return d.missed(err, "RST_STREAM")
	case e.kind == gotReset:
	case e.kind == gotEnd:
		d.allow("trailers taken for END_STREAM, which they carry (RFC 9113 §8.1)")
	case e.kind == gotClose:
		d.allow("trailers answered by %v", e)
		return d.ending()
	case e.kind == gotGoAway, e.kind == gotGone:
		return d.escalated(e)
	default:
		return &missError{"RST_STREAM", e.String()}
	}
	d.s.over = true
	return nil
}

// unanswered wants a frame on a stream that the client has reset ignored: "An endpoint MAY treat receipt of any other type of
// frame on a closed stream as a connection error (Section 5.4.1) of type STREAM_CLOSED" (RFC 9113 §5.1), but "MUST NOT send a
// RST_STREAM in response to a RST_STREAM frame" (§5.4.2).
func unanswered(d *dialogue) error {
	return d.answered("the ACK of a PING", func(e event, acked bool) (bool, error) {
		switch {
		case acked:
			return true, nil
		case e.kind == gotGoAway, e.kind == gotGone:
			return true, d.escalated(e)
		case e.kind == gotReset:
			return true, &missError{"no answer to RST_STREAM (RFC 9113 §5.4.2)", e.String()}
		}
		return false, nil
	})
}

// breaksOrResets wants a connection error, or a stream error, which are both right: RFC 9113 §4.2 has the former for
// frames that could alter the state of the connection.
func breaksOrResets(d *dialogue, code frame.ErrCode) error {
	by := d.patience()
	e, err := d.awaitAny(by)
	switch {
	case err != nil:
		return d.missed(err, code.String())
	case e.kind == gotGone:
		d.allow("the end of the connection without GOAWAY (RFC 9113 §5.4.1)")
	case e.kind != gotGoAway && e.kind != gotReset:
		return &missError{code.String(), e.String()}
	case e.code != uint32(code):
		d.allow("%v where %v tells why", e, code)
	}
	d.over = true
	return nil
}
