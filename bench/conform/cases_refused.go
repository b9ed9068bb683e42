package conform

import (
	"fmt"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// malformedCases are requests that RFC 9113 §8.1.1 calls malformed. The connection, and what comes next on it, must not
// suffer.
func malformedCases() (all []Case) {
	bad := func(name, section string, fields fieldsOf) {
		all = append(all, asked(name, section, request(fields), malforms, another))
	}
	doubtful := func(name, section, why string, fields fieldsOf) {
		all = append(all, asked(name, section, request(fields), malformsOr(why), another))
	}
	for _, name := range []string{":method", ":scheme", ":path"} {
		bad("without-"+name[1:], "RFC 8441 §4, RFC 9113 §8.3.1", without(name))
	}
	doubtful("without-authority", "RFC 9113 §8.3.1", "there is no Host either, but not every scheme needs an authority", without(":authority"))
	for _, name := range []string{":method", ":scheme", ":path", ":authority", ":protocol"} {
		bad("twice-"+name[1:], "RFC 9113 §8.3", again(name))
		bad("late-"+name[1:], "RFC 9113 §8.3", late(name))
		if name != ":authority" {
			bad("empty-"+name[1:], "RFC 9113 §8.3.1, RFC 8441 §4", set(name, ""))
		} else {
			doubtful("empty-authority", "RFC 9113 §8.3.1", "an empty authority", set(name, ""))
		}
	}
	for _, method := range []string{"GET", "POST", "OPTIONS", "connect"} {
		bad("protocol-with-"+method, "RFC 8441 §4", set(":method", method))
	}
	bad("pseudo-unknown", "RFC 9113 §8.3", front(":unknown", "1"))
	bad("pseudo-status", "RFC 9113 §8.3", front(":status", "200"))
	bad("pseudo-upper-case", "RFC 9113 §8.2.1", edit(without(":protocol"), front(":Protocol", "websocket")))
	bad("pseudo-colon-alone", "RFC 9113 §8.3", front(":", "1"))
	bad("pseudo-behind-regular", "RFC 9113 §8.3", front("x-first", "1"))
	bad("protocol-with-space", "RFC 8441 §4", set(":protocol", "web socket"))
	bad("path-relative", "RFC 9113 §8.3.1", set(":path", "chat"))
	bad("path-asterisk", "RFC 9113 §8.3.1", set(":path", "*"))
	doubtful("path-with-space", "RFC 9113 §8.3.1", "a path that is none", set(":path", "/a b"))
	doubtful("path-with-fragment", "RFC 9113 §8.3.1", "a fragment in the path", set(":path", "/a#b"))
	bad("path-with-nul", "RFC 9113 §8.2.1", set(":path", "/a\x00b"))
	doubtful("scheme-none", "RFC 3986 §3.1", "a scheme that is none", set(":scheme", "1http"))
	doubtful("authority-with-userinfo", "RFC 9113 §8.3.1", "the MUST NOT is the sender's", func(fields []raw.Field) []raw.Field {
		return set(":authority", "user@"+fields[4].Value)(fields)
	})
	doubtful("authority-with-path", "RFC 9113 §8.3.1", "an authority that is none", func(fields []raw.Field) []raw.Field {
		return set(":authority", fields[4].Value+"/x")(fields)
	})
	doubtful("host-other", "RFC 9113 §8.3.1", "it SHOULD be treated as malformed", with("host", "other.example"))
	for _, f := range []raw.Field{
		{Name: "connection", Value: "Upgrade"}, {Name: "upgrade", Value: "websocket"}, {Name: "keep-alive", Value: "timeout=5"},
		{Name: "proxy-connection", Value: "keep-alive"}, {Name: "transfer-encoding", Value: "chunked"}, {Name: "te", Value: "gzip"},
	} {
		bad("field-"+f.Name, "RFC 9113 §8.2.2, RFC 8441 §5", with(f.Name, f.Value))
	}
	for _, f := range []struct{ name, field, value string }{
		{"upper-case", "X-Upper", "1"}, {"space", "x y", "1"}, {"empty", "", "1"}, {"nul", "x\x00y", "1"}, {"8-bits", "x\xe9", "1"}, {"colon", "x:y", "1"},
		{"upper-case-websocket", "Sec-WebSocket-Protocol", "chat"},
	} {
		bad("name-"+f.name, "RFC 9113 §8.2.1", with(f.field, f.value))
	}
	for _, f := range []struct{ name, value string }{{"nul", "a\x00b"}, {"cr", "a\rb"}, {"lf", "a\nb"}} {
		bad("value-"+f.name, "RFC 9113 §8.2.1", with("x-value", f.value))
	}
	for _, f := range []struct{ name, value string }{{"space-in-front", " a"}, {"space-behind", "a "}, {"tab-behind", "a\t"}} {
		doubtful("value-"+f.name, "RFC 9113 §8.2.1", "white space at the ends, for which many recipients make an exception", with("x-value", f.value))
	}
	return append(all, malformedDataCases()...)
}

// malformedDataCases have DATA on a stream that is refused, which must not cost the connection anything.
func malformedDataCases() []Case {
	late := func(id uint32) []byte { return frame.AppendData(nil, id, 0, text("hello")) }
	return []Case{
		asked("data-behind", "RFC 9113 §5.1", request(again(":path")), frames(late), malforms, another),
		asked("data-behind-its-end", "RFC 9113 §5.1", request(again(":path")), malforms, frames(late), another),
		asked("ten", "RFC 9113 §8.1.1", repeat(10, func(int) step { return unlessOver(request(again(":path")), malforms) }), another),
	}
}

// unlessOver is steps, if the connection has not ended as it may.
func unlessOver(all ...step) step {
	return func(d *dialogue) error {
		if d.over {
			return nil
		}
		return steps(all...)(d)
	}
}

// refusedCases are requests that are well-formed, and no WebSocket.
func refusedCases() (all []Case) {
	const version = "RFC 6455 §4.2.1, §4.4"
	refused := func(name, section string, fields fieldsOf, want step) {
		all = append(all, asked(name, section, request(fields), want, another))
	}
	badVersion := refusal{statuses: []uint32{400, 426}, fields: []string{"sec-websocket-version"}}
	refused("version-none", version, without("sec-websocket-version"), refuses(400, 426))
	for _, v := range []string{"0", "7", "8", "12", "14", "99", "255"} {
		refused("version-"+v, version, set("sec-websocket-version", v), badVersion.want)
	}
	for _, v := range []struct{ name, value string }{{"empty", ""}, {"word", "abc"}, {"256", "256"}, {"minus-13", "-13"}, {"with-leading-zero", "013"}, {"list", "13, 8"}, {"hexadecimal", "0xd"}} {
		refused("version-"+v.name, version, set("sec-websocket-version", v.value), refuses(400, 426))
	}
	refused("version-twice", version, with("sec-websocket-version", "8"), refuses(400, 426))
	for _, v := range []struct{ name, value string }{{"with-space", "ch at"}, {"with-separator", "chat;x"}, {"8-bits", "ch\xe4t"}} {
		refused("subprotocol-"+v.name, "RFC 6455 §4.2.1, §11.3.4", with("sec-websocket-protocol", v.value),
			refusal{statuses: []uint32{400}, accept: "a subprotocol that is none, which nobody chose"}.want)
	}
	for _, p := range []string{"foo", "connect-udp", "connect-ip", "h2c", "websocket2", "web-socket"} {
		refused("protocol-"+p, "RFC 8441 §4, RFC 9220 §3", set(":protocol", p), refuses(501, 400))
	}
	plain := edit(without(":protocol"), without(":scheme"), without(":path"), without("sec-websocket-version"))
	refused("connect-plain", "RFC 9113 §8.5", plain, refuses(501, 405, 403, 400, 404))
	all = append(all,
		asked("connect-without-protocol", "RFC 9113 §8.5", request(without(":protocol")), malforms, another),
		asked("connect-plain-with-data", "RFC 9113 §8.5", request(plain), frames(func(id uint32) []byte { return frame.AppendData(nil, id, 0, text("hello")) }),
			refuses(501, 405, 403, 400, 404), another),
		asked("end-stream", "RFC 8441 §5", requestEnd(edit()), endedHandshake, another),
		asked("end-stream-in-early-data", "RFC 8441 §5", request(edit()), sayEnd(), accepted, ends, another),
		asked("refused-streams-are-freed", "RFC 9113 §5.1.2", repeat(200, func(int) step {
			return steps(request(set("sec-websocket-version", "99")), refuses(400, 426), endOurs)
		}), another))
	for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS"} {
		all = append(all, asked("method-"+method, "RFC 9113 §8.1", requestEnd(ordinary(method)), answered, another))
	}
	for _, f := range []raw.Field{{Name: "upgrade-insecure-requests", Value: "1"}, {Name: "sec-websocket-key", Value: "dGhlIHNhbXBsZSBub25jZQ=="}} {
		all = append(all, asked("get-with-"+f.Name, "RFC 8441 §5", requestEnd(edit(ordinary("GET"), with("sec-websocket-version", "13"), with(f.Name, f.Value))), answered, another))
	}
	return append(all, asked("post-with-body", "RFC 9113 §8.1", request(ordinary("POST")), sayEnd([]byte("a=b")), answered, another),
		asked("stream-limit", "RFC 9113 §5.1.2", overLimit))
}

// endOurs ends the client's side of a stream whose other side has ended.
func endOurs(d *dialogue) error {
	if d.s.reset {
		return nil
	}
	return d.send(frame.AppendData(nil, d.s.id, frame.FlagEndStream, nil))
}

// answered wants a whole response of any status: RFC 8441 is not about it, but pages come over the same connection.
func answered(d *dialogue) error {
	e, err := d.await(d.s.id, d.patience())
	switch {
	case err != nil:
		return d.missed(err, "a response")
	case e.kind == gotReset:
		d.allow("RST_STREAM %v in place of a response", frame.ErrCode(e.code))
	case e.kind != gotResponse:
		return &missError{"a response", e.String()}
	case e.end:
	default:
		if e, err = d.await(d.s.id, d.patience()); err != nil {
			return d.missed(err, "END_STREAM behind the response")
		}
		if e.kind != gotEnd {
			return &missError{"END_STREAM behind the response", e.String()}
		}
	}
	d.s.over = true
	return nil
}

// endedHandshake is CONNECT with END_STREAM: a WebSocket on which the client can say nothing, not even Close.
func endedHandshake(d *dialogue) error {
	e, err := d.await(d.s.id, d.patience())
	switch {
	case err != nil:
		return d.missed(err, "an answer")
	case e.kind == gotResponse && e.code >= 400:
		return refusal{statuses: []uint32{400}}.end(d, e)
	case e.kind == gotResponse && e.code == 200:
		d.allow("a WebSocket whose client has ended its side is accepted")
		if e.end {
			d.s.over = true
			return nil
		}
		return ends(d)
	case e.kind == gotReset:
		d.s.over = true
		if e.code != uint32(frame.ProtocolError) {
			d.allow("RST_STREAM %v in place of a status", frame.ErrCode(e.code))
		}
		return nil
	}
	return &missError{"status 400", e.String()}
}

// end is judge of a stream that is over then.
func (r refusal) end(d *dialogue, e event) error {
	d.s.over = true
	return r.judge(d, e)
}

// overLimit opens one stream more than MAX_CONCURRENT_STREAMS, if that is not too many to try.
func overLimit(d *dialogue) error {
	limit, limited := d.settings[frame.MaxConcurrentStreams]
	const most = 1000
	if !limited || limit > most {
		return repeat(most, func(int) step { return open })(d)
	}
	if err := repeat(int(limit), func(int) step { return open })(d); err != nil {
		return err
	}
	if err := request(edit())(d); err != nil {
		return err
	}
	if err := resets(frame.RefusedStream, frame.ProtocolError)(d); err != nil {
		return fmt.Errorf("stream %d: %w", limit+1, err)
	}
	if d.over {
		return nil
	}
	return steps(onSocket(0), say(bye(ws.CloseNormal, "")), closes(ws.CloseNormal), endOurs, another)(d)
}
