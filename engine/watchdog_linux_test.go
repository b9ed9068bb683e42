package engine_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"h2ws/engine"
	"h2ws/ws"
)

// blockTheLoop is in the stack that the watchdog logs.
func blockTheLoop(release chan struct{}) { <-release }

// A callback that blocks its loop is logged with its stack, once, and counted. When it returns all goes on.
func TestBlockedLoop(t *testing.T) {
	log, release := new(records), make(chan struct{})
	r := serve(t, &engine.Server{
		Logger: slog.New(log), Loops: 1,
		Limits: engine.Limits{BlockTime: 300 * time.Millisecond},
		Handler: ws.Funcs{Message: func(c *ws.Conn, m ws.Message) {
			if string(m.Data) == "block" {
				blockTheLoop(release)
			}
			c.Send(m.Type, m.Data)
		}},
	})
	other, c := r.dial(), r.dial()
	other.open("/")
	id := c.open("/")
	for blocked := range uint64(3) {
		c.message(id, "block")
		c.flush()
		until(t, "the watchdog barks", func() bool { return r.Stats().LoopsBlocked == blocked+1 })
		release <- struct{}{}
		c.wantOf(id, "the callback has returned", "message block")
		other.echo(1, "still here")
	}
	barks := 0
	for _, record := range log.list {
		record.Attrs(func(a slog.Attr) bool {
			if a.Key == "stack" && strings.Contains(a.Value.String(), "blockTheLoop") {
				barks++
			}
			return true
		})
	}
	if barks != 3 {
		t.Errorf("logged %d times with the callback's stack, want 3", barks)
	}
}

// A loop that has ended is not blocked, however long others still drain.
func TestEndedLoopIsNotBlocked(t *testing.T) {
	r := serve(t, &engine.Server{Handler: echo, Loops: 2})
	r.dial().open("/")
	r.Close()
	if !r.Resting() {
		t.Error("the watchdog awaits a sign of life from loops that have ended")
	}
}
