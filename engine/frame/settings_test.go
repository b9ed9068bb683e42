package frame

import (
	"bytes"
	"slices"
	"testing"
)

func TestSettings(t *testing.T) {
	// Duplicates stay, in order: "a receiver of a SETTINGS frame does not need
	// to maintain any state other than the current value" (RFC 9113 §6.5).
	want := []Setting{
		{HeaderTableSize, 4096}, {InitialWindowSize, 1}, {InitialWindowSize, 1<<32 - 1}, {0xfefe, 7}, {0, 0},
	}
	wire := AppendSettings(nil, want...)
	if hex := unhex("00001e 04 00 00000000" +
		"0001 00001000 0004 00000001 0004 ffffffff fefe 00000007 0000 00000000"); !bytes.Equal(wire, hex) {
		t.Errorf("appended %x, want %x", wire, hex)
	}
	var got []Setting
	for p := wire[HeaderLen:]; len(p) > 0; {
		var s Setting
		s, p = ParseSetting(p)
		got = append(got, s)
	}
	if !slices.Equal(got, want) {
		t.Errorf("parsed %v, want %v", got, want)
	}
}

func TestSettingCheck(t *testing.T) {
	const largest = 1<<32 - 1
	for _, test := range []struct {
		id   SettingID
		good []uint32
		bad  []uint32
		code ErrCode
	}{
		{HeaderTableSize, []uint32{0, 4096, largest}, nil, 0},
		{EnablePush, []uint32{0, 1}, []uint32{2, largest}, ProtocolError},
		{MaxConcurrentStreams, []uint32{0, 100, largest}, nil, 0},
		{InitialWindowSize, []uint32{0, 65535, 1<<31 - 1}, []uint32{1 << 31, largest}, FlowControlError},
		{MaxFrameSize, []uint32{16384, 16385, 1<<24 - 1}, []uint32{0, 1, 16383, 1 << 24, largest}, ProtocolError},
		{MaxHeaderListSize, []uint32{0, 1, largest}, nil, 0},
		{7, []uint32{0, 1, 2, largest}, nil, 0},
		{EnableConnectProtocol, []uint32{0, 1}, []uint32{2, largest}, ProtocolError},
		{NoRFC7540Priorities, []uint32{0, 1}, []uint32{2, largest}, ProtocolError},
		{0, []uint32{0, largest}, nil, 0},
		{0xffff, []uint32{0, largest}, nil, 0},
	} {
		for _, value := range test.good {
			if err := (Setting{test.id, value}).Check(); err != nil {
				t.Errorf("%s=%d: %v", test.id, value, err)
			}
		}
		for _, value := range test.bad {
			wantError(t, Setting{test.id, value}.Check(), test.code, 0)
		}
	}
}
