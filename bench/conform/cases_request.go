package conform

import (
	"fmt"
	"strings"

	"golang.org/x/net/http2/hpack"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// opens is a request that must be accepted, and a WebSocket that works.
func opens(name, section string, fields fieldsOf) Case {
	return asked(name, section, request(fields), accepted, alive)
}

// handshakeCases are opening handshakes that are right.
func handshakeCases() []Case {
	const section = "RFC 8441 §5"
	all := []Case{
		opens("minimal", section, edit()),
		asked("scheme-http", "RFC 8441 §4, RFC 9110 §7.4", schemed("http")),
		asked("scheme-https", "RFC 8441 §4, RFC 9110 §7.4", schemed("https")),
		opens("origin-same", "RFC 6455 §4.2.2", func(fields []raw.Field) []raw.Field {
			return with("origin", fields[2].Value+"://"+fields[4].Value)(fields)
		}),
		opens("host-too", "RFC 9113 §8.3.1", func(fields []raw.Field) []raw.Field { return with("host", fields[4].Value)(fields) }),
		opens("user-agent", section, with("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")),
		opens("te-trailers", "RFC 9113 §8.2.2", with("te", "trailers")),
		opens("unknown-fields", section, edit(with("x-a", "1"), with("x-b", ""), with("x-a", "2"))),
		opens("obs-text", "RFC 9110 §5.5", with("x-text", "caf\xe9 \xff")),
		opens("cookie-crumbs", "RFC 9113 §8.2.3", edit(with("cookie", "a=b"), with("cookie", "c=d"), with("cookie", "e=f"))),
		opens("sec-websocket-key", "RFC 8441 §5", with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")),
		opens("accept-encoding", section, edit(with("accept-encoding", "gzip, deflate, br"), with("accept-language", "en"), with("cache-control", "no-cache"), with("pragma", "no-cache"))),
		opens("priority", "RFC 9218 §5", with("priority", "u=1, i")),
		asked("content-length-0", "RFC 9110 §9.3.6", request(with("content-length", "0")), accepted, uncounted),
		opens("field-of-4-KiB", "RFC 9113 §10.5.1", with("x-long", strings.Repeat("x", 4096))),
		opens("fields-40", "RFC 9113 §10.5.1", func(fields []raw.Field) []raw.Field {
			for i := range 40 {
				fields = append(fields, raw.Field{Name: fmt.Sprint("x-", i), Value: "1"})
			}
			return fields
		}),
	}
	for _, name := range []string{"WebSocket", "WEBSOCKET", "webSocket"} {
		all = append(all, asked("protocol-"+name, "RFC 8441 §4, RFC 9110 §7.8", request(set(":protocol", name)),
			refusal{statuses: []uint32{200}, accept: "-"}.caseless, alive))
	}
	for i, order := range [][]string{
		{":method", ":scheme", ":authority", ":path", ":protocol"}, // nghttp2
		{":method", ":authority", ":scheme", ":path", ":protocol"}, // Chromium
		{":method", ":path", ":authority", ":scheme", ":protocol"}, // Firefox
		{":protocol", ":path", ":authority", ":scheme", ":method"},
		{":authority", ":protocol", ":method", ":path", ":scheme"},
		{":scheme", ":path", ":protocol", ":method", ":authority"},
	} {
		all = append(all, opens(named("order", i+1), "RFC 9113 §8.3", ordered(order...)))
	}
	return append(append(all, encodedCases()...), earlyCases()...)
}

// schemed is an opening handshake for a scheme, which must be accepted if it is the target's. For the other, "Unless the
// connection is from a trusted gateway, an origin server MUST reject a request if any scheme-specific requirements for the
// target URI are not met" (RFC 9110 §7.4): what the connection is from, only the server knows.
func schemed(scheme string) step {
	return func(d *dialogue) error {
		if err := request(set(":scheme", scheme))(d); err != nil {
			return err
		}
		if scheme == d.cfg.Target.Scheme() {
			return steps(accepted, alive)(d)
		}
		return refusal{statuses: []uint32{421, 400, 403}}.orAccept(d)
	}
}

// uncounted is about content-length on CONNECT, whose content has no meaning (RFC 9110 §9.3.6): a server may ignore it, or
// hold the client to it.
func uncounted(d *dialogue) error {
	if err := say(text("hello"))(d); err != nil {
		return err
	}
	e, err := d.await(d.s.id, d.patience())
	if err == nil && e.kind == gotReset {
		d.allow("a content-length on CONNECT that is taken seriously (RFC 9113 §8.1.1)")
		d.s.over = true
		return nil
	}
	d.events = append([]event{e}, d.events...)
	return want(echoText("hello"))(d)
}

// caseless wants the WebSocket: tokens of Upgrade are compared without regard to case (RFC 9110 §7.8), and proxies pass
// on what they were told. RFC 8441 does not say whether that goes for :protocol.
func (r refusal) caseless(d *dialogue) error {
	e, err := d.await(d.s.id, d.patience())
	switch {
	case err != nil:
		return d.missed(err, "status 200")
	case e.kind == gotResponse && e.code == 200 && !e.end:
		return nil
	case e.kind == gotResponse && e.code >= 400:
		d.allow("status %d: :protocol compared with regard to case", e.code)
		d.s.over, d.over = true, true
		return nil
	}
	return &missError{"status 200", e.String()}
}

// encodedCases say the same in other octets.
func encodedCases() []Case {
	const section = "RFC 9113 §6.2, §6.10"
	as := func(name, section string, build func(id uint32, block []byte) []byte) Case {
		return asked(name, section, requestAs(edit(), func(id uint32, fields []raw.Field) []byte { return build(id, raw.Block(fields)) }), accepted, alive)
	}
	all := []Case{
		as("headers-padded", section, func(id uint32, block []byte) []byte {
			p := append(append([]byte{200}, block...), make([]byte, 200)...)
			return frame.AppendHeaders(nil, id, frame.FlagEndHeaders|frame.FlagPadded, p)
		}),
		as("headers-priority", section, func(id uint32, block []byte) []byte {
			return frame.AppendHeaders(nil, id, frame.FlagEndHeaders|frame.FlagPriority, append([]byte{0x80, 0, 0, 0, 255}, block...))
		}),
		as("continuation-1", section, func(id uint32, block []byte) []byte { return inParts(id, block, len(block)/2) }),
		as("continuation-4", section, func(id uint32, block []byte) []byte { return inParts(id, block, len(block)/4) }),
		as("continuation-behind-empty-headers", section, func(id uint32, block []byte) []byte {
			return frame.AppendContinuation(frame.AppendHeaders(nil, id, 0, nil), id, frame.FlagEndHeaders, block)
		}),
		as("continuation-empty-last", section, func(id uint32, block []byte) []byte {
			return frame.AppendContinuation(frame.AppendHeaders(nil, id, 0, block), id, frame.FlagEndHeaders, nil)
		}),
		as("table-size-update", "RFC 7541 §6.3", func(id uint32, block []byte) []byte {
			return frame.AppendHeaders(nil, id, frame.FlagEndHeaders, append([]byte{0x20, 0x3f, 0xe1, 0x1f}, block...)) // 0, then 4,096
		}),
		asked("never-indexed", "RFC 7541 §6.2.3", request(func(fields []raw.Field) []raw.Field {
			for i := range fields {
				fields[i].Sensitive = true
			}
			return fields
		}), accepted, alive),
		asked("dynamic-table", "RFC 7541 §6.2.1", dynamic(3)),
		asked("octet-for-octet", "RFC 9113 §4.1", func(d *dialogue) error {
			s := d.newStream(d.cfg.Target.Handshake())
			d.log.addSent(raw.AppendRequest(nil, s.id, 0, s.request), s.request)
			b := raw.AppendRequest(nil, s.id, 0, s.request)
			for i := range b {
				if err := d.c.Send(b[i:i+1], d.patience()); err != nil {
					return d.missed(err, "a server that reads")
				}
			}
			return nil
		}, accepted, alive),
	}
	return all
}

// inParts is a field block in parts of n octets.
func inParts(id uint32, block []byte, n int) []byte {
	b := frame.AppendHeaders(nil, id, 0, block[:n])
	for block = block[n:]; len(block) > n; block = block[n:] {
		b = frame.AppendContinuation(b, id, 0, block[:n])
	}
	return frame.AppendContinuation(b, id, frame.FlagEndHeaders, block)
}

// dynamic opens WebSockets whose fields are in the dynamic table from the second on.
func dynamic(n int) step {
	return func(d *dialogue) error {
		var block strings.Builder
		e := hpack.NewEncoder(&block)
		for range n {
			build := func(id uint32, fields []raw.Field) []byte {
				block.Reset()
				for _, f := range fields {
					e.WriteField(f)
				}
				return frame.AppendHeaders(nil, id, frame.FlagEndHeaders, []byte(block.String()))
			}
			if err := steps(requestAs(with("x-table", "entry"), build), accepted, alive)(d); err != nil {
				return err
			}
		}
		return nil
	}
}

// earlyCases send DATA before the response has come, as RFC 9110 §9.3.6 lets a client do at its own risk.
func earlyCases() []Case {
	const section = "RFC 9110 §9.3.6, RFC 8441 §5"
	early := func(octets ...[]byte) step {
		return steps(request(edit()), say(octets...), accepted)
	}
	return []Case{
		asked("early-message", section, early(text("hello")), want(echoText("hello")), alive),
		asked("early-message-cut", section, early(text("hello")[:7]), say(text("hello")[7:]), want(echoText("hello")), alive),
		asked("early-ping", section, early(ping("x")), want(ponged("x")), alive),
		asked("early-messages-100", section, early(messages(100)), wantMessages(100), alive),
		asked("early-close", section, early(bye(ws.CloseNormal, "")), closes(ws.CloseNormal)),
		asked("early-unmasked", section, early(wire(raw.WSFrame{Op: ws.OpText, Unmasked: true, Payload: []byte("hello")})), fails(ws.CloseProtocolError)),
	}
}

// acceptCases look at what is said with 200. Every response is judged besides, in every case.
func acceptCases() []Case {
	const section = "RFC 6455 §4.2.2, RFC 8441 §5"
	all := []Case{
		asked("status-200", "RFC 8441 §5", open),
		asked("extension-unknown", "RFC 6455 §9.1", request(with("sec-websocket-extensions", "x-conform; a=1")), accepted, alive),
		asked("extension-deflate", "RFC 7692 §7", request(with("sec-websocket-extensions", "permessage-deflate; client_max_window_bits")), accepted, alive),
		asked("subprotocol-one", section, request(with("sec-websocket-protocol", "chat")), accepted, alive),
		asked("subprotocol-three", section, request(with("sec-websocket-protocol", "chat, superchat, x.y")), accepted, alive),
		asked("subprotocol-in-two-fields", "RFC 6455 §11.3.4", request(edit(with("sec-websocket-protocol", "chat"), with("sec-websocket-protocol", "superchat"))), accepted, alive),
		asked("subprotocol-none", section, request(edit()), accepted, alive),
		asked("origin-other", "RFC 6455 §10.2", request(with("origin", "https://other.example")), refusal{statuses: []uint32{403}}.orAccept),
		asked("origin-null", "RFC 6455 §10.2", request(with("origin", "null")), refusal{statuses: []uint32{403}}.orAccept),
	}
	return all
}

// orAccept is a refusal that is the server's choice.
func (r refusal) orAccept(d *dialogue) error {
	e, err := d.await(d.s.id, d.patience())
	switch {
	case err != nil:
		return d.missed(err, "an answer")
	case e.kind == gotResponse && e.code == 200 && !e.end:
		return alive(d)
	case e.kind == gotResponse && e.code >= 400:
		return r.end(d, e)
	case e.kind == gotReset:
		d.s.over = true
		d.allow("RST_STREAM %v in place of a status", frame.ErrCode(e.code))
		return nil
	}
	return &missError{"status 200, or " + r.String(), e.String()}
}
