package conform

import (
	"fmt"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
	"h2ws/ws"
)

func closeCases() (all []Case) {
	const codes = "RFC 6455 §7.4"
	for _, code := range []ws.CloseCode{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3001, 3500, 3999, 4000, 4001, 4500, 4999} {
		all = append(all, socket(named("code", uint16(code)), codes, say(bye(code, "")), closes(code)))
	}
	for _, code := range []ws.CloseCode{1012, 1013, 1014} { // IANA's registry, later than the RFC
		all = append(all, socket(named("code", uint16(code)), codes, say(bye(code, "")), closes(code)))
	}
	for _, code := range []ws.CloseCode{0, 1, 500, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2500, 2999, 5000, 5001, 10000, 65535} {
		all = append(all, socket(named("code", uint16(code)), codes, say(bye(code, "")), fails(ws.CloseProtocolError)))
	}
	return append(append(all, reasonCases()...), bodyCases()...)
}

func reasonCases() (all []Case) {
	const section = "RFC 6455 §5.5.1"
	for _, r := range []struct{ name, reason string }{
		{"1", "x"}, {"5", "hello"}, {"122", payload(122)}, {"123", payload(123)}, {"two-octets", "κόσμε"},
		{"three-octets", "日本語"}, {"four-octets", "😀😀"}, {"nul", "a\x00b"}, {"byte-order-mark", "\ufeffhello"}, {"noncharacter", "\uffff"},
	} {
		all = append(all, socket("reason-"+r.name, section, say(bye(ws.CloseNormal, r.reason)), closes(ws.CloseNormal)))
	}
	for _, r := range []struct{ name, reason string }{
		{"ff", "\xff"}, {"continuation", "a\x80"}, {"overlong", "\xc0\xaf"}, {"surrogate", "ab\xed\xa0\x80"},
		{"above-10ffff", "\xf4\x90\x80\x80"}, {"cut", "hello\xe2\x82"}, {"latin-1", "caf\xe9"},
	} {
		all = append(all, socket("reason-not-utf8-"+r.name, section, say(bye(ws.CloseNormal, r.reason)),
			fails(ws.CloseInvalidPayload, ws.CloseProtocolError)))
	}
	return all
}

// bodyCases are about Close frames as such.
func bodyCases() []Case {
	const section = "RFC 6455 §5.5.1"
	const empty = ws.CloseNoStatus
	return []Case{
		socket("empty", section, say(whole(ws.OpClose, "")), closes(empty)),
		socket("one-octet", section, say(whole(ws.OpClose, "\x03")), fails(ws.CloseProtocolError)),
		socket("one-octet-nul", section, say(whole(ws.OpClose, "\x00")), fails(ws.CloseProtocolError)),
		socket("cut-into-octets", "RFC 8441 §5", sayCut(1, bye(ws.CloseNormal, "goodbye")), closes(ws.CloseNormal)),
		socket("cut-in-the-code", "RFC 8441 §5", sayEach(bye(ws.CloseNormal, "goodbye")[:7], bye(ws.CloseNormal, "goodbye")[7:]), closes(ws.CloseNormal)),
		socket("with-end-stream", "RFC 8441 §5", sayEnd(bye(ws.CloseNormal, "")), closes(ws.CloseNormal)),
		socket("with-end-stream-empty", "RFC 8441 §5", sayEnd(whole(ws.OpClose, "")), closes(empty)),
		socket("then-end-stream", "RFC 8441 §5", say(bye(ws.CloseNormal, "")), sayEnd(), closes(ws.CloseNormal)),
		socket("with-padding", "RFC 9113 §6.1", sayPadded(200, bye(ws.CloseNormal, "")), closes(ws.CloseNormal)),
		socket("behind-message", section, say(text("hello"), bye(ws.CloseNormal, "")), want(echoText("hello")), closes(ws.CloseNormal)),
		socket("behind-messages-100", section, say(messages(100), bye(ws.CloseNormal, "")), wantMessages(100), closes(ws.CloseNormal)),
		socket("behind-large-message", section, say(text(payload(messageMax)), bye(ws.CloseNormal, "")),
			want(echoText(payload(messageMax))), closes(ws.CloseNormal)),
		socket("at-once", "RFC 6455 §7.1.2", say(bye(ws.CloseGoingAway, "changed my mind")), closes(ws.CloseGoingAway)),
	}
}

// messages are text messages "0" to n-1.
func messages(n int) (b []byte) {
	for i := range n {
		b = append(b, text(fmt.Sprint(i))...)
	}
	return b
}

func wantMessages(n int) step {
	return repeat(n, func(i int) step { return want(echoText(fmt.Sprint(i))) })
}

// closedCases are about what comes behind the end. A second WebSocket that echoes shows that it was seen, and
// finish that nothing came of it.
func closedCases() []Case {
	const section = "RFC 6455 §5.5.1"
	ended := []frame.ErrCode{frame.StreamClosed}
	behind := func(name string, octets ...[]byte) []Case {
		return []Case{
			socket(name+"-in-one-frame", section, say(append([][]byte{bye(ws.CloseNormal, "")}, octets...)...), closes(ws.CloseNormal), another),
			socket(name+"-in-the-next", section, sayEach(append([][]byte{bye(ws.CloseNormal, "")}, octets...)...), closes(ws.CloseNormal), another),
		}
	}
	var all []Case
	all = append(all, behind("message-behind-close", text("late"))...)
	all = append(all, behind("ping-behind-close", ping("late"))...)
	all = append(all, behind("close-behind-close", bye(ws.CloseGoingAway, "again"))...)
	all = append(all, behind("garbage-behind-close", []byte("\xff\xff\xff\xff\x00\x01\x02"))...)
	all = append(all, behind("unmasked-behind-close", wire(raw.WSFrame{Op: ws.OpText, Unmasked: true, Payload: []byte("late")}))...)
	all = append(all, behind("unfinished-behind-close", part(ws.OpText, "late"))...)
	all = append(all, behind("large-behind-close", bin(payload(10000)))...)
	return append(all,
		socket("message-behind-failure", "RFC 6455 §7.1.7", say(whole(0x3, ""), text("late")), fails(ws.CloseProtocolError), another),
		socket("close-behind-failure", "RFC 6455 §7.1.7", say(whole(0x3, ""), bye(ws.CloseNormal, "")), fails(ws.CloseProtocolError), another),
		socket("close-answers-failure", "RFC 6455 §7.1.7", say(whole(0x3, "")), fails(ws.CloseProtocolError),
			frames(func(id uint32) []byte {
				return frame.AppendData(nil, id, frame.FlagEndStream, bye(ws.CloseProtocolError, ""))
			}), another),
		socket("end-stream-behind-close", "RFC 8441 §5", say(bye(ws.CloseNormal, "")), closes(ws.CloseNormal),
			frames(func(id uint32) []byte { return frame.AppendData(nil, id, frame.FlagEndStream, nil) }), another),
		socket("reset-behind-close", "RFC 8441 §5", say(bye(ws.CloseNormal, "")), closes(ws.CloseNormal),
			drop(frame.NoError), another),
		socket("window-update-behind-close", "RFC 9113 §5.1", say(bye(ws.CloseNormal, "")), closes(ws.CloseNormal),
			frames(func(id uint32) []byte { return frame.AppendWindowUpdate(nil, id, 1000) }), another),
		socket("end-stream-without-close", "RFC 8441 §5", sayEnd(), ends, another),
		socket("end-stream-with-message", "RFC 8441 §5", sayEnd(text("last words")), endsBehind("last words"), another),
		socket("end-stream-in-frame", "RFC 8441 §5", sayEnd(text("hello")[:7]), ends, another),
		socket("end-stream-in-header", "RFC 8441 §5", sayEnd(text("hello")[:1]), ends, another),
		socket("reset", "RFC 8441 §5", drop(frame.Cancel), another),
		socket("reset-in-frame", "RFC 8441 §5", say(text("hello")[:7]),
			drop(frame.Cancel), another),
		socket("data-behind-end-stream", "RFC 9113 §5.1", sayEnd(bye(ws.CloseNormal, "")), closes(ws.CloseNormal),
			frames(func(id uint32) []byte { return frame.AppendData(nil, id, 0, text("late")) }), streamClosed),
		socket("data-behind-end-stream-without-close", "RFC 9113 §5.1",
			frames(func(id uint32) []byte {
				return frame.AppendData(frame.AppendData(nil, id, frame.FlagEndStream, nil), id, 0, text("late"))
			}), overEnd(ended)),
	)
}

// another WebSocket is opened on the connection, and echoes, unless the connection has ended as it may.
var another = unlessOver(open, alive)

// endsBehind is ends, perhaps behind the echo of what came with END_STREAM: there is nobody left that must have it.
func endsBehind(s string) step {
	return func(d *dialogue) error {
		e, err := d.await(d.s.id, d.patience())
		if err == nil && e.kind == gotMessage && string(e.data) == s {
			return ends(d)
		}
		if err == nil {
			d.events = append([]event{e}, d.events...)
		}
		return ends(d)
	}
}

// streamClosed wants STREAM_CLOSED, of the stream or the connection: RFC 9113 §5.1 has both for DATA on a stream that
// is closed. A server that has forgotten why it is closed may ignore it.
func streamClosed(d *dialogue) error {
	return d.answered("STREAM_CLOSED", func(e event, acked bool) (bool, error) {
		switch {
		case acked:
			d.allow("DATA on a closed stream is ignored (RFC 9113 §5.1)")
		case e.kind == gotReset:
			if e.code != uint32(frame.StreamClosed) && e.code != uint32(frame.NoError) {
				d.allow("RST_STREAM %v where STREAM_CLOSED tells why", frame.ErrCode(e.code))
			}
		case e.kind == gotGoAway:
			d.over = true
			if e.code != uint32(frame.StreamClosed) {
				d.allow("GOAWAY %v where STREAM_CLOSED tells why", frame.ErrCode(e.code))
			}
		case e.kind == gotGone:
			d.over = true
			d.allow("the end of the connection without GOAWAY (RFC 9113 §5.4.1)")
		default:
			return true, &missError{"STREAM_CLOSED", e.String()}
		}
		return true, nil
	})
}

// overEnd wants the end of the stream, then the error.
func overEnd(codes []frame.ErrCode) step {
	return func(d *dialogue) error {
		by := d.patience()
		for {
			e, err := d.awaitAny(by)
			switch {
			case err != nil:
				return d.missed(err, fmt.Sprintf("the end of the stream and %v", codes))
			case e.kind == gotEnd:
				d.s.over = true
				return streamClosed(d)
			case e.kind == gotReset:
				d.s.over = true
				return nil
			case e.kind == gotGoAway, e.kind == gotGone:
				return d.escalated(e)
			default:
				return &missError{"the end of the stream", e.String()}
			}
		}
	}
}
