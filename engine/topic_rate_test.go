package engine

import (
	"fmt"
	"testing"
	"time"
)

// Topics that wait for their MaxRate are woken in the order of their times, and only the first is looked at.
func TestMaxRateOfManyTopics(t *testing.T) {
	p, all := openQuiet(t, Limits{PingInterval: -1}, 1)
	p.send("SETTINGS INITIAL_WINDOW_SIZE=65535")
	p.frames()
	var topics []*Topic
	for i := range 100 {
		topic := NewTopic("", TopicOptions{MaxRate: 1 / float64(1+(37*i)%100)}) // 1 to 100 seconds
		join(t, topic, all...)
		topics = append(topics, topic)
		topic.Publish(prepared(t, "at once"))
		topic.Publish(prepared(t, "later"))
	}
	p.settle()
	p.frames()
	waiting := append([]*share(nil), p.core.waiting...)
	clear(p.core.waiting[1:])
	if next := p.core.nextWaiting(); next != p.core.now+time.Second {
		t.Errorf("the loop sleeps until %v, it is %v", next, p.core.now)
	}
	p.core.openWaiting()
	copy(p.core.waiting, waiting)
	for second := 1; second <= 100; second++ {
		p.later(time.Second)
		n := 0
		for i, topic := range topics {
			if s := topic.Stats(); s.Delivered == 2 {
				n++
			} else if 1+(37*i)%100 <= second {
				t.Errorf("after %d s topic %d: %+v", second, i, s)
			}
		}
		if n != second {
			t.Fatalf("after %d s %d topics are through", second, n)
		}
	}
}

// A topic that nobody is in any more does not wait.
func TestMaxRateOfATopicWithoutMembers(t *testing.T) {
	p, all := openQuiet(t, Limits{}, 1)
	topic := NewTopic("", TopicOptions{MaxRate: 0.001})
	for range 10 {
		join(t, topic, all...)
		topic.Publish(prepared(t, "at once"))
		topic.Publish(prepared(t, "later"))
		p.settle()
		topic.Leave(all[0])
		p.settle()
		if n := len(p.core.waiting); n != 0 {
			t.Fatalf("%d wait", n)
		}
	}
}

// A rate too low for the clock is none, rather than any.
func TestMaxRateNearNone(t *testing.T) {
	for _, rate := range []float64{1e-12, 5e-324} {
		p := openTopic(t, Limits{PingInterval: -1}, TopicOptions{MaxRate: rate}, 1)
		p.publish("a")
		p.publish("b")
		p.hears(fmt.Sprint(rate), "1 a")
		p.later(1000 * time.Hour)
		p.hears("still")
	}
}
