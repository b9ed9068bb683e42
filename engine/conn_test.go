package engine

import (
	"testing"

	"h2ws/engine/frame"
	"h2ws/ws"
)

func TestOpenEchoClose(t *testing.T) {
	p := newTestPeer(t, Limits{}, nil)
	p.want("SETTINGS come first, before the client's preface was read",
		"SETTINGS ENABLE_CONNECT_PROTOCOL=1 MAX_CONCURRENT_STREAMS=1000 MAX_HEADER_LIST_SIZE=16384 NO_RFC7540_PRIORITIES=1",
		"WINDOW_UPDATE 0 increment=983041")
	p.write(frame.Preface)
	p.send("SETTINGS")
	p.want("SETTINGS are acknowledged", "SETTINGS ACK")
	p.open(1)
	p.wantLog("the handler hears of it", "open")
	p.data(1, 0, message(ws.OpText, "hello"))
	p.wantLog("the message arrives", `message "hello"`)
	p.want("and comes back", `DATA 1 0x8105 "hello"`)
	p.data(1, frame.FlagEndStream, message(ws.OpClose, "\x03\xe8bye"))
	p.want("Close is answered with the same code and END_STREAM", `DATA 1 END_STREAM 0x880203e8`)
	p.wantLog("OnClose says why", "close: ws: closed by peer: 1000 normal closure: \"bye\"")
	if p.conn.streams.len() != 0 {
		t.Error("the stream is still in the table")
	}
}
