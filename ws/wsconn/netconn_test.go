package wsconn

import (
	"testing"
	"time"
)

func TestDeadline(t *testing.T) {
	var d deadline
	if d.isOver() {
		t.Error("none is set, and it is over")
	}
	d.set(time.Now().Add(-time.Second))
	<-d.passed()
	d.set(time.Time{})
	if d.isOver() {
		t.Error("it was taken back")
	}
	d.set(time.Now().Add(time.Hour))
	waiting := d.passed()
	d.set(time.Now().Add(2 * time.Hour))
	if d.isOver() {
		t.Error("it was put off")
	}
	d.set(time.Now().Add(time.Millisecond)) // who waits for the old one is told of the new one
	<-waiting
	if !d.isOver() {
		t.Error("it is over")
	}
	d.set(time.Now().Add(time.Hour))
	if d.isOver() {
		t.Error("and may be set again")
	}
	d.set(time.Now())
	<-d.passed()
}

// However it is moved, a deadline in the past ends the wait.
func TestDeadlineRace(t *testing.T) {
	for range 500 {
		var d deadline
		moved := make(chan struct{})
		go func() {
			for i := range 20 {
				d.set(time.Now().Add(time.Duration(i%3) * time.Microsecond))
			}
			d.set(time.Now().Add(-1))
			close(moved)
		}()
		<-moved
		<-d.passed()
	}
}
