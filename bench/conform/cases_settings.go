package conform

import (
	"h2ws/bench/raw"
	"h2ws/engine/frame"
)

// settingsCases are about the beginning of a connection.
func settingsCases() []Case {
	const section = "RFC 8441 §3"
	sends := func(all ...entry) step {
		return frames(func(uint32) []byte { return frame.AppendSettings(nil, all...) })
	}
	connect := func(v uint32) entry { return entry{ID: frame.EnableConnectProtocol, Value: v} }
	return []Case{
		asked("connect-protocol-announced", section, func(d *dialogue) error {
			if d.settings[frame.EnableConnectProtocol] != 1 {
				return &missError{"ENABLE_CONNECT_PROTOCOL=1 in the first SETTINGS", "none"}
			}
			return nil
		}),
		asked("connect-protocol-stays", section, open, alive, func(d *dialogue) error {
			if d.settings[frame.EnableConnectProtocol] != 1 {
				return &missError{"ENABLE_CONNECT_PROTOCOL=1", "another value later"}
			}
			return nil
		}),
		{Name: "before-the-preface", Section: "RFC 9113 §3.4", setup: setup{silent: true}, steps: []step{func(d *dialogue) error {
			// No rule says when a server begins. Over cleartext it may have to see what the client speaks; over TLS that has
			// been agreed on, and browsers do not wait long.
			err := d.recv(d.grace())
			switch {
			case raw.Timeout(err) && d.cfg.Target.TLS != nil:
				d.allow("SETTINGS only behind the client's preface, though ALPN has told what it speaks (RFC 9113 §3.4)")
			case err != nil && !raw.Timeout(err):
				return d.missed(err, "SETTINGS, or patience")
			}
			return d.start()
		}}},
		asked("many-streams", "RFC 9113 §6.5.2", func(d *dialogue) error {
			if n, limited := d.settings[frame.MaxConcurrentStreams]; limited && n < 100 {
				d.allow("MAX_CONCURRENT_STREAMS %d, which SHOULD be no smaller than 100", n)
			}
			return nil
		}),
		{Name: "connect-protocol-1-from-client", Section: section, setup: setup{settings: []entry{connect(1)}}, steps: []step{open, alive}},
		{Name: "connect-protocol-0-from-client", Section: section, setup: setup{settings: []entry{connect(0)}}, steps: []step{open, alive}},
		asked("connect-protocol-2-from-client", section, sends(connect(2)), errorOr("a value that MUST be 0 or 1, of a parameter that means nothing to a server")),
		{Name: "unknown-from-client", Section: "RFC 9113 §6.5.2", setup: setup{settings: []entry{{ID: 0xf00d, Value: 0xffffffff}, {ID: 0x0007, Value: 1}}}, steps: []step{open, alive}},
		{Name: "of-chromium", Section: "RFC 9113 §6.5.2", setup: setup{settings: []entry{
			{ID: frame.HeaderTableSize, Value: 65536}, {ID: frame.InitialWindowSize, Value: 6291456}, {ID: frame.MaxHeaderListSize, Value: 262144}}}, steps: []step{open, alive}},
		{Name: "of-firefox", Section: "RFC 9113 §6.5.2", setup: setup{settings: []entry{
			{ID: frame.HeaderTableSize, Value: 65536}, {ID: frame.InitialWindowSize, Value: 131072}, {ID: frame.MaxFrameSize, Value: 16384}}}, steps: []step{open, alive}},
		{Name: "table-size-0", Section: "RFC 9113 §4.3.1, RFC 7541 §4.2", setup: setup{settings: []entry{{ID: frame.HeaderTableSize, Value: 0}}}, steps: []step{open, another, alive}},
		{Name: "max-concurrent-streams-0", Section: "RFC 9113 §6.5.2", setup: setup{settings: []entry{{ID: frame.MaxConcurrentStreams, Value: 0}}}, steps: []step{open, alive}},
		{Name: "largest", Section: "RFC 9113 §6.5.2", setup: setup{settings: []entry{
			{ID: frame.HeaderTableSize, Value: 1<<32 - 1}, {ID: frame.InitialWindowSize, Value: 1<<31 - 1},
			{ID: frame.MaxFrameSize, Value: 1<<24 - 1}, {ID: frame.MaxHeaderListSize, Value: 1<<32 - 1}}}, steps: []step{open, alive}},
		asked("twice-in-one", "RFC 9113 §6.5.3", sends(entry{ID: frame.InitialWindowSize, Value: 1}, entry{ID: frame.InitialWindowSize, Value: streamWindow}), open, alive),
		asked("enable-push-2", "RFC 9113 §6.5.2", sends(entry{ID: frame.EnablePush, Value: 2}), breaksSoon(frame.ProtocolError)),
		asked("window-2-31", "RFC 9113 §6.5.2", sends(entry{ID: frame.InitialWindowSize, Value: 1 << 31}), breaksSoon(frame.FlowControlError)),
		asked("frame-size-16383", "RFC 9113 §6.5.2", sends(entry{ID: frame.MaxFrameSize, Value: 16383}), breaksSoon(frame.ProtocolError)),
	}
}

// errorOr wants a connection error, or nothing of the kind for a reason.
func errorOr(why string) step {
	return func(d *dialogue) error {
		data, err := d.ping()
		if err != nil {
			return err
		}
		e, err := d.await(0, d.patience())
		switch {
		case err != nil:
			return d.missed(err, "GOAWAY PROTOCOL_ERROR")
		case e.kind == gotPingAck && string(e.data) == string(data[:]):
			d.allow("ignored: %s", why)
			return nil
		case e.kind == gotGoAway, e.kind == gotGone:
			d.over = true
			if e.code != uint32(frame.ProtocolError) {
				d.allow("%v where PROTOCOL_ERROR tells why", e)
			}
			return nil
		}
		return &missError{"GOAWAY PROTOCOL_ERROR", e.String()}
	}
}
