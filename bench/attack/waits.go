package attack

import (
	"fmt"
	"time"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// waits are about deadlines. What is waited for is all that takes long.
func waits() []attack {
	each := func(name, about string, want wanted, seconds int, conns int, begin func(f *foe), each func(f *foe, second int)) attack {
		return attack{name: name, about: about, want: want, waits: true, slow: seconds > 15, run: func(a *assault) *observed {
			return a.waitFor(time.Duration(seconds)*time.Second, a.n(conns), begin, each)
		}}
	}
	nothing := func(*foe, int) {}
	wait := func(name, about string, want wanted, seconds int, begin func(f *foe)) attack {
		return each(name, about, want, seconds, 10, begin, nothing)
	}
	return []attack{
		each("preface/slowloris", "500 connections that send an octet of the preface each second (GO-2026-6089)", ends, 8, 500,
			func(*foe) {}, func(f *foe, second int) { f.send([]byte{frame.Preface[second]}) }),
		wait("preface/settings-missing", "a preface without SETTINGS", ends, 8, func(f *foe) { f.send([]byte(frame.Preface)) }),
		wait("settings_ack/missing", "SETTINGS that are not acknowledged (CVE-2025-53506)", ends, 12, func(f *foe) { f.send(f.greeting()) }),
		wait("field_block/unfinished", "HEADERS whose CONTINUATION does not come", ends, 12, func(f *foe) {
			f.send(frame.AppendHeaders(frame.AppendSettingsAck(f.greeting()), 1, 0, raw.Block(f.target.Handshake())))
		}),
		wait("message/unfinished", "the beginning of a frame on each of 10 connections", resetsOrEnds, 45, func(f *foe) {
			b := raw.AppendRequest(frame.AppendSettingsAck(f.greeting()), 1, 0, f.target.Handshake())
			f.send(frame.AppendData(b, 1, 0, ws.AppendMasked(nil, ws.OpText, 1, []byte("hello"))[:3]))
		}),
		each("stream_stall/held", "echoes for which there is an octet of credit each second", resetsOrEnds, 45, 10, func(f *foe) {
			b := raw.AppendRequest(frame.AppendSettingsAck(f.greeting()), 1, 0, f.target.Handshake())
			b = frame.AppendSettings(b, frame.Setting{ID: frame.InitialWindowSize, Value: 0})
			message := ws.AppendMasked(nil, ws.OpText, 1, make([]byte, 12_000))
			for range 4 {
				b = frame.AppendData(b, 1, 0, message)
			}
			f.send(b)
		}, func(f *foe, _ int) { f.send(frame.AppendWindowUpdate(nil, 1, 1)) }),
	}
}

// resetsOrEnds wants every connection ended, or its stream.
func resetsOrEnds(o *observed) string {
	if o.figure == "" && o.ended < o.conns {
		return fmt.Sprintf("wanted every WebSocket ended, and %d are left", o.conns-o.ended)
	}
	return ""
}

// waitFor has each of n connections begin, and then say as little as it can until the time is up.
func (a *assault) waitFor(patience time.Duration, n int, begin func(f *foe), each func(f *foe, second int)) *observed {
	start := time.Now()
	o := &observed{conns: n}
	for range n {
		f, failed := a.foe(manner{silent: true, noAck: true, noCredit: true})
		if failed != nil {
			return failed
		}
		begin(f)
	}
	for second := 0; time.Since(start) < patience && a.ctx.Err() == nil && a.left() > 0; second++ {
		for _, f := range a.foes {
			if !f.over() {
				each(f, second)
			}
		}
		sleep(a.ctx, time.Second)
	}
	for _, f := range a.foes {
		o.take(f, start)
		if t := f.snapshot(); !t.closed && t.goAways == 0 && t.streamEnded() {
			o.ended++
		}
	}
	if last := a.foes[len(a.foes)-1].snapshot(); last.goAways > 0 {
		o.tally = tally{goAways: 1, code: last.code, debug: last.debug}
	} else {
		o.tally = tally{closes: last.closes, resets: last.resets}
	}
	return o
}

// left is how many connections have something to say.
func (a *assault) left() (n int) {
	for _, f := range a.foes {
		if t := f.snapshot(); !t.closed && t.goAways == 0 && !t.streamEnded() {
			n++
		}
	}
	return n
}

// streamEnded says whether the one WebSocket of a connection is over.
func (t *tally) streamEnded() bool { return len(t.closes) > 0 || len(t.resets) > 0 }
