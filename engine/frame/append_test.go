package frame

import (
	"bytes"
	"testing"
)

// appendVectors have the frames in the columns of RFC 9113: length, type,
// flags, stream, payload.
var appendVectors = []struct {
	why  string
	wire string
	got  []byte
}{
	{"DATA", "000005 00 00 00000001 68656c6c6f", AppendData(nil, 1, 0, []byte("hello"))},
	{"the empty DATA that ends a stream", "000000 00 01 7fffffff", AppendData(nil, 1<<31-1, FlagEndStream, nil)},
	{"HEADERS", "000003 01 05 00000003 828684", AppendHeaders(nil, 3, FlagEndStream|FlagEndHeaders, unhex("828684"))},
	{"the beginning of HEADERS", "000001 01 00 00000003 82", AppendHeaders(nil, 3, 0, unhex("82"))},
	{"CONTINUATION", "000002 09 04 00000003 8684", AppendContinuation(nil, 3, FlagEndHeaders, unhex("8684"))},
	{"PRIORITY", "000005 02 00 00000003 00000001 0f", AppendPriority(nil, 3, 1, false, 15)},
	{"exclusive PRIORITY", "000005 02 00 00000003 ffffffff ff", AppendPriority(nil, 3, 1<<31-1, true, 255)},
	{"RST_STREAM", "000004 03 00 00000001 00000008", AppendRSTStream(nil, 1, Cancel)},
	{"no SETTINGS", "000000 04 00 00000000", AppendSettings(nil)},
	{"SETTINGS", "00000c 04 00 00000000 0008 00000001 0003 00000064", AppendSettings(nil, Setting{EnableConnectProtocol, 1}, Setting{MaxConcurrentStreams, 100})},
	{"SETTINGS ACK", "000000 04 01 00000000", AppendSettingsAck(nil)},
	{"PING", "000008 06 00 00000000 0102030405060708", AppendPing(nil, false, [8]byte{1, 2, 3, 4, 5, 6, 7, 8})},
	{"PING ACK", "000008 06 01 00000000 0102030405060708", AppendPing(nil, true, [8]byte{1, 2, 3, 4, 5, 6, 7, 8})},
	{"GOAWAY", "000008 07 00 00000000 7fffffff 00000000", AppendGoAway(nil, 1<<31-1, NoError, nil)},
	{"GOAWAY with a word", "00000a 07 00 00000000 00000005 0000000b 6869", AppendGoAway(nil, 5, EnhanceYourCalm, []byte("hi"))},
	{"WINDOW_UPDATE", "000004 08 00 00000000 0000ffff", AppendWindowUpdate(nil, 0, 65535)},
	{"WINDOW_UPDATE of a stream", "000004 08 00 00000001 7fffffff", AppendWindowUpdate(nil, 1, 1<<31-1)},
}

func TestAppend(t *testing.T) {
	for _, v := range appendVectors {
		t.Run(v.why, func(t *testing.T) {
			if want := unhex(v.wire); !bytes.Equal(v.got, want) {
				t.Errorf("appended %x, want %x", v.got, want)
			}
			h, n := ConsumeHeader(v.got)
			if err := Check(h, MaxPayloadMin); err != nil || int(h.Length) != len(v.got)-n {
				t.Errorf("our own frame does not pass: %+v %v", h, err)
			}
		})
	}
}

// TestAppendAppends makes sure that nothing before is touched, and that a
// slice with room is used.
func TestAppendAppends(t *testing.T) {
	for why, f := range map[string]func(b []byte) []byte{
		"DATA":          func(b []byte) []byte { return AppendData(b, 1, 0, []byte("hello")) },
		"HEADERS":       func(b []byte) []byte { return AppendHeaders(b, 1, 0, []byte("hello")) },
		"CONTINUATION":  func(b []byte) []byte { return AppendContinuation(b, 1, 0, []byte("hello")) },
		"PRIORITY":      func(b []byte) []byte { return AppendPriority(b, 1, 3, true, 0) },
		"RST_STREAM":    func(b []byte) []byte { return AppendRSTStream(b, 1, Cancel) },
		"SETTINGS":      func(b []byte) []byte { return AppendSettings(b, Setting{MaxFrameSize, 1}, Setting{EnablePush, 0}) },
		"SETTINGS ACK":  AppendSettingsAck,
		"PING":          func(b []byte) []byte { return AppendPing(b, true, [8]byte{}) },
		"GOAWAY":        func(b []byte) []byte { return AppendGoAway(b, 1, NoError, []byte("hello")) },
		"WINDOW_UPDATE": func(b []byte) []byte { return AppendWindowUpdate(b, 1, 1) },
	} {
		alone := f(nil)
		space := append(make([]byte, 0, 100), "before"...)
		got := f(space)
		if !bytes.Equal(got, append([]byte("before"), alone...)) || &got[0] != &space[0] {
			t.Errorf("%s: appended %x behind %q", why, got, space)
		}
		if allocs := testing.AllocsPerRun(100, func() { f(space) }); allocs != 0 {
			t.Errorf("%s: %v allocations, want 0", why, allocs)
		}
	}
}
