package conform

import (
	"fmt"
	"slices"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// dataCases are about how messages share DATA frames, and what stands between these.
func dataCases() (all []Case) {
	const section = "RFC 8441 §5"
	for _, n := range []int{2, 10, 100} {
		all = append(all,
			socket(named("messages-in-one", n), section, say(messages(n)), wantMessages(n), alive),
			socket(named("messages-in-own", n), section, messagesInOwn(n), wantMessages(n), alive))
	}
	all = append(all,
		socket("messages-in-one-1000", section, say(messages(1000)), wantMany(1000)),
		socket("messages-in-own-1000", section, messagesInOwn(1000), wantMany(1000)))
	for _, n := range []int{1, 3, 7, 10} {
		all = append(all, socket(named("messages-100-cut", n), section, sayCut(n, messages(100)), wantMessages(100), alive))
	}
	for _, pad := range []uint8{0, 1, 100, 255} {
		all = append(all,
			socket(named("padding", pad), "RFC 9113 §6.1", sayPadded(pad, text("hello")), want(echoText("hello")), alive),
			socket(named("padding-inside-of-frame", pad), "RFC 9113 §6.1",
				sayPadded(pad, text("hello")[:7]), sayPadded(pad, text("hello")[7:]), want(echoText("hello")), alive),
			socket(named("padding-alone", pad), "RFC 9113 §6.1", sayPadded(pad), alive))
	}
	all = append(all,
		socket("padding-for-each-octet", "RFC 9113 §6.1", func(d *dialogue) error {
			for _, octet := range text("hello") {
				if err := sayPadded(3, []byte{octet})(d); err != nil {
					return err
				}
			}
			return nil
		}, want(echoText("hello")), alive),
		socket("empty-before", section, sayEach(nil, text("hello")), want(echoText("hello")), alive),
		socket("empty-inside-of-frame", section, sayEach(text("hello")[:7], nil, text("hello")[7:]), want(echoText("hello")), alive),
		socket("mixed-in-one", section,
			say(text("a"), ping("b"), bin("c"), part(ws.OpText, "d"), ping("e"), last("f"), pong("g"), text("h")),
			want(echoText("a"), ponged("b"), echoBinary("c"), ponged("e"), echoText("df"), echoText("h")), alive),
		socket("end-of-one-and-begin-of-next", section,
			sayEach(append(text("first")[:9], []byte{}...), append(text("first")[9:], text("second")[:5]...), text("second")[5:]),
			want(echoText("first"), echoText("second")), alive))
	return append(all, betweenCases()...)
}

// messagesInOwn says the messages at once, each in a DATA frame of its own.
func messagesInOwn(n int) step {
	return func(d *dialogue) error {
		var b []byte
		for i := range n {
			p := text(fmt.Sprint(i))
			b = frame.AppendData(b, d.s.id, 0, p)
			d.s.sendWindow, d.sendWindow = d.s.sendWindow-int64(len(p)), d.sendWindow-int64(len(p))
		}
		return d.send(b)
	}
}

// wantMany wants more messages than a server may be ready for. One that gives up must say so.
func wantMany(n int) step {
	return func(d *dialogue) error {
		for i := range n {
			e, err := d.await(d.s.id, d.patience())
			switch {
			case err != nil:
				return d.missed(err, echoText(fmt.Sprint(i)).String())
			case e.kind == gotClose && slices.Contains(limitCodes, closeCode(e.data)):
				d.allow("%v for %d messages at once, of which it answered %d", e, n, i)
				return d.ending()
			case !echoText(fmt.Sprint(i)).matches(e):
				return &missError{echoText(fmt.Sprint(i)).String(), e.String()}
			}
		}
		return alive(d)
	}
}

// limitCodes tell of a limit.
var limitCodes = []ws.CloseCode{ws.ClosePolicyViolation, ws.CloseTooBig, ws.CloseTryAgainLater}

// betweenCases have other frames come while a WebSocket frame is not whole.
func betweenCases() (all []Case) {
	octets := text("hello")
	for _, b := range []struct {
		name, section string
		build         func(id uint32) []byte
	}{
		{"window-update", "RFC 9113 §8.5", func(id uint32) []byte { return frame.AppendWindowUpdate(nil, id, 1) }},
		{"priority", "RFC 9113 §8.5", func(id uint32) []byte { return frame.AppendPriority(nil, id, 0, false, 15) }},
		{"settings", "RFC 9113 §6.5", func(uint32) []byte { return frame.AppendSettings(nil) }},
		{"unknown-type", "RFC 9113 §5.5", func(id uint32) []byte {
			return append(frame.AppendHeader(nil, frame.Header{Length: 5, Type: 0xfa, Flags: 0xff, StreamID: id}), "hello"...)
		}},
		{"unknown-type-on-connection", "RFC 9113 §5.5", func(uint32) []byte {
			return append(frame.AppendHeader(nil, frame.Header{Length: 5, Type: 0xbe}), "hello"...)
		}},
		{"priority-update", "RFC 9218 §7.1", func(id uint32) []byte {
			return append(frame.AppendHeader(nil, frame.Header{Length: 7, Type: 0x10}), 0, 0, 0, byte(id), 'u', '=', '1')
		}},
	} {
		all = append(all, socket("between-"+b.name, b.section,
			say(octets[:8]), frames(b.build), say(octets[8:]), want(echoText("hello")), alive))
	}
	return append(all,
		socket("between-ping", "RFC 9113 §6.7", say(octets[:8]), survives, say(octets[8:]), want(echoText("hello")), alive),
		socket("undefined-flags", "RFC 9113 §4.1",
			frames(func(id uint32) []byte { return frame.AppendData(nil, id, 0xf6, octets) }), want(echoText("hello")), alive),
		socket("reserved-bit", "RFC 9113 §4.1",
			frames(func(id uint32) []byte { return frame.AppendData(nil, id|frame.Reserved, 0, octets) }), want(echoText("hello")), alive),
		socket("request-between", "RFC 9113 §5", say(octets[:8]), another, onSocket(0), say(octets[8:]), want(echoText("hello"))))
}

// socketsCases have several WebSockets on one connection.
func socketsCases() (all []Case) {
	const section = "RFC 8441 §5"
	for _, n := range []int{2, 10, 100} {
		all = append(all, asked(named("echo", n), section,
			repeat(n, func(int) step { return open }),
			repeat(n, func(i int) step { return steps(onSocket(i), say(text(fmt.Sprint("from ", i)))) }),
			repeat(n, func(i int) step { return steps(onSocket(i), want(echoText(fmt.Sprint("from ", i)))) })))
	}
	both := steps(open, open)
	wrong := []struct {
		name string
		do   step
	}{
		{"failed", steps(say(whole(0x3, "")), fails(ws.CloseProtocolError))},
		{"not-utf8", steps(say(text("\xff")), fails(ws.CloseInvalidPayload))},
		{"closed", steps(say(bye(ws.CloseNormal, "")), closes(ws.CloseNormal))},
		{"ended", steps(sayEnd(), ends)},
		{"reset", drop(frame.Cancel)},
	}
	for _, w := range wrong {
		all = append(all, asked("other-"+w.name, section, both, onSocket(1), say(text("hello")[:8]), onSocket(0), w.do,
			onSocket(1), say(text("hello")[8:]), want(echoText("hello")), alive))
	}
	return append(all,
		asked("interleaved", section, both, repeat(11, func(i int) step {
			return steps(onSocket(0), sayEach(text("hello")[i:i+1]), onSocket(1), sayEach(bin("world")[i:i+1]))
		}), onSocket(0), want(echoText("hello")), onSocket(1), want(echoBinary("world")), alive),
		asked("fragments-interleaved", section, both,
			onSocket(0), say(part(ws.OpText, "a")), onSocket(1), say(part(ws.OpBinary, "x")),
			onSocket(0), say(more("b")), onSocket(1), say(last("y")), want(echoBinary("xy")),
			onSocket(0), say(last("c")), want(echoText("abc"))),
		asked("character-interleaved", section, both,
			onSocket(0), say(part(ws.OpText, "\xe2\x82")), onSocket(1), say(part(ws.OpText, "\xf0\x9f")),
			onSocket(0), say(last("\xac")), want(echoText("€")), onSocket(1), say(last("\x98\x80")), want(echoText("😀"))),
		asked("opened-one-after-another-100", section, repeat(100, func(int) step {
			return steps(open, alive, say(bye(ws.CloseNormal, "")), closes(ws.CloseNormal))
		})),
		asked("id-skipped", "RFC 9113 §5.1.1", open, func(d *dialogue) error { d.nextID += 200; return nil }, open, alive, onSocket(0), alive),
	)
}

// flowCases are about windows.
func flowCases() []Case {
	const section = "RFC 9113 §6.9"
	window := func(n uint32) setup {
		return setup{settings: []entry{{ID: frame.InitialWindowSize, Value: n}}, noCredit: true}
	}
	grant := func(n uint32) step {
		return func(d *dialogue) error {
			d.s.recvWindow += int64(n)
			return d.send(frame.AppendWindowUpdate(nil, d.s.id, n))
		}
	}
	all := []Case{
		socket("credit-for-200-KiB", section, repeat(50, func(i int) step {
			return steps(say(bin(payload(4096))), want(echoBinary(payload(4096))))
		}), alive),
		socket("credit-for-100-KiB-of-tiny", section, repeat(120, func(int) step { return steps(say(messages(100)), wantMessages(100)) }), alive),
		socket("credit-for-padding", "RFC 9113 §6.9.1", repeat(400, func(int) step {
			return steps(sayPadded(255, text("x")), want(echoText("x")))
		}), alive),
		socket("credit-behind-reset", "RFC 9113 §6.9", repeat(8, func(int) step {
			return steps(open, say(whole(ws.OpBinary, payload(30000))[:20000]), drop(frame.Cancel))
		}), open, say(bin(payload(60000))), want(echoBinary(payload(60000)))),
		socket("window-exceeded", section, exceed, unlessOver(windowExceeded)),
	}
	all = append(all,
		Case{Name: "window-0", Section: section, setup: window(0), steps: []step{open, say(text("hello")), survives, grant(100), want(echoText("hello"))}},
		Case{Name: "window-1-at-a-time", Section: section, setup: window(0), steps: []step{open, say(text("hello")),
			repeat(7, func(int) step { return grant(1) }), want(echoText("hello"))}},
		Case{Name: "window-10", Section: section, setup: window(10), steps: []step{open, say(text(payload(100))), survives, grant(200), want(echoText(payload(100)))}},
		Case{Name: "window-0-raised-by-settings", Section: "RFC 9113 §6.9.2", setup: window(0), steps: []step{open, say(text("hello")), survives,
			func(d *dialogue) error {
				d.s.recvWindow += 1000
				return d.send(frame.AppendSettings(nil, entry{ID: frame.InitialWindowSize, Value: 1000}))
			}, want(echoText("hello"))}},
		Case{Name: "window-0-close-waits", Section: section, setup: window(0), steps: []step{open, say(bye(ws.CloseNormal, "")), survives, grant(100), closes(ws.CloseNormal)}},
		Case{Name: "window-0-ping-waits", Section: section, setup: window(0), steps: []step{open, say(ping("x")), survives, grant(100), want(ponged("x"))}},
		Case{Name: "window-0-other-socket", Section: section, setup: window(7), steps: []step{open, say(text("hello")), want(echoText("hello")), say(text("wait")),
			open, say(text("other")), want(echoText("other")), onSocket(0), grant(100), want(echoText("wait"))}},
		socket("window-update-0", section, frames(func(id uint32) []byte { return frame.AppendWindowUpdate(nil, id, 0) }), resets(frame.ProtocolError), another),
		socket("window-update-overflow", "RFC 9113 §6.9.1", frames(func(id uint32) []byte { return frame.AppendWindowUpdate(nil, id, 1<<31-1) }),
			resets(frame.FlowControlError), another),
		socket("window-update-0-on-connection", section, frames(func(uint32) []byte { return frame.AppendWindowUpdate(nil, 0, 0) }), breaks(frame.ProtocolError)),
		socket("window-update-overflow-on-connection", "RFC 9113 §6.9.1", frames(func(uint32) []byte { return frame.AppendWindowUpdate(nil, 0, 1<<31-1) }),
			breaks(frame.FlowControlError)),
	)
	return all
}

// exceed sends one octet more than the windows allow: most of a message or, if that is too short, octets that are none.
func exceed(d *dialogue) error {
	n := int(d.window(d.s)) + 1
	const most = 1 << 24
	if n > most {
		d.allow("a window of %d octets, which is too large to exceed", n-1)
		d.over = true
		return nil
	}
	p := bin(payload(messageMax))
	if n > len(p) {
		p = make([]byte, n)
	}
	var b []byte
	for chunk := range slices.Chunk(p[:n], frame.MaxPayloadMin) {
		b = frame.AppendData(b, d.s.id, 0, chunk)
	}
	d.s.sendWindow, d.sendWindow = d.s.sendWindow-int64(n), d.sendWindow-int64(n)
	return d.send(b)
}

// windowExceeded wants a flow-control error, of the stream or the connection, unless the server had given credit by the
// time that it saw the octet too many. What is no WebSocket frame may be judged first.
func windowExceeded(d *dialogue) error {
	return d.answered("FLOW_CONTROL_ERROR", func(e event, acked bool) (bool, error) {
		switch {
		case e.kind == gotReset:
			d.s.over = true
			if e.code != uint32(frame.FlowControlError) {
				d.allow("RST_STREAM %v where FLOW_CONTROL_ERROR tells why", frame.ErrCode(e.code))
			}
			return true, nil
		case e.kind == gotGoAway, e.kind == gotGone:
			d.over = true
			if e.code != uint32(frame.FlowControlError) {
				d.allow("%v where FLOW_CONTROL_ERROR tells why", e)
			}
			return true, nil
		case acked && d.window(d.s) >= 0:
			return true, nil
		case e.kind == gotMessage:
			return true, &missError{"FLOW_CONTROL_ERROR", e.String()}
		}
		return false, nil
	})
}
