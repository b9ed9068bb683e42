package engine

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"h2ws/engine/frame"
	"h2ws/ws"
)

// fuzzScript is a script for playFuzz that is written step by step.
type fuzzScript struct {
	t testing.TB
	b []byte
}

func (s *fuzzScript) step(kind int, arguments ...int) {
	for _, argument := range arguments {
		s.b = append(s.b, byte(kind|argument<<3))
	}
}

// octets are cut after each 32, or given whole.
func (s *fuzzScript) octets(cut bool, b []byte) {
	if s.step(fuzzOctets, 0); cut {
		s.b[len(s.b)-1] = fuzzCut | 31<<3
	}
	s.b = append(binary.BigEndian.AppendUint16(s.b, uint16(len(b))), b...)
}

// frames are in the notation of transcripts.
func (s *fuzzScript) frames(lines ...string) {
	for _, line := range lines {
		s.octets(false, parsePeerLine(s.t, line))
	}
}

func (s *fuzzScript) say(id uint32, text string) {
	s.octets(false, frame.AppendData(nil, id, 0, message(ws.OpText, text)))
}

// newFuzzScript begins with n sockets, of each of which the server may send window octets.
func newFuzzScript(t testing.TB, n, window int) *fuzzScript {
	s := &fuzzScript{t: t}
	s.frames("PREFACE", fmt.Sprintf("SETTINGS INITIAL_WINDOW_SIZE=%d", window), "SETTINGS ACK")
	for i := range n {
		s.frames(fmt.Sprintf("HEADERS %d END_HEADERS {connect}", 2*i+1))
	}
	return s
}

// fuzzScripts lead to what dialogues hardly come to: many sockets and messages at a time and little room for them, and
// too much of anything.
func fuzzScripts(t testing.TB) (all [][]byte) {
	for _, room := range []int{0, 5, 9, 11, 31} {
		for _, window := range []int{0, 50, 1000, 65535} {
			all = append(all, crowded(t, room, window))
		}
	}
	roomy := newFuzzScript(t, 4, 1<<20)
	roomy.step(fuzzPublish, 29, 29, 28, 29)
	roomy.step(fuzzTime, 12)
	roomy.step(fuzzPublish, 29, 25)
	all = append(all, roomy.b)
	for _, line := range []string{
		"PING 0x0000000000000000", "SETTINGS", "PRIORITY 1 dep=0 weight=1", "WINDOW_UPDATE 0 increment=1", "DATA 1", "0x000000fa0000000000",
		"RST_STREAM 1 CANCEL", "WINDOW_UPDATE 1 increment=0", "DATA 1 0x898000000000", "HEADERS 9 END_HEADERS {get}",
	} {
		s := newFuzzScript(t, 2, 65535)
		many := strings.Repeat(string(parsePeerLine(t, line)), 60)
		for range 3 {
			s.octets(true, []byte(many))
			s.step(fuzzTime, 6)
		}
		all = append(all, s.b)
	}
	return all
}

// crowded has four sockets published to and sent to while the connection takes little, and then all.
func crowded(t testing.TB, room, window int) []byte {
	s := newFuzzScript(t, 4, window)
	s.step(fuzzPublish, 0, 1, 9, 27)
	s.step(fuzzRoom, room)
	s.step(fuzzPublish, 25, 26, 24, 29, 31, 3, 28, 27)
	s.say(1, "!send 4")
	s.say(3, "!leave")
	s.say(5, "!join")
	s.say(7, "!try")
	s.say(3, "!wait")
	s.say(3, "unheard")
	s.step(fuzzTime, 8)
	s.step(fuzzPublish, 25, 26)
	s.frames("RST_STREAM 7 CANCEL", "HEADERS 9 END_HEADERS "+strings.ReplaceAll(connectWords, "{:path: /}", "{:path: /later}"))
	s.step(fuzzRoom, 31)
	s.step(fuzzDecide, 0)
	s.step(fuzzPublish, 2, 3)
	s.frames("WINDOW_UPDATE 1 increment=100", "WINDOW_UPDATE 3 increment=1000", "WINDOW_UPDATE 5 increment=10000")
	s.step(fuzzTime, 12)
	return s.b
}
