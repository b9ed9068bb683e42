package engine

import (
	"fmt"
	"strings"
	"testing"

	"h2ws/ws"
)

func TestBatchesGrowUnderStall(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 3)
	p.publish("a")
	p.wantData("an idle connection gets each at once", "1:3", "3:3", "5:3")
	p.stall()
	for i := range 100 {
		p.publish(fmt.Sprint("message ", i))
	}
	p.unstall()
	n := 10*11 + 90*12
	p.wantData("what has come meanwhile is one DATA frame for each",
		"SETTINGS", "PING", fmt.Sprintf("1:%d", n), fmt.Sprintf("3:%d", n), fmt.Sprintf("5:%d", n))
	p.settled("101 for 3", 303, 0, 0, 0)
}

func TestBatchEndsWhereAFrameIsFull(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 2)
	p.send("WINDOW_UPDATE 0 increment=1000000")
	p.stall()
	p.publish(long("a", 8000), long("b", 8000), long("c", 8000), long("d", 376), "e")
	p.unstall()
	p.wantData("a batch is one frame, members first", "SETTINGS", "PING", "1:16008", "3:16008", "1:8387", "3:8387")
	p.publish(long("a", batchSize-4))
	p.wantData("exactly a frame", "1:16384", "3:16384")
	p.publish(long("a", batchSize-3))
	p.wantData("an octet more than a frame", "1:16384", "1:1", "3:16384", "3:1")
}

func TestLargeMessagesAreWhole(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 2)
	p.send("WINDOW_UPDATE 0 increment=1000000")
	p.room, p.conn.burst = 0, 1
	p.publish("framed")
	p.publish("small", long("large", 40_000), "behind")
	p.all[0].Send(ws.Text, []byte("direct"))
	p.settle()
	p.unstall()
	heard := p.heard()
	for _, id := range []string{"1", "3"} {
		var texts []string
		for _, line := range heard {
			if text, is := strings.CutPrefix(line, id+" "); is {
				texts = append(texts, text)
			}
		}
		got := strings.Join(texts, ",")
		if strings.ReplaceAll(got, ",direct", "") != "framed,small,large,behind" || strings.Contains(got, "direct") != (id == "1") {
			t.Errorf("stream %s hears %s", id, got)
		}
	}
}

func TestConnectionWindowStopsASweep(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 10)
	p.publish(long("a", 9996))
	p.wantData("six times 10,000, and the rest of 65,535",
		"1:10000", "3:10000", "5:10000", "7:10000", "9:10000", "11:10000", "13:5535")
	p.publish(long("b", 996))
	p.send("PING 0x0000000000000001")
	p.wantData("control frames pass", "PING")
	p.send("WINDOW_UPDATE 0 increment=4464")
	p.wantData("it goes on where it stopped", "13:4464")
	p.send("WINDOW_UPDATE 0 increment=1")
	p.wantData("to the last octet", "13:1")
	p.send("WINDOW_UPDATE 0 increment=1000000")
	p.wantData("everybody else, then the next batch", "15:10000", "17:10000", "19:10000",
		"1:1000", "3:1000", "5:1000", "7:1000", "9:1000", "11:1000", "13:1000", "15:1000", "17:1000", "19:1000")
	p.settled("two for each", 20, 0, 0, 0)
}

func TestConnectionWindowSmallerThanABatch(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 2)
	p.publish(long("fill", 31_996))
	p.wantData("64,000 of 65,535", "1:16384", "1:15616", "3:16384", "3:15616")
	p.publish(long("a", 1996), long("b", 1996))
	p.wantData("a peer may wait until its window is used up", "1:1535")
	p.send("WINDOW_UPDATE 0 increment=464")
	p.wantData("a dribble that finishes nothing")
	p.send("WINDOW_UPDATE 0 increment=1")
	p.wantData("the first message ends", "1:465")
	p.send("WINDOW_UPDATE 0 increment=1023")
	p.wantData("a dribble")
	p.send("WINDOW_UPDATE 0 increment=1")
	p.wantData("is less than 1,024 octets", "1:1024")
	p.send("WINDOW_UPDATE 0 increment=10000")
	p.wantData("the rest", "1:976", "3:4000")
	p.settled("three for each", 6, 0, 0, 0)
}

// Both batches are being swept when the second has taken from a window that the first has seen: neither may
// exceed it.
func TestTwoSweepsShareAWindow(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 4)
	other := NewTopic("other", TopicOptions{})
	join(t, other, p.all[2:]...)
	p.send("SETTINGS INITIAL_WINDOW_SIZE=1000")
	p.hears("windows of 1,000")
	p.room, p.conn.burst = 0, 1
	p.topic.Publish(prepared(t, long("a", 596)))
	other.Publish(prepared(t, long("b", 596)))
	p.settle()
	p.unstall()
	sent := make(map[uint32]int)
	for _, line := range p.frames() {
		var id uint32
		if _, err := fmt.Sscanf(line, "DATA %d ", &id); err == nil {
			sent[id]++
		}
	}
	for _, s := range p.all {
		if n := s.Lower().(*stream).available(); n < 0 || n != 400 {
			t.Errorf("stream %d has a window of %d left, after %d frames", p.idOf(s), n, sent[p.idOf(s)])
		}
	}
	p.send("SETTINGS INITIAL_WINDOW_SIZE=2000")
	if s := other.Stats(); s.Delivered != 2 || p.topic.Stats().Delivered != 4 {
		t.Errorf("with room for both: %+v, %+v", s, p.topic.Stats())
	}
	for _, s := range p.all {
		if n := s.Lower().(*stream).available(); n != 1400 && n != 800 {
			t.Errorf("stream %d has a window of %d left", p.idOf(s), n)
		}
	}
}

func TestSeveralTopicsOnOneSocket(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 2)
	var topics []*Topic
	for range 5 {
		topic := NewTopic("", TopicOptions{})
		join(t, topic, p.all...)
		topics = append(topics, topic)
	}
	p.send("SETTINGS INITIAL_WINDOW_SIZE=1000")
	p.hears("windows of 1,000")
	for i, topic := range topics {
		topic.Publish(prepared(t, long(fmt.Sprint(i), 98)))
		p.settle()
	}
	for _, c := range p.all {
		if n := window(c.Lower().(*stream)); n != 500 {
			t.Errorf("stream %d: the window is %d after five times 100", p.idOf(c), n)
		}
	}
	topics[2].Leave(p.all[0])
	p.settle()
	p.heard()
	topics[2].Publish(prepared(t, "c"))
	topics[4].Publish(prepared(t, "e"))
	p.settle()
	p.hears("one left one", "3 c", "1 e", "3 e")
	p.send("RST_STREAM 1 CANCEL")
	for i, topic := range topics {
		if topic.Len() != 1 {
			t.Errorf("topic %d has %d members", i, topic.Len())
		}
	}
	p.publish("a")
	p.hears("the other is still everywhere", "3 a")
}

func TestDirectSendsBetweenSlices(t *testing.T) {
	const members = 4 * sliceMembers
	p := openTopic(t, Limits{MaxConcurrentStreams: members + 1}, TopicOptions{}, 0)
	for i := range members {
		p.headers(uint32(2*i+1), 0, p.connectFields())
	}
	p.send("WINDOW_UPDATE 0 increment=1000000000")
	p.out = nil
	p.room = 0
	p.publish("framed")
	p.publish("a")
	last := p.all[members-1]
	last.Send(ws.Text, []byte("direct"))
	p.settle()
	p.unstall()
	list := p.heard()
	at := -1
	for i, line := range list {
		if line == fmt.Sprint(p.idOf(last), " direct") {
			at = i
		}
	}
	if at < 0 || at > len(list)/2 {
		t.Errorf("a direct message comes as number %d of %d", at, len(list))
	}
	p.settled("two for each", 2*members, 0, 0, 0)
}

func TestInitialWindowSizeInTheMiddleOfASweep(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 10)
	p.stopSweep(4, "a")
	p.send("SETTINGS INITIAL_WINDOW_SIZE=101")
	p.unstall()
	p.hears("who has not got it has 101 octets of window for 102", "1 a", "3 a", "5 a", "7 a")
	p.checkRings()
	p.publish("b")
	p.hears("in order: behind what waits")
	p.send("SETTINGS INITIAL_WINDOW_SIZE=102")
	p.hears("those that were not served have exactly enough", "9 a", "11 a", "13 a", "15 a", "17 a", "19 a")
	p.send("SETTINGS INITIAL_WINDOW_SIZE=105")
	if got := p.heard(); len(got) != 10 {
		t.Fatalf("three octets more for everybody: %q", got)
	}
	for _, c := range p.all {
		if n := window(c.Lower().(*stream)); n != 0 {
			t.Errorf("stream %d has a window of %d left", p.idOf(c), n)
		}
	}
	p.settled("two for each", 20, 0, 0, 0)
}

// A million octets through windows of 1,000, opened by WINDOW_UPDATE on the stream: what feeds have charged and not
// settled is never lost.
func TestStreamWindowsAreSettled(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 3)
	p.send("SETTINGS INITIAL_WINDOW_SIZE=1000", "WINDOW_UPDATE 0 increment=10000000")
	p.hears("SETTINGS")
	for i := range 1000 {
		p.publish(long(fmt.Sprint(i), 246))
		if i%4 == 3 {
			for id := 1; id <= 5; id += 2 {
				p.send(fmt.Sprintf("WINDOW_UPDATE %d increment=1000", id))
			}
		}
	}
	if got := p.heard(); len(got) != 3000 {
		t.Errorf("%d messages", len(got))
	}
	for _, c := range p.all {
		if n := c.Lower().(*stream).available(); n != 1000 {
			t.Errorf("stream %d has a window of %d", p.idOf(c), n)
		}
	}
}

// What a peer may grant is measured by what it was sent, also where that is not yet in the stream's own window.
func TestGrantAfterASweep(t *testing.T) {
	p := openTopic(t, Limits{}, TopicOptions{}, 2)
	p.send("SETTINGS INITIAL_WINDOW_SIZE=2147483647")
	p.hears("the largest window there is")
	p.publish(long("a", 100))
	p.hears("102 octets of it", "1 a", "3 a")
	p.send("WINDOW_UPDATE 1 increment=102", "WINDOW_UPDATE 3 increment=103")
	p.hears("one more than was sent is too much", "3 reset")
}
