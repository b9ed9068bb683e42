package engine

import "h2ws/engine/frame"

const (
	// warmStreams is from how many streams on they no longer fit the processor's caches.
	warmStreams = 1 << 13
	// warmFrames is how many frames are looked ahead: enough to keep every load buffer busy.
	warmFrames = 32
	// warmConns is how many connections are looked ahead: what they need is still in the cache when the system calls for
	// those before them are done.
	warmConns = 16
	// warmDirty is from how many connections on to be flushed it is done.
	warmDirty = 8 * warmConns
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
			seen += s.lines()
		}
	}
	c.core.warmed = seen // or the compiler sees that nobody looks
	return max(ahead, 1)
}

// lines reads something of each cache line of the stream.
func (s *stream) lines() uint32 { return s.id + uint32(s.ws.Held()) + uint32(s.queued.Load()) }

// warm does the same for the next members that the sweep must look at one by one, whose queues are about to lose
// their oldest message and get a new one, and returns how many they are. They are those that wait and don't lag: see
// feed.mayLag.
func (f *feed) warm() (n int) {
	var streams [warmFrames]*stream
	end := min(f.next+sliceMembers, len(f.members))
	for i := f.next; n < warmFrames; i, n = i+1, n+1 {
		if i += f.windows.run(i, end); i == end {
			break
		}
		streams[n] = f.members[i]
	}
	var seen uint32
	for _, s := range streams[:n] {
		seen += s.lines()
	}
	for _, s := range streams[:n] {
		if g := s.queue.last; g != nil {
			seen += g.size + uint32(g.kind)
		}
	}
	for _, s := range streams[:n] {
		if g := s.queue.first(); g != nil {
			seen += g.size + uint32(g.kind)
		}
	}
	f.share.core.warmed = seen
	return n
}

// warm does the same for the connections that are flushed next and the feeds that they sweep. Of what a message to each
// of 10,000 connections costs it saves a twentieth (wsbench fanout -sockets 100000 -conns 10000), a third of what the
// engine itself takes.
func (k *core) warm(conns []*conn) {
	var seen uint64
	for _, c := range conns {
		seen += c.lines()
	}
	for _, c := range conns {
		if slot := c.feeds.Front(); slot != nil {
			seen += feedOf(slot).lines()
		}
	}
	for _, c := range conns {
		if slot := c.feeds.Front(); slot != nil {
			f := feedOf(slot)
			if f.next < len(f.ids) {
				seen += uint64(f.ids[f.next]) + f.windows.bits[f.next/64]
			}
		}
	}
	k.warmed = uint32(seen)
}

// lines reads something of each cache line of the connection.
func (c *conn) lines() uint64 {
	return uint64(c.inVain) + uint64(c.wire.fd) + uint64(c.streams.len()) + uint64(len(c.held)) + uint64(c.assembly) +
		uint64(c.peerInitial) + uint64(c.burst) + uint64(c.weight) + uint64(c.stall.by)
}

// lines reads something of each cache line of the feed.
func (f *feed) lines() uint64 {
	return uint64(f.index) + uint64(f.next) + uint64(f.windows.total) + uint64(len(f.counted))
}
