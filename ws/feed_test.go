package ws

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// small limits, so that short streams reach them.
var small = EndpointOptions{MessageBytesMax: 200, FragmentsMax: 4}

func repeat(n int) string { return strings.Repeat("x", n) }

// goodStreams and badFrames together are what the cut tests run over.
var goodStreams = []struct {
	name   string
	frames [][]byte
	want   []string
}{
	{"empty text", [][]byte{clientFrame(textWhole, "")}, []string{`text ""`}},
	{"empty binary", [][]byte{clientFrame(binWhole, "")}, []string{`binary ""`}},
	{"two messages", [][]byte{clientFrame(textWhole, "one"), clientFrame(binWhole, "two")}, []string{`text "one"`, `binary "two"`}},
	{"length 125", [][]byte{clientFrame(binWhole, repeat(125))}, []string{message(Binary, []byte(repeat(125)))}},
	{"length 126", [][]byte{clientFrame(binWhole, repeat(126))}, []string{message(Binary, []byte(repeat(126)))}},
	{"exactly the limit", [][]byte{clientFrame(textWhole, repeat(200))}, []string{message(Text, []byte(repeat(200)))}},
	{"two fragments", [][]byte{clientFrame(textPart, "Hel"), clientFrame(contLast, "lo")}, []string{`text "Hello"`}},
	{"empty fragments", [][]byte{clientFrame(binPart, ""), clientFrame(contPart, ""), clientFrame(contPart, ""), clientFrame(contLast, "")}, []string{`binary ""`}},
	{"fragments up to both limits", [][]byte{clientFrame(binPart, repeat(50)), clientFrame(contPart, repeat(50)), clientFrame(contPart, repeat(50)), clientFrame(contLast, repeat(50))},
		[]string{message(Binary, []byte(repeat(200)))}},
	{"a ping between fragments", [][]byte{clientFrame(textPart, "Hel"), clientFrame(ping, "p"), clientFrame(contLast, "lo")}, []string{`PONG "p"`, `text "Hello"`}},
	{"a pong is ignored", [][]byte{clientFrame(pong, "unasked"), clientFrame(textWhole, "x")}, []string{`text "x"`}},
	{"pings of 0 and 125", [][]byte{clientFrame(ping, ""), clientFrame(ping, repeat(125))}, []string{`PONG ""`, fmt.Sprintf("PONG %q", repeat(125))}},
	{"binary need not be UTF-8", [][]byte{clientFrame(binPart, "\xff"), clientFrame(contLast, "\xfe")}, []string{`binary "\xff\xfe"`}},
	{"a character over three fragments", [][]byte{clientFrame(textPart, "\xe2"), clientFrame(contPart, "\x82"), clientFrame(contLast, "\xac")}, []string{`text "€"`}},
	{"fragmented, then whole", [][]byte{clientFrame(binPart, "a"), clientFrame(contLast, "b"), clientFrame(textWhole, "é")}, []string{`binary "ab"`, `text "é"`}},
	{"close", [][]byte{clientClose(1000, "bye")}, []string{"CLOSE+END 1000", `close 1000 "bye"`}},
	{"close without a code", [][]byte{clientFrame(closeOp, "")}, []string{"CLOSE+END 1005", `close 1005 ""`}},
	{"close with the longest reason", [][]byte{clientClose(4999, repeat(123))}, []string{"CLOSE+END 4999", fmt.Sprintf("close 4999 %q", repeat(123))}},
	{"close between fragments", [][]byte{clientFrame(textPart, "Hel"), clientClose(1001, "")}, []string{"CLOSE+END 1001", `close 1001 ""`}},
	{"nothing after a close", [][]byte{clientClose(1000, ""), clientFrame(textWhole, "late"), clientFrame(ping, ""), {0xff, 0xff}}, []string{"CLOSE+END 1000", `close 1000 ""`}},
}

// badFrames is everything that RFC 6455 has a server fail a WebSocket for, and
// what our own limits add. before is sent first.
var badFrames = []struct {
	name   string
	before []byte
	frame  []byte
	code   int
	cause  string
	reason string
}{
	// FIN RSV opcode  MASK length
	{"RSV1", nil, octets("1 100 0001  1 0000000" + key0), 1002, "ErrProtocol", "reserved bit"},
	{"RSV2", nil, octets("1 010 0001  1 0000000" + key0), 1002, "ErrProtocol", "reserved bit"},
	{"RSV3", nil, octets("1 001 0001  1 0000000" + key0), 1002, "ErrProtocol", "reserved bit"},
	{"all RSV", nil, octets("1 111 0010  1 0000000" + key0), 1002, "ErrProtocol", "reserved bit"},
	{"RSV1 on a ping", nil, octets("1 100 1001  1 0000000" + key0), 1002, "ErrProtocol", "reserved bit"},
	{"RSV1 on a close", nil, octets("1 100 1000  1 0000000" + key0), 1002, "ErrProtocol", "reserved bit"},
	{"RSV1 on a continuation", clientFrame(textPart, "a"), octets("1 100 0000  1 0000000" + key0), 1002, "ErrProtocol", "reserved bit"},
	{"opcode 3", nil, octets("1 000 0011  1 0000000" + key0), 1002, "ErrProtocol", "opcode"},
	{"opcode 4", nil, octets("1 000 0100  1 0000000" + key0), 1002, "ErrProtocol", "opcode"},
	{"opcode 5", nil, octets("1 000 0101  1 0000000" + key0), 1002, "ErrProtocol", "opcode"},
	{"opcode 6", nil, octets("1 000 0110  1 0000000" + key0), 1002, "ErrProtocol", "opcode"},
	{"opcode 7", nil, octets("1 000 0111  1 0000000" + key0), 1002, "ErrProtocol", "opcode"},
	{"opcode 11", nil, octets("1 000 1011  1 0000000" + key0), 1002, "ErrProtocol", "opcode"},
	{"opcode 12", nil, octets("1 000 1100  1 0000000" + key0), 1002, "ErrProtocol", "opcode"},
	{"opcode 13", nil, octets("1 000 1101  1 0000000" + key0), 1002, "ErrProtocol", "opcode"},
	{"opcode 14", nil, octets("1 000 1110  1 0000000" + key0), 1002, "ErrProtocol", "opcode"},
	{"opcode 15", nil, octets("1 000 1111  1 0000000" + key0), 1002, "ErrProtocol", "opcode"},
	{"opcode 3 between fragments", clientFrame(textPart, "a"), octets("0 000 0011  1 0000000" + key0), 1002, "ErrProtocol", "opcode"},
	{"unmasked text", nil, octets("1 000 0001  0 0000000"), 1002, "ErrProtocol", "not masked"},
	{"unmasked text of 1000 octets", nil, octets("1 000 0001  0 1111110  00000011 11101000"), 1002, "ErrProtocol", "not masked"},
	{"unmasked ping", nil, octets("1 000 1001  0 0000000"), 1002, "ErrProtocol", "not masked"},
	{"unmasked close", nil, octets("1 000 1000  0 0000000"), 1002, "ErrProtocol", "not masked"},
	{"unmasked continuation", clientFrame(textPart, "a"), octets("1 000 0000  0 0000000"), 1002, "ErrProtocol", "not masked"},
	{"fragmented ping", nil, octets("0 000 1001  1 0000000" + key0), 1002, "ErrProtocol", "fragmented control"},
	{"fragmented pong", nil, octets("0 000 1010  1 0000000" + key0), 1002, "ErrProtocol", "fragmented control"},
	{"fragmented close", nil, octets("0 000 1000  1 0000000" + key0), 1002, "ErrProtocol", "fragmented control"},
	{"ping of 126", nil, octets("1 000 1001  1 1111110  00000000 01111110" + key0), 1002, "ErrProtocol", "125"},
	{"pong of 126", nil, octets("1 000 1010  1 1111110  00000000 01111110" + key0), 1002, "ErrProtocol", "125"},
	{"close of 126", nil, octets("1 000 1000  1 1111110  00000000 01111110" + key0), 1002, "ErrProtocol", "125"},
	{"ping of 2^63", nil, octets("1 000 1001  1 1111111" + length63 + key0), 1002, "ErrProtocol", "125"},
	{"length 125 in 16 bits", nil, octets("1 000 0001  1 1111110  00000000 01111101" + key0), 1002, "ErrProtocol", "shortest"},
	{"length 0 in 16 bits", nil, octets("1 000 0001  1 1111110  00000000 00000000" + key0), 1002, "ErrProtocol", "shortest"},
	{"ping of 5 in 16 bits", nil, octets("1 000 1001  1 1111110  00000000 00000101" + key0), 1002, "ErrProtocol", "shortest"},
	{"length 126 in 64 bits", nil, octets("1 000 0001  1 1111111" + strings.Repeat("00000000", 7) + "01111110" + key0), 1002, "ErrProtocol", "shortest"},
	{"length 65535 in 64 bits", nil, octets("1 000 0001  1 1111111" + strings.Repeat("00000000", 6) + "11111111 11111111" + key0), 1002, "ErrProtocol", "shortest"},
	{"length 0 in 64 bits", nil, octets("1 000 0010  1 1111111" + strings.Repeat("00000000", 8) + key0), 1002, "ErrProtocol", "shortest"},
	{"length 2^63", nil, octets("1 000 0010  1 1111111" + length63 + key0), 1002, "ErrProtocol", "top bit"},
	{"length 2^64-1", nil, octets("1 000 0010  1 1111111" + strings.Repeat("11111111", 8) + key0), 1002, "ErrProtocol", "top bit"},
	{"length 2^63-1", nil, octets("1 000 0010  1 1111111  01111111" + strings.Repeat("11111111", 7) + key0), 1009, "ErrTooBig", "too big"},
	{"length 2^32", nil, octets("1 000 0010  1 1111111  00000000 00000000 00000000 00000001" + strings.Repeat("00000000", 4) + key0), 1009, "ErrTooBig", "too big"},
	{"continuation of nothing", nil, clientFrame(contLast, ""), 1002, "ErrProtocol", "continuation"},
	{"first continuation of nothing", nil, clientFrame(contPart, "x"), 1002, "ErrProtocol", "continuation"},
	{"continuation after a whole message", clientFrame(textWhole, "a"), clientFrame(contLast, ""), 1002, "ErrProtocol", "continuation"},
	{"continuation after the last", slices.Concat(clientFrame(textPart, "a"), clientFrame(contLast, "b")), clientFrame(contLast, ""), 1002, "ErrProtocol", "continuation"},
	{"text inside a text", clientFrame(textPart, "a"), clientFrame(textWhole, "b"), 1002, "ErrProtocol", "inside"},
	{"binary inside a text", clientFrame(textPart, "a"), clientFrame(binPart, "b"), 1002, "ErrProtocol", "inside"},
	{"text inside an empty text", clientFrame(textPart, ""), clientFrame(textWhole, ""), 1002, "ErrProtocol", "inside"},
	{"one octet over the limit", nil, clientFrame(binWhole, repeat(201)), 1009, "ErrTooBig", "too big"},
	{"the header of it is enough", nil, clientFrame(binWhole, repeat(201))[:8], 1009, "ErrTooBig", "too big"},
	{"a fragment over the limit", clientFrame(binPart, repeat(150)), clientFrame(contPart, repeat(51)), 1009, "ErrTooBig", "too big"},
	{"one fragment too many", slices.Concat(clientFrame(binPart, ""), clientFrame(contPart, ""), clientFrame(contPart, ""), clientFrame(contPart, "")),
		clientFrame(contLast, ""), 1008, "ErrFragments", "fragments"},
	{"invalid text", nil, clientFrame(textWhole, "a\xff"), 1007, "ErrInvalidUTF8", "UTF-8"},
	{"unfinished text", nil, clientFrame(textWhole, "\xe2\x82"), 1007, "ErrInvalidUTF8", "UTF-8"},
	{"unfinished text in fragments", clientFrame(textPart, "\xe2"), clientFrame(contLast, "\x82"), 1007, "ErrInvalidUTF8", "UTF-8"},
	{"invalid text in an unfinished fragment", nil, clientFrame(textPart, "a\xffbcdefg")[:8], 1007, "ErrInvalidUTF8", "UTF-8"},
	{"close of one octet", nil, clientFrame(closeOp, "\x03"), 1002, "ErrProtocol", "one octet"},
	{"close with code 1005", nil, clientClose(1005, ""), 1002, "ErrProtocol", "close code"},
	{"close with code 0 and a reason", nil, clientClose(0, "why"), 1002, "ErrProtocol", "close code"},
	{"close with an invalid reason", nil, clientClose(1000, "\xff"), 1007, "ErrInvalidUTF8", "UTF-8"},
	{"close with an unfinished reason", nil, clientClose(1000, "\xe2\x82"), 1007, "ErrInvalidUTF8", "UTF-8"},
	{"two violations", nil, octets("0 111 1111  0 1111111" + length63), 1002, "ErrProtocol", "reserved bit"},
}

const (
	key0     = "00000000 00000000 00000000 00000000"
	length63 = "10000000" + "00000000 00000000 00000000 00000000 00000000 00000000 00000000"
)

func TestGoodStreams(t *testing.T) {
	for _, g := range goodStreams {
		s := open(t, small)
		s.feed(slices.Concat(g.frames...))
		s.want(g.name+", in one slice", g.want...)

		s = open(t, small)
		for _, f := range g.frames {
			s.feed(f)
		}
		s.want(g.name+", frame by frame", g.want...)
	}
}

func TestBadFrames(t *testing.T) {
	for _, b := range badFrames {
		s := open(t, small)
		s.feed(b.before)
		s.log = nil
		s.feed(append(bytes.Clone(b.frame), clientFrame(textWhole, "after")...))
		s.want(b.name, fmt.Sprintf("CLOSE+END %d", b.code), fmt.Sprintf("close %d local %s", b.code, b.cause))
		s.wantReason(b.reason)
		s.feed(clientFrame(ping, "after"))
		s.feed(clientClose(1000, ""))
		s.c.RecvEnd(&s.r)
		s.wantIdle(b.name + ": what comes afterwards is ignored")
	}
}

// TestTooBigAllocatesNothing: the length that a peer declares costs nothing.
func TestTooBigAllocatesNothing(t *testing.T) {
	s := open(t, EndpointOptions{})
	s.feed(clientFrame(binWhole, repeat(64<<10))[:14])
	s.feed([]byte("xyz"))
	if s.c.Held() > bufferLenMin {
		t.Errorf("%d octets held for 3 that have arrived of 65536", s.c.Held())
	}
	s.wantIdle("64 KiB are within the default limit")

	s = open(t, EndpointOptions{})
	s.feed(clientFrame(binWhole, repeat(64<<10+1))[:14])
	s.want("one more is not", "CLOSE+END 1009", "close 1009 local ErrTooBig")
}

func TestFragmentsDefault(t *testing.T) {
	s := open(t, EndpointOptions{})
	s.feed(clientFrame(binPart, ""))
	for range 1023 {
		s.feed(clientFrame(contPart, ""))
	}
	s.wantIdle("1024 fragments are allowed")
	s.feed(clientFrame(contLast, ""))
	s.want("1025 are not", "CLOSE+END 1008", "close 1008 local ErrFragments")
}

func streams() map[string][]byte {
	all := map[string][]byte{}
	for _, g := range goodStreams {
		all[g.name] = slices.Concat(g.frames...)
	}
	for _, b := range badFrames {
		all[b.name] = slices.Concat(b.before, b.frame)
	}
	for i, x := range invalidTexts {
		all[fmt.Sprintf("invalid text %d", i)] = slices.Concat(clientFrame(textPart, ""), clientFrame(contLast, x.text))
	}
	return all
}

// TestEveryCut feeds every stream whole, in two parts cut at every octet, and
// octet by octet.
func TestEveryCut(t *testing.T) {
	for name, stream := range streams() {
		t.Run(name, func(t *testing.T) {
			compare(t, stream, nil, -1, small)
			var drip []int
			for i := range stream {
				compare(t, stream, []int{i}, -1, small)
				drip = append(drip, i)
			}
			compare(t, stream, drip, -1, small)
		})
	}
}

// TestEveryClose sends our Close at every octet of every stream.
func TestEveryClose(t *testing.T) {
	for name, stream := range streams() {
		t.Run(name, func(t *testing.T) {
			for i := range len(stream) + 1 {
				compare(t, stream, nil, i, small)
				compare(t, stream, []int{i / 2, i, (i + len(stream)) / 2}, i, small)
			}
		})
	}
}

// randomStream is a client that mostly behaves.
func randomStream(random *rand.Rand) []byte {
	var stream []byte
	inMessage, isText := false, false
	for range 1 + random.IntN(12) {
		switch random.IntN(16) {
		case 0:
			stream = append(stream, clientFrame(ping, repeat(random.IntN(126)))...)
		case 1:
			stream = append(stream, clientFrame(pong, repeat(random.IntN(5)))...)
		case 2:
			if random.IntN(4) == 0 {
				stream = append(stream, clientClose(998+random.IntN(20), "é")...)
			}
		case 3:
			stream = append(stream, badFrames[random.IntN(len(badFrames))].frame...)
		default:
			first, last := contPart, random.IntN(2) == 0
			if !inMessage {
				isText = random.IntN(2) == 0
				first = binPart
				if isText {
					first = textPart
				}
			}
			if inMessage = !last; last {
				first |= fin
			}
			payload := repeat(random.IntN(70))
			if isText && random.IntN(2) == 0 {
				payload += validTexts[random.IntN(len(validTexts))]
			}
			stream = append(stream, clientFrame(first, payload)...)
		}
	}
	return stream
}

func randomCuts(random *rand.Rand, n int) []int {
	var cuts []int
	for at := random.IntN(20); at < n; at += random.IntN(40) {
		cuts = append(cuts, at)
	}
	return cuts
}

func TestRandomCuts(t *testing.T) {
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 0))
		stream := randomStream(random)
		closeAt := -1
		if random.IntN(3) == 0 {
			closeAt = random.IntN(len(stream) + 1)
		}
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			compare(t, stream, randomCuts(random, len(stream)), closeAt, small)
		})
	}
}

// TestWholeMessageIsBorrowed: what is whole in the slice is not copied, also
// when only the header was cut.
func TestWholeMessageIsBorrowed(t *testing.T) {
	wire := clientFrame(binWhole, "Hello")
	for cut := range 7 {
		room := bytes.Clone(wire)
		s := open(t, EndpointOptions{})
		var data []byte
		s.onMessage = func(m Message) { data = m.Data }
		s.c.feedAll(&s.r, room[:cut])
		s.c.feedAll(&s.r, room[cut:])
		if &data[0] != &room[6] {
			t.Errorf("cut after %d octets of the header: the message was copied", cut)
		}
		if s.c.Held() != 0 || s.c.partial != nil {
			t.Errorf("cut after %d octets: %d octets held between messages", cut, s.c.Held())
		}
	}
}

func TestIdleHoldsNothing(t *testing.T) {
	s := open(t, EndpointOptions{})
	for _, b := range clientFrame(ping, "ping") {
		s.feed([]byte{b})
	}
	s.want("a ping in single octets", `PONG "ping"`)
	if s.c.partial != nil {
		t.Error("a partial is kept after a ping")
	}
	s.feed(clientFrame(textPart, "abc"))
	if s.c.partial == nil || s.c.Held() != bufferLenMin {
		t.Errorf("inside a message: Incomplete %t, Held %d", s.c.partial != nil, s.c.Held())
	}
	s.feed(clientFrame(contLast, "def"))
	if s.c.partial != nil || s.c.Held() != 0 {
		t.Errorf("after it: Incomplete %t, Held %d", s.c.partial != nil, s.c.Held())
	}
}

func TestFeedBeforeOpened(t *testing.T) {
	s := newScript(t, EndpointOptions{})
	wantPanic(t, "BUG: ws: Feed before Opened", func() { s.c.Feed(&s.r, []byte{1}) })
}

func wantPanic(t *testing.T, part string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), part) {
			t.Errorf("panic %v, want one with %q", v, part)
		}
	}()
	f()
}
