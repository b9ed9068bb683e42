package engine

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"h2ws/engine/frame"
	"h2ws/flow"
	"h2ws/ws"
)

// credits sums the WINDOW_UPDATEs written since the last look, by stream; other frames fail the test.
func (p *testPeer) credits() map[uint32]int {
	p.t.Helper()
	sum := map[uint32]int{}
	for len(p.out) > 0 {
		h, n := frame.ConsumeHeader(p.out)
		if h.Type != frame.WindowUpdate {
			p.t.Fatalf("among credits: %q", p.frames())
		}
		increment, err := frame.ParseWindowUpdate(h, p.out[n:n+4])
		if err != nil {
			p.t.Fatal(err)
		}
		sum[h.StreamID] += int(increment)
		p.out = p.out[n+4:]
	}
	return sum
}

// padded is a DATA frame with padding; the payload takes 1 + len(data) + pad octets of the windows.
func padded(id uint32, data string, pad int) string {
	payload := append(append([]byte{byte(pad)}, data...), make([]byte, pad)...)
	return string(frame.AppendHeader(nil, frame.Header{
		Length: uint32(len(payload)), Type: frame.Data, Flags: frame.FlagPadded, StreamID: id,
	})) + string(payload)
}

func TestStreamCreditComesBackAtHalf(t *testing.T) {
	p := openTestPeer(t, Limits{}, ws.Nop{})
	p.open(1)
	data := message(ws.OpPong, strings.Repeat("x", 100)) // 106 octets, answered with nothing
	got := 0
	for used := 0; used < 10*flow.InitialSize; used += len(data) {
		p.data(1, 0, data)
		for id, n := range p.credits() {
			if id == 1 {
				got += n
			}
		}
		if left := flow.InitialSize - (used + len(data) - got); left <= flow.InitialSize/2 {
			t.Fatalf("%d octets are left of the stream's window, and no credit came", left)
		}
	}
}

func TestConnectionCreditComesBackAtHalf(t *testing.T) {
	p := openTestPeer(t, Limits{RuleScale: -1}, ws.Nop{})
	p.open(1)
	window, got := int(p.core.limits.ConnWindow), 0
	for used := 256; used < 2*window; used += 256 {
		p.write(padded(1, "", 255))
		got += p.credits()[0]
		if left := window - (used - got); left <= window/2 {
			t.Fatalf("%d octets are left of the connection's window, and no credit came", left)
		}
	}
	if got == 0 {
		t.Error("the test has not used half of the window")
	}
}

func TestPaddingIsCredited(t *testing.T) {
	p := openTestPeer(t, Limits{RuleScale: -1}, nil)
	p.open(1)
	got := map[uint32]int{}
	const frames = 3000 // 768,000 octets, nearly all padding
	for range frames {
		p.write(padded(1, "", 255))
		for id, n := range p.credits() {
			got[id] += n
		}
	}
	if least := frames*256 - flow.InitialSize/2; got[1] < least {
		t.Errorf("%d octets of padding, and %d of credit on the stream, want at least %d", frames*256, got[1], least)
	}
}

// DATA that nobody wants uses the connection's window, and gives it back.
func TestUnwantedDataIsCredited(t *testing.T) {
	for name, prepare := range map[string]func(p *testPeer){
		"reset by us":   func(p *testPeer) { p.send("WINDOW_UPDATE 1 increment=0") },
		"reset by peer": func(p *testPeer) { p.send("RST_STREAM 1 CANCEL") },
		"closed":        func(p *testPeer) { p.data(1, frame.FlagEndStream, message(ws.OpClose, "")) },
		"behind GOAWAY": func(p *testPeer) { p.open(3); p.send("RST_STREAM 1 CANCEL", "GOAWAY last=0 NO_ERROR") },
	} {
		t.Run(name, func(t *testing.T) {
			p := openTestPeer(t, Limits{}, nil)
			p.open(1)
			prepare(p)
			p.frames()
			id := uint32(1)
			if name == "behind GOAWAY" {
				id = 5
			}
			window, used, got := int(p.core.limits.ConnWindow), 0, 0
			for used < 10*window {
				p.write(padded(id, strings.Repeat("x", 16000), 255))
				used += 16256
				for _, line := range p.frames() {
					var n int
					if _, err := fmt.Sscanf(line, "WINDOW_UPDATE 0 increment=%d", &n); err == nil {
						got += n
					} else if line != "RST_STREAM 1 STREAM_CLOSED" {
						t.Fatalf("a frame nobody asked for: %s", line)
					}
				}
				if used-got > window/2 {
					t.Fatalf("%d octets are used of a window of %d and not given back", used-got, window)
				}
			}
		})
	}
}

func TestStreamWindowExceeded(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	p.open(1)
	p.open(3)
	p.conn.streams.find(1).recvWindow.Take(flow.InitialSize - 10)
	p.wantLog("both are open", "open", "open")
	p.data(1, 0, message(ws.OpText, "hello"))
	p.want("11 octets into a window of 10 are a stream error", "RST_STREAM 1 FLOW_CONTROL_ERROR")
	p.data(3, 0, message(ws.OpText, "hello"))
	p.wantLog("nothing of it arrives, and the neighbour lives", `close: ws: closed: 1006 abnormal closure`+
		` (ws: stream reset: FLOW_CONTROL_ERROR on stream 1: the stream's window is exceeded (RFC 9113 §6.9.1))`, `message "hello"`)
}

func TestConnectionWindowExceeded(t *testing.T) {
	p := openTestPeer(t, Limits{}, nil)
	p.open(1)
	p.conn.recvWindow.Take(uint32(p.conn.recvWindow.Available()) - 10)
	p.data(1, 0, message(ws.OpText, "hello"))
	p.want("11 octets into a window of 10 are a connection error",
		`GOAWAY last=1 FLOW_CONTROL_ERROR "the connection's window is exceeded (RFC 9113 §6.9.1)"`)
}

func TestLargerStreamWindowIsAnnounced(t *testing.T) {
	p := newTestPeer(t, Limits{StreamWindow: 1 << 20, ConnWindow: 4 << 20}, nil)
	p.want("the first SETTINGS say so, and WINDOW_UPDATE for the connection",
		"SETTINGS ENABLE_CONNECT_PROTOCOL=1 MAX_CONCURRENT_STREAMS=1000 MAX_HEADER_LIST_SIZE=16384 NO_RFC7540_PRIORITIES=1 INITIAL_WINDOW_SIZE=1048576",
		"WINDOW_UPDATE 0 increment=4128769")
}

// The content of a plain request is dropped, so it gets no credit beyond the first window.
func TestPlainContentIsNotCredited(t *testing.T) {
	p := openTestPeer(t, Limits{RequestBody: 1 << 20}, nil)
	p.headers(1, 0, p.fields(":method", "POST", ":scheme", "http", ":authority", "example.com", ":path", "/"))
	for range 3 {
		p.data(1, 0, make([]byte, 16384))
	}
	if got := p.credits()[1]; got != 0 {
		t.Errorf("%d octets of credit for content that nobody reads", got)
	}
}

func TestPlainContentAboveTheLimitIsAnsweredEarly(t *testing.T) {
	p := openTestPeer(t, Limits{RequestBody: 100}, nil)
	p.headers(1, 0, p.fields(":method", "POST", ":scheme", "http", ":authority", "example.com", ":path", "/"))
	p.data(1, 0, make([]byte, 100))
	p.want("100 octets are worth waiting for more")
	p.data(1, 0, make([]byte, 1))
	if got := p.frames(); len(got) != 2 {
		t.Errorf("101 are not: the answer and END_STREAM: %q", got)
	}
	p.data(1, 0, make([]byte, 1))
	p.want("the rest has time to come")
	p.later(5 * time.Second)
	p.want("a request to stop (RFC 9113 §8.1)", "RST_STREAM 1 NO_ERROR")
	p.data(1, frame.FlagEndStream, make([]byte, 1))
	p.want("what was on its way is ignored")
}

// A DATA frame is handled as it comes: whatever cuts it, the message and the credit are the same.
func TestPaddedDataAtEveryCut(t *testing.T) {
	whole := padded(1, string(message(ws.OpText, "hello")), 3) + padded(1, "", 0) + padded(1, string(message(ws.OpText, "you")), 0)
	for cut := range len(whole) {
		p := openTestPeer(t, Limits{}, nil)
		p.open(1)
		before := p.conn.recvWindow.Available()
		p.write(whole[:cut])
		p.write(whole[cut:])
		p.wantLog(fmt.Sprintf("cut at %d", cut), "open", `message "hello"`, `message "you"`)
		if used := before - p.conn.recvWindow.Available(); used != int32(len(whole)-3*frame.HeaderLen) {
			t.Errorf("cut at %d: %d octets of window used", cut, used)
		}
		if !bytes.Contains(p.out, []byte("hello")) || p.conn.recvPhase != recvHeader {
			t.Errorf("cut at %d: no echo", cut)
		}
	}
}
