package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"h2ws/ws"
)

// What is retained, against a plain list of which older news of a key are taken out.
func TestRetainedModel(t *testing.T) {
	for _, keys := range []int{1, 2, 7, 50} {
		r := rand.New(rand.NewPCG(uint64(keys), 1))
		o := &TopicOptions{Retain: RetainPerKey, RetainKeys: keys}
		var got retained
		var want []string
		for step := range 2000 {
			text := fmt.Sprintf("%d=%d", r.IntN(2*keys), step)
			p := keyed(t, text)
			got.add(o, p)
			want = slices.DeleteFunc(want, func(other string) bool { return keyed(t, other).Key() == p.Key() })
			if want = append(want, text); len(want) > keys {
				want = want[1:]
			}
			var list []string
			for _, p := range got.list() {
				list = append(list, string(p.Data()))
			}
			if !slices.Equal(list, want) {
				t.Fatalf("%d keys, step %d: %q, want %q", keys, step, list, want)
			}
			if len(got.news) > 2*keys+1 || len(got.byKey) > keys {
				t.Fatalf("%d keys, step %d: %d messages for %d keys are kept", keys, step, len(got.news), len(got.byKey))
			}
		}
	}
}

// A thousand sockets that join between two publishes are given one list.
func TestRetainedListIsShared(t *testing.T) {
	p, all := openQuiet(t, Limits{}, 2)
	topic := NewTopic("", TopicOptions{Retain: RetainPerKey})
	for i := range 10 {
		topic.Publish(keyed(t, fmt.Sprint(i, "=")))
	}
	join(t, topic, all...)
	lists := p.core.box.posts
	if a, b := lists[0].topic.retained, lists[1].topic.retained; len(a) != 10 || &a[0] != &b[0] {
		t.Errorf("each has a list of its own, of %d", len(a))
	}
	topic.Publish(keyed(t, "10="))
	if a := lists[0].topic.retained; len(a) != 10 || len(topic.retained.list()) != 11 {
		t.Errorf("a later message is among the %d", len(a))
	}
}

// What is retained for a new member, however much, is not what its limits are about: it is not given up for it, and
// loses nothing of it to what comes next. Who joins again and again is treated as anybody.
func TestRetainedIsNotJudged(t *testing.T) {
	const keys = 1000
	for policy, want := range map[ws.Policy][]string{
		ws.CloseSlow:  {"1 close 1008", "1 end"},
		ws.DropNewest: {"1 0=", "1 1=", "1 999=", "1 x", "1 y"},
		ws.DropOldest: {"1 0=", "1 1=", "1 999=", "1 y", "1 z"},
		ws.Conflate:   {"1 0=", "1 1=", "1 999=", "1 y", "1 z"},
	} {
		p := openSlow(t, Limits{Queue: ws.QueueLimits{MaxMessages: 2, Policy: policy}}, TopicOptions{}, 1)
		topic := NewTopic("", TopicOptions{Retain: RetainPerKey})
		for i := range keys {
			topic.Publish(keyed(t, fmt.Sprint(i, "=")))
		}
		join(t, topic, p.all[0])
		p.settle()
		p.publish("x", "y")
		p.wantLog("the queue has room for two")
		if s := topic.Stats(); s.Pending != keys {
			t.Errorf("%v: %+v", policy, s)
		}
		p.publish("z")
		p.drain()
		got := p.heard()
		if len(got) > keys {
			got = slices.Delete(got, 2, keys-1)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: got %q, want %q", policy, got, want)
		}
	}
	p := openSlow(t, Limits{Queue: ws.QueueLimits{Policy: ws.DropOldest}}, TopicOptions{Retain: RetainPerKey}, 1)
	for i := range keys {
		p.publish(fmt.Sprint(i, "="))
	}
	for range 10 {
		p.topic.Leave(p.all[0])
		join(t, p.topic, p.all[0])
	}
	p.settle()
	if n := p.core.segments.used; n > keys+2*256 {
		t.Errorf("%d messages wait", n)
	}
}
