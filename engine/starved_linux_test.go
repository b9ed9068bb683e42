package engine_test

import (
	"sync/atomic"
	"testing"
	"time"

	"h2ws/engine"
	"h2ws/engine/frame"
	"h2ws/ws"
)

// A loop gets no processor for an hour, or its clock jumps by one. What its peers have said meanwhile was said in time,
// and nobody is late who had a while left.
func TestStarvedLoop(t *testing.T) {
	var starve atomic.Bool
	starved, release := make(chan struct{}), make(chan struct{})
	f := engine.Inject(t, func(c engine.Call, _ int) engine.Fault {
		if c == engine.CallWait && starve.CompareAndSwap(true, false) {
			close(starved)
			<-release
		}
		return engine.Fault{}
	})
	r := serve(t, &engine.Server{Loops: 1, Handler: ws.Funcs{Message: func(c *ws.Conn, m ws.Message) {
		if string(m.Data) == "close me" {
			c.Close(ws.CloseNormal, "")
			return
		}
		c.Send(m.Type, m.Data)
	}}})
	idle, other := r.dial(), r.dial()
	idleID := idle.open("/")
	bare := r.dial() // has no stream
	bare.flush()

	c := r.dial()
	half, closing := c.open("/half"), c.open("/closing")
	c.out = frame.AppendData(c.out, half, 0, fragment(ws.OpText, false, "half a "))
	c.message(closing, "close me")
	c.wantOf(closing, "the server's Close", "close 1000")

	otherID := other.open("/")
	starve.Store(true)
	other.message(otherID, "one more turn")
	other.flush()
	<-starved
	c.out = frame.AppendData(c.out, half, 0, fragment(ws.OpContinuation, true, "message"))
	c.close(closing, frame.FlagEndStream, ws.CloseNormal)
	c.flush()
	f.Jump(time.Hour)
	close(release)

	c.wantOf(half, "its second half was in time", "message half a message")
	c.wantOf(closing, "so was the answer to the Close", "end")
	other.wantOf(otherID, "the last before the pause, or the first behind it", "message one more turn")
	idle.echo(idleID, "still here")
	bare.echo(bare.open("/"), "here too")
	if s := r.Stats(); s.Connections != 4 || s.ResetsSent != 0 {
		t.Errorf("%d connections are left, %d streams were reset", s.Connections, s.ResetsSent)
	}
	for rule, s := range r.Stats().Rules {
		if s != (engine.RuleStats{}) {
			t.Errorf("rule %v: %+v", engine.Rule(rule), s)
		}
	}
}
