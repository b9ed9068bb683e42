package conform

import (
	"fmt"
	"strings"

	"h2ws/bench/raw"
	"h2ws/ws"
)

func fragmentCases() (all []Case) {
	const section = "RFC 6455 §5.4"
	for _, t := range dataOps {
		for _, n := range []int{2, 3, 10, 100, 1000} {
			all = append(all, socket(fmt.Sprintf("%s-in-%d", t.name, n), section,
				say(fragmented(t.op, n, "abc", nil)), want(echo(t.op, strings.Repeat("abc", n))), alive))
		}
		first := func(s string) []byte { return part(t.op, s) }
		all = append(all,
			socket(t.name+"-first-empty", section, say(first(""), last("hello")), want(echo(t.op, "hello")), alive),
			socket(t.name+"-middle-empty", section, say(first("hel"), more(""), last("lo")), want(echo(t.op, "hello")), alive),
			socket(t.name+"-last-empty", section, say(first("hello"), last("")), want(echo(t.op, "hello")), alive),
			socket(t.name+"-all-empty", section, say(first(""), more(""), last("")), want(echo(t.op, "")), alive),
			socket(t.name+"-ping-between", section, say(first("hel"), ping("x"), last("lo")), want(ponged("x"), echo(t.op, "hello")), alive),
			socket(t.name+"-pong-between", section, say(first("hel"), pong("x"), last("lo")), want(echo(t.op, "hello")), alive),
			socket(t.name+"-pings-between-10", section,
				say(fragmented(t.op, 11, "abc", func(i int) []byte { return ping(fmt.Sprint(i)) })),
				want(append(pongs(10), echo(t.op, strings.Repeat("abc", 11)))...), alive),
			socket(t.name+"-ping-answered-inside", "RFC 6455 §5.5.2",
				say(first("hel"), ping("now")), want(ponged("now")), say(last("lo")), want(echo(t.op, "hello")), alive),
			socket(t.name+"-close-between", "RFC 6455 §5.4, §5.5.1", say(first("hel"), bye(ws.CloseNormal, "enough")), closes(ws.CloseNormal)),
			socket(t.name+"-unfinished-at-end", "RFC 8441 §5", say(first("hel")), sayEnd(), ends),
			socket(t.name+"-unfinished-is-not-delivered", section, say(first("hel"), more("lo"), ping("x")), want(ponged("x"))),
			socket(t.name+"-in-fragments-then-whole", section,
				say(first("hel"), last("lo"), whole(t.op, "again")), want(echo(t.op, "hello"), echo(t.op, "again")), alive),
			socket(t.name+"-large", section, say(first(payload(16384)), more(payload(30000)), last(payload(19152))),
				want(echo(t.op, payload(16384)+payload(30000)+payload(19152))), alive))
		for _, u := range dataOps {
			all = append(all,
				socket(t.name+"-with-"+u.name+"-inside", section, say(first("hel"), whole(u.op, "other"), last("lo")), fails(ws.CloseProtocolError)),
				socket(t.name+"-with-"+u.name+"-begun-inside", section, say(first("hel"), part(u.op, "oth"), last("er"), last("lo")), fails(ws.CloseProtocolError)))
		}
	}
	return append(all,
		socket("continuation-of-nothing", section, say(last("hello")), fails(ws.CloseProtocolError)),
		socket("continuation-of-nothing-empty", section, say(last("")), fails(ws.CloseProtocolError)),
		socket("continuation-of-nothing-unfinished", section, say(more("hello")), fails(ws.CloseProtocolError)),
		socket("continuation-behind-whole", section, say(text("hello"), last("more")), want(echoText("hello")), fails(ws.CloseProtocolError)),
		socket("continuation-behind-last", section, say(part(ws.OpText, "hel"), last("lo"), last("more")), want(echoText("hello")), fails(ws.CloseProtocolError)),
		socket("continuation-behind-ping", section, say(ping("x"), last("more")), want(ponged("x")), fails(ws.CloseProtocolError)),
		socket("message-begun-twice-empty", section, say(part(ws.OpText, ""), part(ws.OpText, "")), fails(ws.CloseProtocolError)),
	)
}

// fragmented is n fragments that each are p, with what between returns before all but the first.
func fragmented(op ws.Opcode, n int, p string, between func(i int) []byte) []byte {
	b := part(op, p)
	for i := 1; i < n; i++ {
		if between != nil {
			b = append(b, between(i-1)...)
		}
		b = raw.WSFrame{Open: i < n-1, Key: masking + uint32(i), Payload: []byte(p)}.Append(b)
	}
	return b
}

// pongs are the answers to "0" to n-1.
func pongs(n int) (all []wanted) {
	for i := range n {
		all = append(all, ponged(fmt.Sprint(i)))
	}
	return all
}

func controlCases() (all []Case) {
	const section = "RFC 6455 §5.5"
	for _, n := range []int{0, 1, 2, 63, 64, 124, 125} {
		all = append(all, socket(named("ping", n), "RFC 6455 §5.5.2", say(ping(payload(n))), want(ponged(payload(n))), alive))
	}
	for _, t := range controlOps {
		long := func(n int) string {
			if t.op == ws.OpClose {
				return string(ws.AppendClose(nil, ws.CloseNormal, payload(n-2)))
			}
			return payload(n)
		}
		for _, n := range []int{126, 127, 1000, 65536} {
			all = append(all, socket(fmt.Sprintf("%s-%d", t.name, n), section, say(whole(t.op, long(n))), fails(ws.CloseProtocolError)))
		}
		all = append(all,
			socket(t.name+"-126-before-its-payload", section,
				say(wire(raw.WSFrame{Op: t.op, Declared: 126})), failsInside(ws.CloseProtocolError)),
			socket(t.name+"-unfinished", section, say(part(t.op, long(10))), fails(ws.CloseProtocolError)),
			socket(t.name+"-unfinished-empty", section, say(part(t.op, "")), fails(ws.CloseProtocolError)),
			socket(t.name+"-in-fragments", section, say(part(t.op, long(10)), last("more")), fails(ws.CloseProtocolError)),
			socket(t.name+"-unfinished-in-message", section, say(part(ws.OpText, "hel"), part(t.op, long(10)), last("lo")), fails(ws.CloseProtocolError)))
	}
	return append(all,
		socket("ping-every-length", "RFC 6455 §5.5.2", repeat(126, func(n int) step {
			return steps(say(ping(payload(n))), want(ponged(payload(n))))
		}), alive),
		socket("ping-not-utf8", "RFC 6455 §5.5.2", say(ping("\x00\xff\xfe\xed\xa0\x80")), want(ponged("\x00\xff\xfe\xed\xa0\x80")), alive),
		socket("ping-cut-into-octets", "RFC 8441 §5", sayCut(1, ping("hello")), want(ponged("hello")), alive),
		socket("pings-10", "RFC 6455 §5.5.3", say(pings(10)), want(pongs(10)...), alive),
		socket("pings-100", "RFC 6455 §5.5.3", say(pings(100)), want(pongs(100)...), alive),
		socket("pings-1000-in-turn", "RFC 6455 §5.5.2", repeat(1000, func(n int) step {
			return steps(say(ping(fmt.Sprint(n))), want(ponged(fmt.Sprint(n))))
		}), alive),
		socket("ping-before-message", "RFC 6455 §5.5.2", say(ping("x"), text("hello")), want(ponged("x"), echoText("hello")), alive),
		socket("ping-behind-message", "RFC 6455 §5.5.2", say(text("hello"), ping("x")), want(echoText("hello"), ponged("x")), alive),
		socket("ping-before-close", "RFC 6455 §5.5.2", say(ping("x")), want(ponged("x")), say(bye(ws.CloseNormal, "")), closes(ws.CloseNormal)),
		socket("pong-unsolicited", "RFC 6455 §5.5.3", say(pong("hello")), alive),
		socket("pong-unsolicited-empty", "RFC 6455 §5.5.3", say(pong("")), alive),
		socket("pong-unsolicited-125", "RFC 6455 §5.5.3", say(pong(payload(125))), alive),
		socket("pongs-unsolicited-100", "RFC 6455 §5.5.3", repeat(100, func(n int) step { return say(pong(fmt.Sprint(n))) }), alive),
		socket("pong-unsolicited-then-ping", "RFC 6455 §5.5.3", say(pong("one"), ping("two")), want(ponged("two")), alive),
	)
}

func pings(n int) (b []byte) {
	for i := range n {
		b = append(b, ping(fmt.Sprint(i))...)
	}
	return b
}
