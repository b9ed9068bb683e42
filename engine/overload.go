package engine

import (
	"sync/atomic"
	"unsafe"

	"h2ws/ws"
)

// Overload says what a Server refuses because the process holds much of its Limits.MemorySize. What is not refused is
// served as before. Each state is left when a twentieth of MemorySize less is held than it takes to enter it.
type Overload uint8

const (
	OverloadNone        Overload = iota
	OverloadConnections          // above 3/4: no connections are accepted
	OverloadStreams              // above 9/10: streams are refused, and queues are full when they are at half of their limits
	OverloadBacklogs             // above all of it: logs are cut and the largest backlogs given up
)

// String is the state's name.
func (o Overload) String() string {
	return [...]string{"none", "connections", "streams", "backlogs"}[o]
}

// overloadMarks are twentieths of MemorySize.
var overloadMarks = [...]int64{OverloadConnections: 15, OverloadStreams: 18, OverloadBacklogs: 20}

// next is the state when held octets of size are held.
func (o Overload) next(held, size int64) Overload {
	for state := OverloadBacklogs; state > OverloadNone; state-- {
		mark := overloadMarks[state]
		if o >= state {
			mark--
		}
		if held > size/20*mark {
			return state
		}
	}
	return OverloadNone
}

// standing is the octets of connections, of their streams, and of what has come in for them and is not complete, in the
// process, as of their loops' last turns. Unlike what is in held, nothing of it can be given up for the asking: as
// long as streams are refused it only gets less.
var standing atomic.Int64

// What a connection, its HPACK table, a stream and a place in the table of streams take.
const (
	connWeight   = int(unsafe.Sizeof(conn{})) + 64
	tableWeight  = 640
	streamWeight = int(unsafe.Sizeof(stream{})) + 16
	placeWeight  = 12
)

// weigh brings the account of the connection's memory up to date.
func (c *conn) weigh() {
	n := 0
	if c.state != connLost {
		n = connWeight + cap(c.held) + cap(c.control) + c.assembly + c.block.size()
	}
	if c.hpack != nil {
		n += tableWeight
	}
	if c.streams.len() > 0 {
		n += len(c.streams.ids)*placeWeight + c.streams.len()*streamWeight
	}
	c.core.weight += n - c.weight
	c.weight = n
}

func (b *fieldBlock) size() int {
	if b == nil {
		return 0
	}
	return cap(b.b)
}

// memoryHeld is what the process holds.
func memoryHeld() int64 { return held.Load() + standing.Load() }

// messagesMax is what messages may take: what connections and streams leave of Limits.MemorySize, and a tenth in any case.
func (k *core) messagesMax() int64 {
	size := k.limits.MemorySize
	return max(size-standing.Load(), size/10)
}

// queueLimits are the limits of a queue as long as there is memory to spare, and else half of them.
func (k *core) queueLimits(l *ws.QueueLimits) (octets, messages int) {
	if k.overload < OverloadStreams {
		return l.MaxBytes, l.MaxMessages
	}
	return l.MaxBytes / 2, l.MaxMessages / 2
}

// judge brings the account up to date and finds out whether there is too much.
func (k *core) judge() {
	k.holdSegments()
	if k.weighed != k.weight {
		standing.Add(int64(k.weight - k.weighed))
		k.weighed = k.weight
	}
	k.overload = k.overload.next(memoryHeld(), k.limits.MemorySize)
	k.stats.Overload = k.overload
}
