package conform

import (
	"fmt"
	"strings"

	"h2ws/bench/raw"
	"h2ws/ws"
)

// payload is n octets of text that is different everywhere, and no command of a server.
func payload(n int) string {
	var b strings.Builder
	b.Grow(n + 8)
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d,", i)
	}
	return b.String()[:n]
}

// messageMax is more than every server must take, and what most take: 64 KiB.
const messageMax = 1 << 16

var dataOps = []struct {
	name string
	op   ws.Opcode
}{{"text", ws.OpText}, {"binary", ws.OpBinary}}

var controlOps = []struct {
	name string
	op   ws.Opcode
}{{"ping", ws.OpPing}, {"pong", ws.OpPong}, {"close", ws.OpClose}}

func lengthCases() (all []Case) {
	for _, t := range dataOps {
		for _, n := range []int{0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 16383, 16384, 32768, 65535, messageMax} {
			p := payload(n)
			all = append(all, socket(fmt.Sprintf("%s-%d", t.name, n), "RFC 6455 §5.2", say(whole(t.op, p)), want(echo(t.op, p)), alive))
		}
	}
	return append(append(all, longCases()...), declaredCases()...)
}

// longCases tell a length in more octets than it takes. What the receiver does is not said, but a server that
// takes them accepts two spellings of one frame.
func longCases() (all []Case) {
	const section = "RFC 6455 §5.2"
	const why = "a length not in its shortest form: the MUST is the sender's (RFC 6455 §5.2)"
	for _, t := range dataOps {
		for _, long := range []struct {
			form raw.Form
			n    int
		}{{raw.Form16, 0}, {raw.Form16, 1}, {raw.Form16, 125}, {raw.Form64, 0}, {raw.Form64, 1}, {raw.Form64, 125}, {raw.Form64, 126}, {raw.Form64, 65535}} {
			p := payload(long.n)
			name := fmt.Sprintf("%s-%d-in-%d-bits", t.name, long.n, 16<<(2*(long.form-raw.Form16)))
			all = append(all, socket(name, section,
				say(wire(raw.WSFrame{Op: t.op, Form: long.form, Payload: []byte(p)})),
				failsOr(ws.CloseProtocolError, why, echo(t.op, p))))
		}
	}
	for _, form := range []raw.Form{raw.Form16, raw.Form64} {
		all = append(all, socket(fmt.Sprintf("ping-5-in-%d-bits", 16<<(2*(form-raw.Form16))), section,
			say(wire(raw.WSFrame{Op: ws.OpPing, Form: form, Payload: []byte("hello")})),
			failsOr(ws.CloseProtocolError, why, ponged("hello"))))
	}
	return all
}

// declaredCases declare more than ever comes.
func declaredCases() (all []Case) {
	for _, t := range dataOps {
		for _, n := range []uint64{1 << 63, 1<<63 + 5, 1<<64 - 1} {
			all = append(all, socket(fmt.Sprintf("%s-%#x", t.name, n), "RFC 6455 §5.2",
				say(wire(raw.WSFrame{Op: t.op, Form: raw.Form64, Declared: n, Payload: []byte("hello")})),
				failsInside(ws.CloseProtocolError)))
		}
		for _, n := range []uint64{1<<63 - 1, 1 << 62, 1 << 40, 1 << 32} {
			all = append(all, socket(fmt.Sprintf("%s-%#x", t.name, n), "RFC 6455 §10.4",
				say(wire(raw.WSFrame{Op: t.op, Form: raw.Form64, Declared: n, Payload: []byte("hello")})),
				failure{codes: []ws.CloseCode{ws.CloseTooBig}, open: true, ignored: "a limit that shows late, or not at all (RFC 6455 §10.4)"}.want))
		}
		all = append(all, socket(t.name+"-declared-in-fragments", "RFC 6455 §10.4",
			say(part(t.op, "first"), wire(raw.WSFrame{Op: ws.OpContinuation, Form: raw.Form64, Declared: 1<<63 - 1, Payload: []byte("hello")})),
			failure{codes: []ws.CloseCode{ws.CloseTooBig}, open: true, ignored: "a limit that shows late, or not at all (RFC 6455 §10.4)"}.want))
	}
	return all
}

func reservedCases() (all []Case) {
	ops := append([]struct {
		name string
		op   ws.Opcode
	}{}, dataOps...)
	for _, t := range append(ops, controlOps...) {
		for rsv := byte(1); rsv < 8; rsv++ {
			body := "hello"
			if t.op == ws.OpClose {
				body = string(ws.AppendClose(nil, ws.CloseNormal, ""))
			}
			all = append(all, socket(fmt.Sprintf("rsv-%d-%s", rsv, t.name), "RFC 6455 §5.2",
				say(wire(raw.WSFrame{Op: t.op, RSV: rsv, Payload: []byte(body)})), fails(ws.CloseProtocolError)))
		}
	}
	for rsv := byte(1); rsv < 8; rsv++ {
		all = append(all, socket(named("rsv-continuation", rsv), "RFC 6455 §5.2",
			say(part(ws.OpText, "hel"), wire(raw.WSFrame{RSV: rsv, Payload: []byte("lo")})), fails(ws.CloseProtocolError)))
	}
	for _, op := range []ws.Opcode{0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		all = append(all,
			socket(fmt.Sprintf("opcode-%#x-empty", byte(op)), "RFC 6455 §5.2", say(whole(op, "")), fails(ws.CloseProtocolError)),
			socket(fmt.Sprintf("opcode-%#x", byte(op)), "RFC 6455 §5.2",
				say(text("first"), whole(op, "hello"), text("third")), want(echoText("first")), fails(ws.CloseProtocolError)),
			socket(fmt.Sprintf("opcode-%#x-in-message", byte(op)), "RFC 6455 §5.2",
				say(part(ws.OpText, "hel"), whole(op, ""), last("lo")), fails(ws.CloseProtocolError)))
	}
	return all
}

func maskCases() (all []Case) {
	const section = "RFC 6455 §5.1"
	unmasked := func(op ws.Opcode, p string) []byte {
		return wire(raw.WSFrame{Op: op, Unmasked: true, Payload: []byte(p)})
	}
	for _, key := range []uint32{0x00000001, 0xff000000, 0x00ff0000, 0x0000ff00, 0x80808080, 0xffffffff} {
		p := payload(131)
		all = append(all, socket(fmt.Sprintf("key-%#08x", key), "RFC 6455 §5.3",
			say(wire(raw.WSFrame{Op: ws.OpText, Key: key, Payload: []byte(p)})), want(echoText(p)), alive))
	}
	// A key of zero leaves the octets as they are; the bit is what counts.
	zero := append([]byte{0x81, 0x85, 0, 0, 0, 0}, "hello"...)
	all = append(all,
		socket("key-zero", "RFC 6455 §5.3", say(zero), want(echoText("hello")), alive),
		socket("key-new-for-each-fragment", "RFC 6455 §5.3",
			say(wire(raw.WSFrame{Op: ws.OpText, Open: true, Key: 0x01020304, Payload: []byte("hello")}),
				wire(raw.WSFrame{Key: 0xfdb97531, Payload: []byte(" again")})),
			want(echoText("hello again")), alive),
		socket("unmasked-behind-masked", section, say(text("first"), unmasked(ws.OpText, "second")),
			want(echoText("first")), fails(ws.CloseProtocolError)),
		socket("unmasked-continuation", section, say(part(ws.OpText, "hel"), unmasked(ws.OpContinuation, "lo")),
			fails(ws.CloseProtocolError)))
	for _, t := range dataOps {
		all = append(all,
			socket("unmasked-"+t.name, section, say(unmasked(t.op, "hello")), fails(ws.CloseProtocolError)),
			socket("unmasked-"+t.name+"-empty", section, say(unmasked(t.op, "")), fails(ws.CloseProtocolError)))
	}
	for _, t := range controlOps {
		p := "hello"
		if t.op == ws.OpClose {
			p = string(ws.AppendClose(nil, ws.CloseNormal, ""))
		}
		all = append(all, socket("unmasked-"+t.name, section, say(unmasked(t.op, p)), fails(ws.CloseProtocolError)))
	}
	return all
}
