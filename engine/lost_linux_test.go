package engine

import (
	"fmt"
	"runtime"
	"testing"
)

// BenchmarkLost loses a connection with all its sockets, members of a topic, with so many messages in the queue of
// each. One operation is one of them; turn-ms is the longest turn, in CPU time of the loop's thread.
func BenchmarkLost(b *testing.B) {
	for _, x := range []struct{ sockets, queued int }{{300_000, 0}, {300_000, 16}, {1_000_000, 0}} {
		b.Run(fmt.Sprintf("sockets=%d/queued=%d", x.sockets, x.queued), func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			longest, turns := int64(0), 0
			for i := 0; i < b.N; i += x.sockets {
				b.StopTimer()
				r, _ := newTopicRig(b, TopicOptions{}, x.sockets)
				r.queueEach(x.queued)
				runtime.GC()
				b.StartTimer()
				r.lose(func(turn func()) {
					before := threadTime(b)
					turn()
					longest = max(longest, threadTime(b)-before)
					turns++
				})
			}
			b.ReportMetric(float64(longest)/1e6, "turn-ms")
			b.ReportMetric(float64(turns)/float64((b.N+x.sockets-1)/x.sockets), "turns")
		})
	}
}
