package frame

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// textVectors are canonical: the line is what AppendText writes for the wire,
// and the wire what ParseText reads from the line.
var textVectors = []struct{ line, wire string }{
	{`DATA 1`, "000000 00 00 00000001"},
	{`DATA 1 END_STREAM`, "000000 00 01 00000001"},
	{`DATA 1 END_STREAM "text"`, "000004 00 01 00000001 74657874"},
	{`DATA 1 "ab"`, "000002 00 00 00000001 6162"},
	{`DATA 1 "say \"\\\""`, "000007 00 00 00000001 73617920225c22"},
	{`DATA 1 0x8105 "hello"`, "000007 00 00 00000001 8105 68656c6c6f"},
	{`DATA 1 0x8103616263`, "000005 00 00 00000001 8103 616263"},
	{`DATA 1 0x00 "four" 0x00 "more"`, "00000a 00 00 00000001 00 666f7572 00 6d6f7265"},
	{`DATA 1 0x6162630a "four"`, "000008 00 00 00000001 6162630a 666f7572"},
	{`DATA 1 0x7f80`, "000002 00 00 00000001 7f80"},
	{`DATA 1 pad=0 "text"`, "000005 00 08 00000001 00 74657874"},
	{`DATA 1 END_STREAM pad=3 "text"`, "000008 00 09 00000001 03 74657874 000000"},
	{`DATA 1 pad=3`, "000004 00 08 00000001 03 000000"},
	{`DATA 0 "x"`, "000001 00 00 00000000 78"},
	{`DATA 2147483647`, "000000 00 00 7fffffff"},

	{`HEADERS 1 END_STREAM|END_HEADERS 0x828684`, "000003 01 05 00000001 828684"},
	{`HEADERS 1 0x41424344`, "000004 01 00 00000001 41424344"},
	{`HEADERS 1`, "000000 01 00 00000001"},
	{`HEADERS 1 END_HEADERS pad=2 0x82`, "000004 01 0c 00000001 02 82 0000"},
	{`HEADERS 1 END_HEADERS dep=0 weight=16 0x82`, "000006 01 24 00000001 00000000 0f 82"},
	{`HEADERS 1 dep=2147483647 weight=256 exclusive`, "000005 01 20 00000001 ffffffff ff"},
	{`HEADERS 3 END_STREAM|END_HEADERS pad=1 dep=1 weight=1 exclusive 0x8286`, "000009 01 2d 00000003 01 80000001 00 8286 00"},

	{`PRIORITY 3 dep=1 weight=16`, "000005 02 00 00000003 00000001 0f"},
	{`PRIORITY 3 dep=3 weight=256 exclusive`, "000005 02 00 00000003 80000003 ff"},

	{`RST_STREAM 1 CANCEL`, "000004 03 00 00000001 00000008"},
	{`RST_STREAM 1 HTTP_1_1_REQUIRED`, "000004 03 00 00000001 0000000d"},
	{`RST_STREAM 1 0x0e`, "000004 03 00 00000001 0000000e"},
	{`RST_STREAM 0 0xffffffff`, "000004 03 00 00000000 ffffffff"},

	{`SETTINGS`, "000000 04 00 00000000"},
	{`SETTINGS ACK`, "000000 04 01 00000000"},
	{`SETTINGS ENABLE_CONNECT_PROTOCOL=1 MAX_CONCURRENT_STREAMS=100`, "00000c 04 00 00000000 000800000001 000300000064"},
	{`SETTINGS INITIAL_WINDOW_SIZE=4294967295 INITIAL_WINDOW_SIZE=0`, "00000c 04 00 00000000 0004ffffffff 000400000000"},
	{`SETTINGS 0x00=1 0x07=2 0x2a=3 0xffff=4`, "000018 04 00 00000000 000000000001 000700000002 002a00000003 ffff00000004"},

	{`PUSH_PROMISE 1 END_HEADERS promised=2 0x8286`, "000006 05 04 00000001 00000002 8286"},
	{`PUSH_PROMISE 1 pad=2 promised=2147483647`, "000007 05 08 00000001 02 7fffffff 0000"},

	{`PING 0x0102030405060708`, "000008 06 00 00000000 0102030405060708"},
	{`PING ACK 0x3132333435363738`, "000008 06 01 00000000 3132333435363738"},

	{`GOAWAY last=1 NO_ERROR`, "000008 07 00 00000000 00000001 00000000"},
	{`GOAWAY last=1 PROTOCOL_ERROR "debug"`, "00000d 07 00 00000000 00000001 00000001 6465627567"},
	{`GOAWAY last=2147483647 0x2a 0x00`, "000009 07 00 00000000 7fffffff 0000002a 00"},
	{`GOAWAY last=0 PROTOCOL_ERROR "PING " 0xc2a7 "6.7 says"`, "000017 07 00 00000000 00000000 00000001 50494e4720 c2a7 362e372073617973"},

	{`WINDOW_UPDATE 0 increment=65535`, "000004 08 00 00000000 0000ffff"},
	{`WINDOW_UPDATE 1 increment=0`, "000004 08 00 00000001 00000000"},

	{`CONTINUATION 1 END_HEADERS 0x8286`, "000002 09 04 00000001 8286"},
	{`CONTINUATION 1`, "000000 09 00 00000001"},
}

// rawVectors are what only RAW can tell.
var rawVectors = []struct{ why, line, wire string }{
	{"unknown type", `RAW length=3 type=0x2a flags=0x00 stream=0 0x010203`, "000003 2a 00 00000000 010203"},
	{"unknown type, empty", `RAW length=0 type=0xff flags=0xff stream=7`, "000000 ff ff 00000007"},
	{"first unknown type", `RAW length=0 type=0x0a flags=0x01 stream=0`, "000000 0a 01 00000000"},
	{"less than the header says", `RAW length=16385 type=DATA flags=0x01 stream=1`, "004001 00 01 00000001"},
	{"less than the header says by one", `RAW length=2 type=DATA flags=0x00 stream=1 0x00`, "000002 00 00 00000001 00"},
	{"the largest length", `RAW length=16777215 type=PING flags=0x00 stream=0 0x00`, "ffffff 06 00 00000000 00"},
	{"more than the header says", `RAW length=1 type=DATA flags=0x00 stream=1 0x6162`, "000001 00 00 00000001 6162"},
	{"reserved bit of the stream", `RAW length=0 type=DATA flags=0x00 stream=0x80000001`, "000000 00 00 80000001"},
	{"reserved bit of stream 0", `RAW length=0 type=SETTINGS flags=0x00 stream=0x80000000`, "000000 04 00 80000000"},
	{"undefined flag of DATA", `RAW length=0 type=DATA flags=0x04 stream=1`, "000000 00 04 00000001"},
	{"undefined flag of PING", `RAW length=8 type=PING flags=0x08 stream=0 0x0000000000000000`, "000008 06 08 00000000 0000000000000000"},
	{"padding that is not zero", `RAW length=3 type=DATA flags=0x08 stream=1 0x016101`, "000003 00 08 00000001 016101"},
	{"padding beyond the payload", `RAW length=2 type=DATA flags=0x08 stream=1 0x0200`, "000002 00 08 00000001 0200"},
	{"no pad length", `RAW length=0 type=DATA flags=0x08 stream=1`, "000000 00 08 00000001"},
	{"padding over the priority", `RAW length=7 type=HEADERS flags=0x28 stream=1 0x02000000010000`, "000007 01 28 00000001 02000000010000"},
	{"half a priority", `RAW length=4 type=HEADERS flags=0x20 stream=1 0x00000001`, "000004 01 20 00000001 00000001"},
	{"PRIORITY of 4 octets", `RAW length=4 type=PRIORITY flags=0x00 stream=1 0x00000001`, "000004 02 00 00000001 00000001"},
	{"RST_STREAM of 3 octets", `RAW length=3 type=RST_STREAM flags=0x00 stream=1 0x000000`, "000003 03 00 00000001 000000"},
	{"SETTINGS on a stream", `RAW length=0 type=SETTINGS flags=0x00 stream=1`, "000000 04 00 00000001"},
	{"SETTINGS of 5 octets", `RAW length=5 type=SETTINGS flags=0x00 stream=0 0x0001000000`, "000005 04 00 00000000 0001000000"},
	{"SETTINGS ACK with an entry", `RAW length=6 type=SETTINGS flags=0x01 stream=0 0x000100000000`, "000006 04 01 00000000 000100000000"},
	{"PUSH_PROMISE with a reserved bit", `RAW length=4 type=PUSH_PROMISE flags=0x00 stream=1 0x80000002`, "000004 05 00 00000001 80000002"},
	{"PUSH_PROMISE padded over the stream", `RAW length=5 type=PUSH_PROMISE flags=0x08 stream=1 0x0100000000`, "000005 05 08 00000001 0100000000"},
	{"PING on a stream", `RAW length=8 type=PING flags=0x00 stream=1 0x0000000000000000`, "000008 06 00 00000001 0000000000000000"},
	{"PING of 7 octets", `RAW length=7 type=PING flags=0x00 stream=0 0x00000000000000`, "000007 06 00 00000000 00000000000000"},
	{"GOAWAY on a stream", `RAW length=8 type=GOAWAY flags=0x00 stream=1 0x0000000000000000`, "000008 07 00 00000001 0000000000000000"},
	{"GOAWAY with a reserved bit", `RAW length=8 type=GOAWAY flags=0x00 stream=0 0x8000000000000000`, "000008 07 00 00000000 8000000000000000"},
	{"WINDOW_UPDATE with a reserved bit", `RAW length=4 type=WINDOW_UPDATE flags=0x00 stream=0 0x80000001`, "000004 08 00 00000000 80000001"},
	{"WINDOW_UPDATE of 5 octets", `RAW length=5 type=WINDOW_UPDATE flags=0x00 stream=0 0x0000000100`, "000005 08 00 00000000 0000000100"},
}

func TestText(t *testing.T) {
	for _, v := range textVectors {
		t.Run(v.line, func(t *testing.T) { wantInverse(t, v.line, unhex(v.wire)) })
	}
	for _, v := range rawVectors {
		t.Run(v.why, func(t *testing.T) { wantInverse(t, v.line, unhex(v.wire)) })
	}
}

func wantInverse(t *testing.T, line string, wire []byte) {
	t.Helper()
	if got := textOf(wire); got != line {
		t.Errorf("%x\n is written %s\n want       %s", wire, got, line)
	}
	if got, err := ParseText(line); err != nil || !bytes.Equal(got, wire) {
		t.Errorf("%s\n is read %x, error %v\n want    %x", line, got, err, wire)
	}
}

// textOf writes a header and all that is behind it, however much the header
// says. The reserved bit, which ConsumeHeader ignores, is put back.
func textOf(wire []byte) string {
	h, n := ConsumeHeader(wire)
	h.StreamID |= uint32(wire[5]) << 24 & Reserved
	return string(AppendText(nil, h, wire[n:]))
}

// TestTextIsLenient has lines that mean the same as a canonical one.
func TestTextIsLenient(t *testing.T) {
	for line, canonical := range map[string]string{
		"  SETTINGS\t ACK \r\n":                           "SETTINGS ACK",
		`DATA 1 0x74 "e" 0x7874`:                          `DATA 1 "text"`,
		`DATA 1 "t" "e" "" "x""t"`:                        `DATA 1 "text"`,
		`DATA 1 "\x00\u00a7\n"`:                           `DATA 1 0x00c2a70a`,
		`DATA 1 "§"`:                                      `DATA 1 0xc2a7`,
		`DATA 1 0x`:                                       `DATA 1`,
		`DATA 1 ""`:                                       `DATA 1`,
		`DATA 1 0xABcd`:                                   `DATA 1 0xabcd`,
		`DATA 01 END_STREAM|END_STREAM`:                   `DATA 1 END_STREAM`,
		`HEADERS 1 END_HEADERS|END_STREAM "AB"`:           `HEADERS 1 END_STREAM|END_HEADERS 0x4142`,
		`RST_STREAM 1 0x8`:                                `RST_STREAM 1 CANCEL`,
		`SETTINGS 0x0003=100`:                             `SETTINGS MAX_CONCURRENT_STREAMS=100`,
		`PING "12345678"`:                                 `PING 0x3132333435363738`,
		`PING 0x01`:                                       `RAW length=1 type=PING flags=0x00 stream=0 0x01`,
		`SETTINGS ACK ENABLE_PUSH=0`:                      `RAW length=6 type=SETTINGS flags=0x01 stream=0 0x000200000000`,
		`RAW length=2 type=0x00 flags=0x0 stream=1 "ab"`:  `DATA 1 "ab"`,
		`RAW length=0 type=DATA flags=0x01 stream=0x1`:    `DATA 1 END_STREAM`,
		`RAW length=0 type=SETTINGS flags=0x01 stream=0`:  `SETTINGS ACK`,
		`GOAWAY last=0 NO_ERROR "a quoted \x20 blank"`:    `GOAWAY last=0 NO_ERROR "a quoted   blank"`,
		`CONTINUATION 1 0x82 0x86`:                        `CONTINUATION 1 0x8286`,
		`PUSH_PROMISE 1 END_HEADERS promised=2 0x82 0x86`: `PUSH_PROMISE 1 END_HEADERS promised=2 0x8286`,
	} {
		wire, err := ParseText(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if got := textOf(wire); got != canonical {
			t.Errorf("%s\n means %s\n want  %s", line, got, canonical)
		}
	}
}

func TestTextErrors(t *testing.T) {
	for line, want := range map[string]string{
		``:                                     "too short",
		`   `:                                  "too short",
		`data 1`:                               `unknown name "data"`,
		`0x2a 1`:                               `unknown name "0x2a"`,
		`DATA`:                                 "too short",
		`DATA x`:                               "not a number",
		`DATA -1`:                              "not a number",
		`DATA 0x1`:                             "not a number",
		`DATA 2147483648`:                      "out of range",
		`DATA 1 ACK`:                           "unknown flag ACK",
		`DATA 1 END_STREAM|`:                   "unknown flag",
		`DATA 1 PADDED "x"`:                    "unknown flag PADDED",
		`DATA 1 END_HEADERS`:                   "unknown flag END_HEADERS",
		`DATA 1 pad=256`:                       "out of range",
		`DATA 1 pad=`:                          "not a number",
		`DATA 1 text`:                          "neither 0x nor a string: text",
		`DATA 1 "text`:                         "malformed string",
		`DATA 1 "bad \q escape"`:               "malformed string",
		`DATA 1 'text'`:                        "neither 0x nor a string",
		"DATA 1 `text`":                        "neither 0x nor a string",
		`DATA 1 0x1`:                           "neither 0x nor a string: 0x1",
		`DATA 1 0xzz`:                          "neither 0x nor a string: 0xzz",
		`DATA 1 0x00 END_STREAM`:               "neither 0x nor a string: END_STREAM",
		`HEADERS 1 dep=1 0x82`:                 "weight= expected",
		`HEADERS 1 dep=1 weight=0`:             "weight 0",
		`HEADERS 1 dep=1 weight=257`:           "out of range",
		`HEADERS 1 weight=1 dep=1`:             "neither 0x nor a string",
		`PRIORITY 1`:                           "too short",
		`PRIORITY 1 dep=1 weight=16 0x00`:      "unexpected word 0x00",
		`RST_STREAM 1`:                         "too short",
		`RST_STREAM 1 NONSENSE`:                `unknown name "NONSENSE"`,
		`RST_STREAM 1 CANCEL CANCEL`:           "unexpected word CANCEL",
		`RST_STREAM 1 0x100000000`:             "out of range",
		`SETTINGS 1`:                           `unknown name "1"`,
		`SETTINGS =1`:                          `unknown name ""`,
		`SETTINGS ENABLE_PUSH`:                 "unknown flag ENABLE_PUSH",
		`SETTINGS ENABLE_PUSH=`:                "not a number",
		`SETTINGS ENABLE_PUSH=4294967296`:      "out of range",
		`SETTINGS 0x10000=1`:                   "out of range",
		`PUSH_PROMISE 1 0x82`:                  "promised= expected",
		`PUSH_PROMISE 1 promised=2147483648`:   "out of range",
		`PING END_STREAM 0x00`:                 "unknown flag END_STREAM",
		`GOAWAY last=1`:                        "too short",
		`GOAWAY NO_ERROR last=1`:               "unknown flag NO_ERROR",
		`WINDOW_UPDATE 1`:                      "too short",
		`WINDOW_UPDATE 1 increment=2147483648`: "out of range",
		`WINDOW_UPDATE 1 65535`:                "increment= expected",
		`RAW`:                                  "too short",
		`RAW type=DATA length=0 flags=0x00 stream=0`:           "length= expected",
		`RAW length=16777216 type=DATA flags=0x00 stream=0`:    "out of range",
		`RAW length=0 type=0x100 flags=0x00 stream=0`:          "out of range",
		`RAW length=0 type=NONSENSE flags=0x00 stream=0`:       `unknown name "NONSENSE"`,
		`RAW length=0 type= flags=0x00 stream=0`:               `unknown name ""`,
		`RAW length=0 type=DATA flags=0 stream=0`:              "not a number",
		`RAW length=0 type=DATA flags=0x100 stream=0`:          "out of range",
		`RAW length=0 type=DATA flags=0x00 stream=2147483648`:  "out of range",
		`RAW length=0 type=DATA flags=0x00 stream=0x100000000`: "out of range",
		`RAW length=0 type=DATA flags=0x00 stream=0x`:          "not a number",
	} {
		wire, err := ParseText(line)
		if err == nil || !strings.Contains(err.Error(), want) || wire != nil {
			t.Errorf("%s\n is read %x, error %v\n want an error with: %s", line, wire, err, want)
		}
	}
}

func TestTextTooLong(t *testing.T) {
	line := "DATA 1 0x" + strings.Repeat("00", MaxPayloadMax)
	wire, err := ParseText(line)
	if err != nil || len(wire) != HeaderLen+MaxPayloadMax {
		t.Errorf("the largest payload is read as %d octets, error %v", len(wire), err)
	}
	if _, err := ParseText(line + "00"); err == nil {
		t.Errorf("a payload larger than a header can tell is read")
	}
}

// TestTextOfEverything goes through every type with all flags and all short
// lengths, so that every line and every reason for RAW occurs.
func TestTextOfEverything(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	for typ := range Type(12) {
		for flags := range 256 {
			for length := range 21 {
				h := Header{uint32(length), typ, Flags(flags), r.Uint32N(3)}
				wantRoundTrip(t, AppendHeader(nil, h), anyPayload(r, length))
			}
		}
	}
	for typ := 12; typ < 256; typ++ {
		for length := range 21 {
			h := Header{uint32(length), Type(typ), Flags(r.Uint32()), r.Uint32N(3)}
			wantRoundTrip(t, AppendHeader(nil, h), anyPayload(r, length))
		}
	}
}

// TestTextRandom has what TestTextOfEverything does not: long payloads, lying
// lengths, large streams, reserved bits.
func TestTextRandom(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 5))
		payload := anyPayload(r, r.IntN(600))
		h := Header{uint32(len(payload)), Type(r.Uint32N(11)), Flags(r.Uint32()), r.Uint32() >> r.IntN(32)}
		if r.IntN(4) == 0 {
			h.Length = r.Uint32N(1 << 24)
		}
		if r.IntN(2) == 0 {
			h.Flags &= FlagEndStream | FlagEndHeaders | FlagPadded
		}
		wantRoundTrip(t, AppendHeader(nil, h), payload)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func wantRoundTrip(t *testing.T, header, payload []byte) {
	t.Helper()
	wire := append(header, payload...)
	line := textOf(wire)
	got, err := ParseText(line)
	if err != nil || !bytes.Equal(got, wire) {
		t.Errorf("%x\n is written %s\n is read    %x, error %v", wire, line, got, err)
	}
	if strings.ContainsAny(line, "\n\r") {
		t.Errorf("%q is more than a line", line)
	}
}

// anyPayload returns octets that are often zero, as padding is, or printable,
// as text is.
func anyPayload(r *rand.Rand, length int) []byte {
	p := make([]byte, length)
	kind := 0
	for i := range p {
		if i == 0 || r.IntN(5) == 0 {
			kind = r.IntN(4)
		}
		switch kind {
		case 0:
			p[i] = 0
		case 1:
			p[i] = byte(' ' + r.IntN(95))
		case 2:
			p[i] = byte(r.IntN(8))
		case 3:
			p[i] = byte(r.Uint32())
		}
	}
	return p
}

// TestTextAppends makes sure that a log line can be built in one buffer.
func TestTextAppends(t *testing.T) {
	space := append(make([]byte, 0, 200), "recv "...)
	for _, v := range textVectors {
		wire := unhex(v.wire)
		h, n := ConsumeHeader(wire)
		got := AppendText(space, h, wire[n:])
		if string(got) != "recv "+v.line || &got[0] != &space[0] {
			t.Errorf("appended %s, want %s", got, v.line)
		}
	}
	payload := unhex("8105 68656c6c6f")
	if allocs := testing.AllocsPerRun(100, func() {
		AppendText(space, Header{7, Data, FlagEndStream, 1}, payload)
		AppendText(space, Header{7, Headers, FlagEndHeaders, 1}, payload)
	}); allocs != 0 {
		t.Errorf("%v allocations for frequent frames, want 0", allocs)
	}
}
