package bench

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
)

func TestStreamSize(t *testing.T) {
	if size := unsafe.Sizeof(stream{}); size > 40 {
		t.Errorf("stream has %d octets, at most 40 are allowed: there are a million", size)
	}
}

func TestFirstOctets(t *testing.T) {
	var wake []*conn
	c := newConn(0, &wake, newRequest(&Target{Target: raw.Target{Addr: "example.com", Path: "/"}}), 4401)
	if len(wake) != 1 || wake[0] != c {
		t.Error("a new connection does not ask to be written")
	}
	if got := string(c.out[:len(frame.Preface)]); got != frame.Preface {
		t.Errorf("preface is %q", got)
	}
	d := &dialogue{t: t, c: c}
	c.out = c.out[len(frame.Preface):]
	d.wantSent("SETTINGS, and a connection window of 2^31-1",
		"SETTINGS ENABLE_PUSH=0 INITIAL_WINDOW_SIZE=4401",
		"WINDOW_UPDATE 0 increment=2147418112")
}

func TestOpenEchoClose(t *testing.T) {
	d := newDialogue(t, offer)
	i := d.c.open()
	d.c.out = nil
	d.recv("HEADERS 1 END_HEADERS 0x88")
	d.wantEvents(":status 200 opens the socket", "opened 0")

	d.c.send(i, opText, []byte("hello"), false)
	d.wantSent("a masked frame in one DATA", `MESSAGE 1 1 "hello"`)
	d.recv(`DATA 1 0x8105 "hello"`)
	d.wantEvents("the echo arrives", `message 0 0x1 "hello"`)

	d.c.close(i, 1000)
	d.wantSent("Close carries END_STREAM", `MESSAGE 1 8 "\x03\xe8" END_STREAM`)
	d.recv(`DATA 1 0x8201 "x"`)
	d.wantEvents("a message on its way meanwhile is nobody's")
	d.recv("DATA 1 END_STREAM 0x880203e8")
	d.wantEvents("Close and END_STREAM end the socket", "closed 0 <nil>")
	if d.c.active != 0 {
		t.Errorf("%d streams still count as active", d.c.active)
	}
}

func TestServerCloses(t *testing.T) {
	for _, test := range []struct{ line, event, answer string }{
		{`DATA 1 END_STREAM 0x880503f1 "bye"`, `closed 0 the server closed the WebSocket on stream 1 with 1009: "bye"`, `MESSAGE 1 8 "\x03\xf1" END_STREAM`},
		{`DATA 1 0x8800`, `closed 0 the server closed the WebSocket on stream 1 with 1005`, `MESSAGE 1 8 "" END_STREAM`},
		{`DATA 1 END_STREAM 0x8101 "x"`, `closed 0 the server closed the WebSocket on stream 1 with 1006`, ""},
		{`HEADERS 1 END_STREAM|END_HEADERS 0x88`, `closed 0 the server closed the WebSocket on stream 1 with 1006`, ""},
		{`RST_STREAM 1 INTERNAL_ERROR`, `closed 0 the server reset stream 1 with INTERNAL_ERROR`, ""},
	} {
		d := newDialogue(t, offer)
		d.open(1)
		d.recv(test.line)
		if !slices.Contains(d.seen, test.event) {
			t.Errorf("%s: event %q, want %q", test.line, d.seen, test.event)
		}
		sent := d.sent()
		if (test.answer == "") != (len(sent) == 0) || test.answer != "" && sent[0] != test.answer {
			t.Errorf("%s: answered with %q, want %q", test.line, sent, test.answer)
		}
	}
}

func TestControlFramesAreAnswered(t *testing.T) {
	d := newDialogue(t, offer)
	d.open(1)
	d.recv("PING 0x0102030405060708", "PING ACK 0x0102030405060708")
	d.wantSent("a PING is acknowledged, its acknowledgment is not", "PING ACK 0x0102030405060708")
	d.recv(`DATA 1 0x8903 "abc"`, "DATA 1 0x8a00")
	d.wantSent("a WebSocket ping is answered, a pong is not", `MESSAGE 1 10 "abc"`)
	d.recv("SETTINGS ACK", "PRIORITY 1 dep=0 weight=16", "RAW length=3 type=0x2a flags=0xff stream=77 0x010203")
	d.wantSent("what is to be ignored is ignored")
}

func TestUnsolicitedMessageEndsScenarios(t *testing.T) {
	d := newDialogue(t, offer)
	d.open(1)
	d.c.events = unexpected{}
	wantFault(t, d.tryRecv(`DATA 1 0x8203 "abc"`), "nothing asked for")
	d = newDialogue(t, offer)
	d.open(1)
	d.c.events = unexpected{}
	var closed *ClosedError
	if err := d.tryRecv("DATA 1 0x880203e9"); !errors.As(err, &closed) || closed.Code != 1001 {
		t.Errorf("got %v, want a ClosedError with 1001", err)
	}
}

func TestNoConnectProtocol(t *testing.T) {
	for _, settings := range []string{"SETTINGS", "SETTINGS ENABLE_CONNECT_PROTOCOL=0", "SETTINGS MAX_CONCURRENT_STREAMS=100"} {
		if err := newSilentDialogue(t).tryRecv(settings); err != ErrNoConnectProtocol {
			t.Errorf("%s: got error %v, want ErrNoConnectProtocol", settings, err)
		}
	}
}

func TestLaterSettings(t *testing.T) {
	d := newDialogue(t, offer+" MAX_CONCURRENT_STREAMS=5")
	d.recv("SETTINGS MAX_CONCURRENT_STREAMS=7 MAX_FRAME_SIZE=20000")
	d.wantSent("SETTINGS without ENABLE_CONNECT_PROTOCOL take nothing back", "SETTINGS ACK")
	if d.c.maxStreams != 7 || d.c.maxFrame != 20000 {
		t.Errorf("maxStreams %d, maxFrame %d", d.c.maxStreams, d.c.maxFrame)
	}
}

func TestRefused(t *testing.T) {
	for _, test := range []struct {
		name  string
		lines []string
		want  RefusedError
	}{
		{"without a body", []string{"HEADERS 1 END_STREAM|END_HEADERS 0x8d"}, RefusedError{Status: 404}},
		{"with a body", []string{"HEADERS 1 END_HEADERS 0x8d", `DATA 1 "not "`, `DATA 1 END_STREAM "here"`}, RefusedError{404, "not here"}},
		{"with trailers", []string{"HEADERS 1 END_HEADERS 0x8e", `DATA 1 "no"`, "HEADERS 1 END_STREAM|END_HEADERS 0x88"}, RefusedError{500, "no"}},
	} {
		d := newDialogue(t, offer)
		d.c.open()
		var refused *RefusedError
		if err := d.tryRecv(test.lines...); !errors.As(err, &refused) || *refused != test.want {
			t.Errorf("%s: got error %v, want %v", test.name, err, &test.want)
		}
	}
}

func TestInformationalResponse(t *testing.T) {
	d := newDialogue(t, offer)
	d.c.open()
	d.recv(`HEADERS 1 END_HEADERS 0x0803 "103"`)
	d.wantEvents("1xx is not the answer")
	d.recv("HEADERS 1 END_HEADERS 0x88")
	d.wantEvents("200 is", "opened 0")
}

func TestFieldBlockInParts(t *testing.T) {
	d := newDialogue(t, offer)
	d.c.open()
	d.recv("HEADERS 1 0x", "CONTINUATION 1 0x", "CONTINUATION 1 END_HEADERS 0x88")
	d.wantEvents("CONTINUATION goes on with the block", "opened 0")
}

func TestGoAway(t *testing.T) {
	d := newDialogue(t, offer)
	d.open(1)
	err := d.tryRecv(`GOAWAY last=1 ENHANCE_YOUR_CALM "too many pings"`)
	var away *GoAwayError
	if !errors.As(err, &away) || *away != (GoAwayError{1, frame.EnhanceYourCalm, "too many pings"}) {
		t.Errorf("got error %v", err)
	}
	if want := `the server sent GOAWAY ENHANCE_YOUR_CALM, last stream 1: "too many pings"`; err.Error() != want {
		t.Errorf("got text %q, want %q", err, want)
	}
	if err := newSilentDialogue(t).tryRecv("GOAWAY last=0 NO_ERROR"); !errors.As(err, &away) {
		t.Errorf("GOAWAY instead of SETTINGS: got %v", err)
	}
}

// What a server must not do. Stream 1 is open, stream 3 opening, stream 5 ended.
func TestFaults(t *testing.T) {
	for _, test := range []struct{ text, line string }{
		{"did not open", `DATA 7 "x"`},
		{"did not open", `DATA 2 "x"`},
		{"not open", `DATA 3 "x"`},
		{"not open", `DATA 5 "x"`},
		{"did not open", "HEADERS 7 END_HEADERS 0x88"},
		{"is over", "HEADERS 5 END_STREAM|END_HEADERS 0x88"},
		{"trailers without END_STREAM", "HEADERS 1 END_HEADERS 0x88"},
		{"field block", "HEADERS 3 END_HEADERS 0xff"},
		{"field block", "HEADERS 3 END_HEADERS 0x80"},
		{"CONTINUATION on stream 1 without HEADERS", "CONTINUATION 1 END_HEADERS 0x88"},
		{"ENABLE_PUSH=0", "PUSH_PROMISE 1 END_HEADERS promised=2 0x88"},
		{"did not open", "RST_STREAM 7 CANCEL"},
		{"did not open", "WINDOW_UPDATE 7 increment=1"},
		{"2^31-1", "WINDOW_UPDATE 0 increment=2147483647"},
		{"2^31-1", "WINDOW_UPDATE 1 increment=2147483647"},
		{"increment 0", "RAW length=4 type=0x08 flags=0x00 stream=1 0x00000000"},
		{"INITIAL_WINDOW_SIZE", "SETTINGS INITIAL_WINDOW_SIZE=2147483648"},
		{"FRAME_SIZE_ERROR", "RAW length=16385 type=0x00 flags=0x00 stream=1"},
		{"FRAME_SIZE_ERROR", "RAW length=7 type=0x06 flags=0x00 stream=0 0x01020304050607"},
		{"padding", "RAW length=2 type=0x00 flags=0x08 stream=1 0x0200"},
		{"padding", "RAW length=2 type=0x01 flags=0x0c stream=3 0x0200"},
		{"opcode", "DATA 1 0x8300"},
	} {
		d := newDialogue(t, offer)
		d.open(1)
		d.c.open()
		d.c.open()
		d.recv("RST_STREAM 5 CANCEL")
		wantFault(t, d.tryRecv(test.line), test.text)
	}
	wantFault(t, newSilentDialogue(t).tryRecv("PING 0x0102030405060708"), "before SETTINGS")

	d := newDialogue(t, offer)
	d.open(2)
	wantFault(t, d.tryRecv("HEADERS 1 0x", `DATA 1 "x"`), "inside the field block")
	d = newDialogue(t, offer)
	d.open(2)
	wantFault(t, d.tryRecv("HEADERS 1 0x", "CONTINUATION 3 0x"), "inside the field block")
	d = newDialogue(t, offer)
	d.open(1)
	wantFault(t, d.tryRecv("DATA 1 0x8800", "DATA 1 0x8100"), "after Close")
}

func TestWebSocketFaultsReachTheCaller(t *testing.T) {
	d := newDialogue(t, offer)
	d.open(1)
	if err := d.tryRecv("DATA 1 0x018000"); err != errMasked {
		t.Errorf("got %v, want errMasked", err)
	}
}

func TestPadding(t *testing.T) {
	d := newDialogue(t, offer)
	d.open(1)
	d.recv(`DATA 1 pad=7 0x8102 "hi"`)
	d.wantEvents("padding is no data", `message 0 0x1 "hi"`)
	if got := d.c.window - d.c.streams[0].recv; got != 1+4+7 {
		t.Errorf("%d octets charged, want pad length, data and padding: 12", got)
	}
}

func TestResetDropsWhatWaits(t *testing.T) {
	d := newDialogue(t, offer+" INITIAL_WINDOW_SIZE=0")
	d.open(1)
	d.c.send(0, opBinary, []byte("x"), false)
	d.recv(`DATA 1 0x8202 "h"`) // and half a message is waited for
	d.recv("RST_STREAM 1 CANCEL", "RST_STREAM 1 CANCEL", "WINDOW_UPDATE 1 increment=100")
	d.wantSent("nothing is sent on a stream that was reset")
	if len(d.c.stalled) != 0 || len(d.c.partials) != 0 || d.c.active != 0 {
		t.Errorf("left: %d stalled, %d partial, %d active", len(d.c.stalled), len(d.c.partials), d.c.active)
	}
}

func TestMessagesCutAnywhere(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		d := newDialogue(t, offer)
		d.open(3)
		d.cut = random
		want, lines := randomTraffic(random, 3)
		d.recv(lines...)
		d.wantEvents("messages are the same however they are cut", want...)
	}
}

// taker takes every message.
type taker struct {
	unexpected
	messages int
}

func (e *taker) message(*conn, int, message) error {
	e.messages++
	return nil
}

func TestCutMessagesReuseMemory(t *testing.T) {
	d := newDialogue(t, offer)
	d.open(2)
	e := &taker{}
	d.c.events = e
	whole := unmaskedFrame(opBinary, make([]byte, 20_000))
	var wire []byte
	for _, i := range []int{0, 1} {
		wire = frame.AppendData(wire, streamID(i), 0, whole[:16384])
	}
	for _, i := range []int{0, 1} {
		wire = frame.AppendData(wire, streamID(i), 0, whole[16384:])
	}
	recv := func() {
		if n, err := d.c.recv(wire); n != len(wire) || err != nil {
			t.Fatal(n, err)
		}
		d.c.out = d.c.out[:0]
	}
	recv()
	if n := testing.AllocsPerRun(100, recv); n > 0 || e.messages != 2*102 {
		t.Errorf("%v allocations for messages in two DATA frames each; %d arrived", n, e.messages)
	}
}
