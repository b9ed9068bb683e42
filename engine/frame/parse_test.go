package frame

import (
	"bytes"
	"errors"
	"testing"
)

func TestDataLen(t *testing.T) {
	// All pad lengths against all short payloads, by the naive count: an octet
	// of pad length, then data, then padding.
	for length := uint32(1); length <= 300; length++ {
		for pad := range uint32(256) {
			n, err := DataLen(Header{length, Data, FlagPadded, 1}, uint8(pad))
			if fits := 1+pad <= length; !fits {
				wantError(t, err, ProtocolError, 0)
			} else if err != nil || 1+n+pad != length {
				t.Errorf("length %d pad %d: %d of data, error %v", length, pad, n, err)
			}
		}
	}
}

func TestParseHeaders(t *testing.T) {
	for _, test := range []struct {
		why     string
		flags   Flags
		payload string
		want    string
		bad     bool
	}{
		{"plain", 0, "828684", "828684", false},
		{"empty", 0, "", "", false},
		{"other flags do not matter", FlagEndStream | FlagEndHeaders | 0xd2, "828684", "828684", false},
		{"padded", FlagPadded, "02 828684 0000", "828684", false},
		{"padding that is not zero is tolerated", FlagPadded, "02 828684 ffff", "828684", false},
		{"padded by nothing", FlagPadded, "00 828684", "828684", false},
		{"nothing but a pad length", FlagPadded, "00", "", false},
		{"nothing but padding", FlagPadded, "02 0000", "", false},
		{"padding of the whole payload", FlagPadded, "03 0000", "", true},
		{"padding beyond the payload", FlagPadded, "ff 828684", "", true},
		{"a pad length without its padding", FlagPadded, "01", "", true},
		{"priority", FlagPriority, "00000003 0f 828684", "828684", false},
		{"exclusive priority", FlagPriority, "80000003 0f 828684", "828684", false},
		{"a stream that depends on itself", FlagPriority, "00000001 0f 828684", "828684", false},
		{"nothing but priority", FlagPriority, "00000003 0f", "", false},
		{"padded priority", FlagPadded | FlagPriority, "01 00000003 0f 82 00", "82", false},
		{"nothing but padded priority", FlagPadded | FlagPriority, "01 00000003 0f 00", "", false},
		{"padding that reaches into the priority", FlagPadded | FlagPriority, "02 00000003 0f 00", "", true},
		{"padding that covers the priority", FlagPadded | FlagPriority, "05 00000003 0f", "", true},
	} {
		t.Run(test.why, func(t *testing.T) {
			p := unhex(test.payload)
			h := Header{uint32(len(p)), Headers, test.flags, 1}
			if err := Check(h, MaxPayloadMin); err != nil {
				t.Fatalf("the header does not pass: %v", err)
			}
			got, err := ParseHeaders(h, p)
			if test.bad {
				wantError(t, err, ProtocolError, 0)
				return
			}
			if err != nil || !bytes.Equal(got, unhex(test.want)) {
				t.Errorf("fragment %x, error %v, want %s", got, err, test.want)
			}
			if len(got) > 0 && &got[0] != &p[bytes.Index(p, got)] {
				t.Errorf("the fragment is a copy")
			}
		})
	}
}

func TestParseWindowUpdate(t *testing.T) {
	for wire, want := range map[string]uint32{
		"00000001": 1, "0000ffff": 65535, "7fffffff": 1<<31 - 1,
		"80000001": 1, "ffffffff": 1<<31 - 1, // "one reserved bit" (RFC 9113 §6.9)
	} {
		for _, id := range []uint32{0, 1} {
			if got, err := ParseWindowUpdate(Header{4, WindowUpdate, 0, id}, unhex(wire)); got != want || err != nil {
				t.Errorf("%s on %d: %d, error %v, want %d", wire, id, got, err, want)
			}
		}
	}
	for _, wire := range []string{"00000000", "80000000"} {
		for _, id := range []uint32{0, 1, 1<<31 - 1} {
			_, err := ParseWindowUpdate(Header{4, WindowUpdate, 0, id}, unhex(wire))
			wantError(t, err, ProtocolError, id)
		}
	}
}

func TestParseFixed(t *testing.T) {
	if got := ParseRSTStream(unhex("00000008")); got != Cancel {
		t.Errorf("RST_STREAM: %s, want CANCEL", got)
	}
	if got := ParseRSTStream(unhex("fffffffe")); got != 0xfffffffe {
		t.Errorf("RST_STREAM: %s, want the unknown code as it is", got)
	}
	if got := ParsePing(unhex("0102030405060708")); got != [8]byte{1, 2, 3, 4, 5, 6, 7, 8} {
		t.Errorf("PING: %x", got)
	}
}

func TestParseGoAway(t *testing.T) {
	for _, test := range []struct {
		wire  string
		last  uint32
		code  ErrCode
		debug string
	}{
		{"00000005 00000001", 5, ProtocolError, ""},
		{"7fffffff 00000000", 1<<31 - 1, NoError, ""},
		{"80000005 0000000b 6869", 5, EnhanceYourCalm, "hi"},
		{"00000000 ffffffff 00", 0, 1<<32 - 1, "\x00"},
	} {
		last, code, debug := ParseGoAway(unhex(test.wire))
		if last != test.last || code != test.code || string(debug) != test.debug {
			t.Errorf("%s: last %d, %s, %q", test.wire, last, code, debug)
		}
	}
}

// wantError wants an *Error with a text that names its rule. id 0 is a
// connection error.
func wantError(t *testing.T, err error, code ErrCode, id uint32) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e == nil || e.Code != code || e.StreamID != id {
		t.Errorf("error %v, want %s on stream %d", err, code, id)
		return
	}
	if !bytes.Contains([]byte(e.Text), []byte("(RFC ")) || len(e.Text) > 100 {
		t.Errorf("%q does not name its rule shortly", e.Text)
	}
}

func TestParseAllocs(t *testing.T) {
	headers, settings, ping := unhex("01 00000003 0f 82 00"), unhex("000100001000 000400010000"), unhex("0102030405060708")
	wire := unhex("000008 06 01 00000000")
	allocs := testing.AllocsPerRun(100, func() {
		ConsumeHeader(wire)
		DataLen(Header{4, Data, FlagPadded, 1}, 9) // refused
		ParseHeaders(Header{8, Headers, FlagPadded | FlagPriority, 1}, headers)
		ParseHeaders(Header{8, Headers, FlagPadded, 1}, wire[6:]) // an empty block
		for p := settings; len(p) > 0; {
			var s Setting
			s, p = ParseSetting(p)
			s.Check()
		}
		ParsePing(ping)
		ParseGoAway(ping)
		ParseRSTStream(ping[:4])
		ParseWindowUpdate(Header{4, WindowUpdate, 0, 1}, ping[:4])
		ParseWindowUpdate(Header{4, WindowUpdate, 0, 0}, wire[5:]) // refused
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}
