package bench

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"h2ws/ws"
)

func TestTopicNames(t *testing.T) {
	for path, want := range map[string][]string{
		"/":                   nil,
		"/t":                  nil,
		"/t/":                 nil,
		"/t/a":                {"a"},
		"/t/a?policy=x":       {"a"},
		"/t/a/b/17":           {"a", "b", "17"},
		"/t//a//b/":           {"a", "b"},
		"/t/a/b/a":            {"a", "b"},
		"/t/A/a":              {"A", "a"},
		"/t/%61":              {"%61"},
		"/topics/a":           nil,
		"/chat/t/a":           nil,
		"/t/a?x=/t/b":         {"a"},
		"/?/t/a":              nil,
		"/t?/a":               nil,
		"/t/a?policy=b/c?d/e": {"a"},
	} {
		if got := topicNames(path); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestPathQueue(t *testing.T) {
	for _, p := range policies {
		got := pathQueue("/t/a?x=1&policy=" + p.String())
		if got == nil || *got != (ws.QueueLimits{Policy: p}) {
			t.Errorf("%v: got %+v", p, got)
		}
	}
	for _, path := range []string{"/", "/?", "/?policy", "/?policy=", "/?policy=dropoldest", "/?%", "/policy=DropOldest"} {
		if got := pathQueue(path); got != nil {
			t.Errorf("%s: got %+v, want the server's limits", path, got)
		}
	}
}

// TestTopicTableAgainstModel opens and closes sockets on random paths, and publishers of random topics.
// A topic must be there, and be the same, as long as it is held, and not a moment longer.
func TestTopicTableAgainstModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	table := newTopicTable()
	var sets []*topicSet
	var held []*namedTopic
	holders := map[string]int{}
	identity := map[string]*namedTopic{}
	for range 20000 {
		switch random.IntN(5) {
		case 0, 1:
			set := table.open(fmt.Sprintf("/t/%d/%d?x=%d", random.IntN(5), random.IntN(5), random.IntN(2)))
			if len(set.topics) != len(set.named)+1 || set.topics[len(set.named)] != ws.Topic(table.all) {
				t.Fatalf("%s: topics %v", set.path, set.topics)
			}
			for i, topic := range set.named {
				if was := identity[topic.Name()]; was != nil && was != topic || set.topics[i] != ws.Topic(topic.Topic) {
					t.Fatalf("%s: there are two topics %s", set.path, topic.Name())
				}
				identity[topic.Name()] = topic
				holders[topic.Name()]++
			}
			sets = append(sets, set)
		case 2:
			name := fmt.Sprint(random.IntN(5))
			topic := table.hold(name)
			if topic != identity[name] {
				t.Fatalf("%s: got %v, held by %d", name, topic, holders[name])
			}
			if topic != nil {
				holders[name]++
				held = append(held, topic)
			}
		case 3:
			if len(sets) > 0 {
				i := random.IntN(len(sets))
				table.close(sets[i])
				for _, topic := range sets[i].named {
					holders[topic.Name()]--
				}
				sets = slices.Delete(sets, i, i+1)
			}
		case 4:
			if len(held) > 0 {
				table.release(held[0])
				holders[held[0].Name()]--
				held = held[1:]
			}
		}
		open := 0
		for name, n := range holders {
			if n > 0 {
				open++
			} else {
				delete(identity, name)
			}
		}
		if len(table.topics) != open {
			t.Fatalf("%d topics in the table, %d are held", len(table.topics), open)
		}
	}
	for _, set := range sets {
		table.close(set)
	}
	for _, topic := range held {
		table.release(topic)
	}
	if len(table.sets)+len(table.topics) != 0 {
		t.Errorf("%d sets and %d topics are left", len(table.sets), len(table.topics))
	}
}
