package engine

import (
	"container/heap"
	"time"
)

// waitingShares are those whose topic's MaxRate holds messages back, as a heap: first the one that may go on first.
type waitingShares []*share

func (w waitingShares) Len() int           { return len(w) }
func (w waitingShares) Less(i, j int) bool { return w[i].openAt < w[j].openAt }
func (w waitingShares) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].waiting, w[j].waiting = int32(i+1), int32(j+1)
}

func (w *waitingShares) Push(x any) {
	sh := x.(*share)
	*w = append(*w, sh)
	sh.waiting = int32(len(*w))
}

func (w *waitingShares) Pop() any {
	last := len(*w) - 1
	sh := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	sh.waiting = 0
	return sh
}

// wait has the share opened at openAt.
func (sh *share) wait() { heap.Push(&sh.core.waiting, sh) }

// unwait takes it back.
func (sh *share) unwait() {
	if sh.waiting > 0 {
		heap.Remove(&sh.core.waiting, int(sh.waiting-1))
	}
}

// openWaiting lets the shares whose interval is over begin their next batch.
func (k *core) openWaiting() {
	for k.nextWaiting() <= k.now {
		heap.Pop(&k.waiting).(*share).open()
	}
}

// nextWaiting is when openWaiting has something to do.
func (k *core) nextWaiting() time.Duration {
	if len(k.waiting) == 0 {
		return never
	}
	return k.waiting[0].openAt
}
