package soak

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"h2ws/bench"
)

func TestLateness(t *testing.T) {
	var l lateness
	now := time.Now()
	l.note(now, lateMin-1)
	if l.excuses(now) || l.String() != "never late by a second" {
		t.Error("it was not late")
	}
	l.note(now, 3*time.Second)
	l.note(now, 2*time.Second)
	if !l.excuses(now.Add(lateEffect-1)) || l.excuses(now.Add(lateEffect)) {
		t.Error("what follows for 45 s may be due to it")
	}
	if s := l.String(); s != "2 times late by more than a second, at most by 3s" {
		t.Error(s)
	}
}

// Messages that are wrong have no excuse.
func TestExcusable(t *testing.T) {
	for err, want := range map[error]bool{
		&bench.FaultError{Text: "echo differs"}: false, &bench.DeliveryError{Lost: 1}: false,
		&bench.ClosedError{}: true, errors.New("connection 16 of 50: EOF"): true,
	} {
		if got := excusable(fmt.Errorf("wrapped: %w", err)); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
