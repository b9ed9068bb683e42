package engine

import "h2ws/engine/frame"

const (
	// warmStreams is from how many streams on they no longer fit the processor's caches.
	warmStreams = 1 << 13
	// warmFrames is how many frames are looked ahead: enough to keep every load buffer busy.
	warmFrames = 32
)

// warm has the processor load what the next DATA frames in p need, all at once, and returns how many
// octets of p they take. With a million sockets each frame finds its place in the table and its stream out
// of the cache; one after the other these misses cost more than everything else that is done
// for a small message (BenchmarkEcho, order random), side by side they cost a tenth.
func (c *conn) warm(p []byte) (ahead int) {
	var ids [warmFrames]uint32
	n := 0
	for n < warmFrames {
		h, m := frame.ConsumeHeader(p[min(ahead, len(p)):])
		if m == 0 {
			break
		}
		if h.Type == frame.Data {
			ids[n] = h.StreamID
			n++
		}
		ahead += m + int(h.Length)
	}
	t := &c.streams
	mask := uint32(len(t.ids) - 1)
	var seen uint32
	for _, id := range ids[:n] {
		seen += t.ids[t.home(id)&mask]
	}
	for _, id := range ids[:n] {
		if t.streams[t.home(id)&mask] != nil {
			seen++
		}
	}
	for _, id := range ids[:n] {
		if s := t.find(id); s != nil && !s.slot.Linked() {
			seen += s.id + uint32(s.ws.Held()) + uint32(s.queued.Load()) // one octet of each of its lines
		}
	}
	c.core.warmed = seen // or the compiler sees that nobody looks
	return max(ahead, 1)
}
