package soak

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// lateness watches how late this process itself comes to run. On a machine that is that busy nobody keeps a deadline, and
// a server that ends a connection whose peer says nothing for seconds is right to.
type lateness struct {
	mu    sync.Mutex
	last  time.Time     // when it was late
	most  time.Duration // by how much at most
	count int
}

const (
	lateTick = 50 * time.Millisecond
	// lateMin is how late is late: less than all deadlines of a server that a client must meet.
	lateMin = time.Second
	// lateEffect is how long after that something may be its consequence: the longest of these deadlines, for an answer
	// to a PING after silence, is 40 s.
	lateEffect = 45 * time.Second
)

func (l *lateness) watch(ctx context.Context) {
	for before := time.Now(); sleep(ctx, lateTick) == nil; {
		now := time.Now()
		l.note(now, now.Sub(before)-lateTick)
		before = now
	}
}

func (l *lateness) note(now time.Time, by time.Duration) {
	if by < lateMin {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last, l.most = now, max(l.most, by)
	l.count++
}

// excuses says whether what happens now may be due to it.
func (l *lateness) excuses(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count > 0 && now.Sub(l.last) < lateEffect
}

func (l *lateness) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == 0 {
		return "never late by a second"
	}
	return fmt.Sprintf("%d times late by more than a second, at most by %v", l.count, l.most.Round(time.Millisecond))
}
