package frame

import (
	"errors"
	"strings"
	"testing"
)

// shapeRow says what Check answers to a type with these flags, on stream 0 and
// on stream 1. Each octet is the answer to one length, beginning with 0:
//
//	.  nothing
//	S  connection error FRAME_SIZE_ERROR
//	s  stream error FRAME_SIZE_ERROR
//	P  connection error PROTOCOL_ERROR
type shapeRow struct {
	typ      Type
	flags    Flags
	onZero   string
	onStream string
}

const (
	//           0         1         2
	//           012345678901234567890
	allGood  = "....................."
	misplace = "PPPPPPPPPPPPPPPPPPPPP"
)

var shapeRows = []shapeRow{
	{Data, 0, misplace, allGood},
	{Data, FlagEndStream, misplace, allGood},
	{Data, FlagPadded, misplace, "S...................."},
	{Data, FlagPriority, misplace, allGood}, // not a flag of DATA
	{Data, 0xff, misplace, "S...................."},

	{Headers, 0, misplace, allGood},
	{Headers, FlagEndStream | FlagEndHeaders, misplace, allGood},
	{Headers, FlagPadded, misplace, "S...................."},
	{Headers, FlagPriority, misplace, "SSSSS................"},
	{Headers, FlagPadded | FlagPriority, misplace, "SSSSSS..............."},
	{Headers, 0xff, misplace, "SSSSSS..............."},

	{Priority, 0, misplace, "sssss.sssssssssssssss"},
	{Priority, 0xff, misplace, "sssss.sssssssssssssss"},

	{RSTStream, 0, misplace, "SSSS.SSSSSSSSSSSSSSSS"},
	{RSTStream, 0xff, misplace, "SSSS.SSSSSSSSSSSSSSSS"},

	{Settings, 0, ".SSSSS.SSSSS.SSSSS.SS", misplace},
	{Settings, FlagAck, ".SSSSSSSSSSSSSSSSSSSS", misplace},
	{Settings, 0xfe, ".SSSSS.SSSSS.SSSSS.SS", misplace},
	{Settings, 0xff, ".SSSSSSSSSSSSSSSSSSSS", misplace},

	{PushPromise, 0, misplace, "SSSS................."},
	{PushPromise, FlagPadded, misplace, "SSSSS................"},
	{PushPromise, 0xff, misplace, "SSSSS................"},

	{Ping, 0, "SSSSSSSS.SSSSSSSSSSSS", misplace},
	{Ping, FlagAck, "SSSSSSSS.SSSSSSSSSSSS", misplace},
	{Ping, 0xff, "SSSSSSSS.SSSSSSSSSSSS", misplace},

	{GoAway, 0, "SSSSSSSS.............", misplace},
	{GoAway, 0xff, "SSSSSSSS.............", misplace},

	{WindowUpdate, 0, "SSSS.SSSSSSSSSSSSSSSS", "SSSS.SSSSSSSSSSSSSSSS"},
	{WindowUpdate, 0xff, "SSSS.SSSSSSSSSSSSSSSS", "SSSS.SSSSSSSSSSSSSSSS"},

	{Continuation, 0, misplace, allGood},
	{Continuation, FlagEndHeaders, misplace, allGood},
	{Continuation, 0xff, misplace, allGood},
}

func TestCheckTable(t *testing.T) {
	seen := map[Type]bool{}
	for _, row := range shapeRows {
		seen[row.typ] = true
		for length := range uint32(21) {
			wantAnswer(t, Header{length, row.typ, row.flags, 0}, row.onZero[length])
			wantAnswer(t, Header{length, row.typ, row.flags, 1}, row.onStream[length])
		}
	}
	for typ := Data; typ <= Continuation; typ++ {
		if !seen[typ] {
			t.Errorf("the table has no row for %s", typ)
		}
	}
}

func TestCheckToleratesUnknownTypes(t *testing.T) {
	for typ := int(Continuation) + 1; typ < 256; typ++ {
		for length := range uint32(21) {
			for _, flags := range []Flags{0, 0xff} {
				wantAnswer(t, Header{length, Type(typ), flags, 0}, '.')
				wantAnswer(t, Header{length, Type(typ), flags, 1}, '.')
			}
		}
	}
}

func TestCheckTooLong(t *testing.T) {
	for typ := range 256 {
		for _, id := range []uint32{0, 1} {
			wantAnswer(t, Header{MaxPayloadMin + 1, Type(typ), 0, id}, 'S')
			wantAnswer(t, Header{MaxPayloadMax, Type(typ), 0xff, id}, 'S')
		}
	}
	// What is as long as it may be, is not too long.
	wantAnswer(t, Header{MaxPayloadMin, Data, 0, 1}, '.')
	wantAnswer(t, Header{MaxPayloadMin, 0x2a, 0, 0}, '.')
	for typ, stream := range map[Type]uint32{Data: 1, Headers: 1, PushPromise: 1, Continuation: 1, GoAway: 0, 0xff: 0} {
		if err := Check(Header{MaxPayloadMax, typ, 0, stream}, MaxPayloadMax); err != nil {
			t.Errorf("%s of 2^24-1 octets where they are allowed: %v", typ, err)
		}
	}
}

func wantAnswer(t *testing.T, h Header, want byte) {
	t.Helper()
	err := Check(h, MaxPayloadMin)
	if got := answer(err, h.StreamID); got != want {
		t.Errorf("%s flags %#02x length %d stream %d: answer %c, want %c (%v)", h.Type, uint8(h.Flags), h.Length, h.StreamID, got, want, err)
	}
	if want == '.' || h.Length > MaxPayloadMin {
		return
	}
	if text := err.Error(); !strings.Contains(text, h.Type.String()+": ") || !strings.Contains(text, "(RFC 9113 §6.") {
		t.Errorf("%s: %q does not name the type and the rule", h.Type, text)
	}
}

// answer writes an error as the table does, '?' if the table cannot.
func answer(err error, id uint32) byte {
	if err == nil {
		return '.'
	}
	var e *Error
	switch {
	case !errors.As(err, &e) || e == nil:
		return '?'
	case e.Code == ProtocolError && e.StreamID == 0:
		return 'P'
	case e.Code == FrameSizeError && e.StreamID == 0:
		return 'S'
	case e.Code == FrameSizeError && e.StreamID == id:
		return 's'
	}
	return '?'
}

func TestCheckAllocs(t *testing.T) {
	good := []Header{{100, Data, 0xff, 1}, {8, Ping, 0, 0}, {6, Settings, 0, 0}, {4, WindowUpdate, 0, 1}, {9, 0x2a, 0, 0}}
	bad := []Header{{1 << 20, Data, 0, 1}, {0, Data, 0, 0}, {7, Ping, 0, 0}, {5, Settings, 0, 0}}
	allocs := testing.AllocsPerRun(100, func() {
		for _, h := range good {
			if Check(h, MaxPayloadMin) != nil {
				t.Errorf("%+v is refused", h)
			}
		}
		for _, h := range bad {
			if Check(h, MaxPayloadMin) == nil {
				t.Errorf("%+v passes", h)
			}
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}
