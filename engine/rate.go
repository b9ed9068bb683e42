package engine

import "time"

// openWaiting lets the shares whose interval is over begin their next batch.
func (k *core) openWaiting() {
	kept := k.waiting[:0]
	for _, sh := range k.waiting {
		if sh.openAt > k.now {
			kept = append(kept, sh)
			continue
		}
		sh.waiting = false
		sh.open()
	}
	clear(k.waiting[len(kept):])
	k.waiting = kept
}

// nextWaiting is when openWaiting has something to do.
func (k *core) nextWaiting() time.Duration {
	next := never
	for _, sh := range k.waiting {
		next = min(next, sh.openAt)
	}
	return next
}
