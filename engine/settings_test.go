package engine

import (
	"fmt"
	"testing"

	"h2ws/engine/frame"
)

// "An endpoint MUST treat a field block that follows an acknowledgment of the reduction to the maximum dynamic table size
// as a connection error" unless it starts with a table size update (RFC 9113 §4.3.1), and some do so of an encoder that
// never had a table.
func TestHeaderTableSize(t *testing.T) {
	for _, test := range []struct {
		size  uint32
		block string
	}{{0, "0x2088"}, {4095, "0x2088"}, {4096, "0x88"}, {1<<32 - 1, "0x88"}} {
		p := openTestPeer(t, Limits{}, nil)
		p.send(fmt.Sprintf("SETTINGS HEADER_TABLE_SIZE=%d", test.size), "SETTINGS HEADER_TABLE_SIZE=65536")
		p.out = nil
		for _, id := range []uint32{1, 3} {
			p.headers(id, 0, p.connectFields())
			p.want("none of it has a table", fmt.Sprintf("HEADERS %d END_HEADERS %s", id, test.block))
		}
	}
}

func TestHeaderTableSizeOfResponses(t *testing.T) {
	p := openServed(t, Limits{}, "SETTINGS HEADER_TABLE_SIZE=0")
	p.get(1)
	p.writer(0).finish()
	p.settle()
	if h, n := frame.ConsumeHeader(p.out); h.Type != frame.Headers || p.out[n] != 0x20 || p.out[n+1] != 0x88 {
		t.Errorf("%x", p.out)
	}
	p.hears("the rest is as ever", "HEADERS 1 END_STREAM|END_HEADERS {:status: 200} {content-length: 0}")
}
