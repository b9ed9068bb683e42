package bench

import (
	"net/url"
	"slices"
	"strings"
	"sync"

	"h2ws/engine"
	"h2ws/ws"
)

// topicPath begins the paths that name topics: /t/NAME[/NAME...].
const topicPath = "/t/"

// topicTable has the topics that paths name, each for as long as somebody holds it: sockets opened on
// such a path, and publishers. Sockets on the same path share one topicSet.
type topicTable struct {
	all *engine.Topic // every socket's

	mu     sync.Mutex
	sets   map[string]*topicSet
	topics map[string]*namedTopic
}

// topicSet is the topics of a path. holders > 0 while it is in its table, under topicTable.mu.
type topicSet struct {
	path    string
	topics  []ws.Topic // every socket's last: the first that a socket joins is nearest at hand
	named   []*namedTopic
	holders int
}

// namedTopic is a topic in the table. holders > 0 while it is, under topicTable.mu.
type namedTopic struct {
	*engine.Topic
	holders int
}

func newTopicTable() *topicTable {
	return &topicTable{
		all:    engine.NewTopic("all", engine.TopicOptions{}),
		sets:   map[string]*topicSet{},
		topics: map[string]*namedTopic{},
	}
}

// open returns the topics of a path for one more socket, who is to call close. path is borrowed.
func (t *topicTable) open(path string) *topicSet {
	t.mu.Lock()
	defer t.mu.Unlock()
	set := t.sets[path]
	if set == nil {
		set = t.newSet(strings.Clone(path))
	}
	set.holders++
	return set
}

func (t *topicTable) newSet(path string) *topicSet {
	set := &topicSet{path: path}
	for _, name := range topicNames(path) {
		topic := t.topics[name]
		if topic == nil {
			topic = &namedTopic{Topic: engine.NewTopic(name, engine.TopicOptions{})}
			t.topics[name] = topic
		}
		topic.holders++
		set.named = append(set.named, topic)
		set.topics = append(set.topics, topic.Topic)
	}
	set.topics = append(set.topics, t.all)
	t.sets[path] = set
	return set
}

// close gives up what open returned.
func (t *topicTable) close(set *topicSet) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if set.holders--; set.holders > 0 {
		return
	}
	delete(t.sets, set.path)
	for _, topic := range set.named {
		t.letGo(topic)
	}
}

// hold returns the topic of that name for a publisher, who is to call release, or nil if nobody holds it.
func (t *topicTable) hold(name string) *namedTopic {
	t.mu.Lock()
	defer t.mu.Unlock()
	topic := t.topics[name]
	if topic != nil {
		topic.holders++
	}
	return topic
}

func (t *topicTable) release(topic *namedTopic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.letGo(topic)
}

// letGo is release under mu.
func (t *topicTable) letGo(topic *namedTopic) {
	if topic.holders--; topic.holders == 0 {
		delete(t.topics, topic.Name())
	}
}

// topicNames returns the names in a path, each once, as they are written there.
func topicNames(path string) (names []string) {
	path, _, _ = strings.Cut(path, "?")
	list, ok := strings.CutPrefix(path, topicPath)
	if !ok {
		return nil
	}
	for name := range strings.SplitSeq(list, "/") {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// queues has the default limits with each policy, by its name.
var queues = func() map[string]*ws.QueueLimits {
	m := map[string]*ws.QueueLimits{}
	for _, p := range policies {
		m[p.String()] = &ws.QueueLimits{Policy: p}
	}
	return m
}()

var policies = []ws.Policy{ws.CloseSlow, ws.DropNewest, ws.DropOldest, ws.Conflate}

// pathQueue returns the limits that the query of a path asks for: policy=NAME. nil: the server's.
func pathQueue(path string) *ws.QueueLimits {
	_, query, ok := strings.Cut(path, "?")
	if !ok {
		return nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil
	}
	return queues[values.Get("policy")]
}
