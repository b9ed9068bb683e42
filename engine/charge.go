package engine

import (
	"time"

	"h2ws/engine/frame"
)

// trifles decides when a connection does enough to have a ledger: more than trivial things in a row, or one a second.
type trifles struct{ n, at uint8 }

const trivial = 32

// add counts one more and reports whether it is enough. seconds may wrap.
func (t *trifles) add(seconds uint8) bool {
	t.n -= min(t.n, seconds-t.at)
	t.at = seconds
	t.n++
	return t.n > trivial
}

// How long a connection that is to slow down is not read: until it is within its budget again, at least and at most.
const (
	slowMin = 100 * time.Millisecond
	slowMax = time.Second
)

// charge counts n of what r is about, and acts. Its error ends the connection.
func (c *conn) charge(r Rule, n float32) error {
	switch c.count(r, n) {
	case actEnd:
		return connError(frame.EnhanceYourCalm, "rule "+r.String())
	case actDrain:
		if c.drain == drainNone && c.state == connOpen {
			c.notifyDrain()
		}
	case actSlow:
		c.slow(r)
	}
	return nil
}

// count counts n of what r is about, and that there is something to be done about it.
func (c *conn) count(r Rule, n float32) action {
	now := milliseconds(c.core.now)
	if c.ledger == nil {
		if !c.early.add(uint8(now / 1000)) {
			return actNone
		}
		c.ledger = newLedger(c.core.now, c.lastPeerID)
		c.ledger.frames = float32(c.frames)
	}
	c.ledger.tick(now, c.lastPeerID, c.streams.len())
	a := c.ledger.count(r, n, c.core.limits.ruleScale(), now)
	if a != actNone {
		c.core.stats.Rules[r].count(a)
		c.noteRule(r, a)
	}
	return a
}

// framesEarly is the most DATA frames that count for budgets when a connection gets its ledger: so many in a round trip,
// and nothing of what was sent long before.
const framesEarly = 1 << 16

// sent counts DATA frames sent.
func (c *conn) sent(frames uint64) {
	if c.ledger != nil {
		c.ledger.tick(milliseconds(c.core.now), c.lastPeerID, c.streams.len())
		c.ledger.frames += float32(frames)
	} else {
		c.frames = uint32(min(uint64(c.frames)+frames, framesEarly))
	}
}

// noteRule logs the first trigger of a rule. The end of a connection is logged by fail.
func (c *conn) noteRule(r Rule, a action) {
	if c.ledger.logged || a == actEnd {
		return
	}
	c.ledger.logged = true
	c.core.log.Info("rule met", "remote", c.remote, "rule", r, "action", a, "streams", c.streams.len())
}

// slow has the connection not be read for a while.
func (c *conn) slow(r Rule) {
	pause := min(max(slowMin, c.ledger.excess(r, c.core.limits.ruleScale())), slowMax)
	c.ledger.slowUntil = c.core.now + pause
}

// slowed reports whether the connection is not to be read now.
func (c *conn) slowed() bool { return c.ledger != nil && c.ledger.slowUntil != never }

func (l *ledger) deadline() time.Duration {
	if l == nil {
		return never
	}
	return l.slowUntil
}

// endSlow has the connection read again. Nobody could hear what its peer said meanwhile.
func (c *conn) endSlow() {
	c.ledger.slowUntil = never
	c.lastRecv = c.core.now
}

// breach ends the connection by a rule that has no bucket.
func (c *conn) breach(r Rule, code frame.ErrCode, text string) error {
	c.core.stats.Rules[r].Ended++
	return connError(code, "rule "+r.String()+": "+text)
}

// chargeFrame counts a frame that is neither DATA, HEADERS nor CONTINUATION by its header.
func (c *conn) chargeFrame(h frame.Header) error {
	switch h.Type {
	case frame.Headers, frame.Continuation:
		return nil
	case frame.WindowUpdate:
		return c.charge(RuleWindowUpdate, 1)
	}
	if h.Type == frame.Priority || h.Type >= frame.GoAway && h.Type != frame.WindowUpdate {
		if err := c.charge(RuleGlitch, 1); err != nil {
			return err
		}
	}
	return c.charge(RuleOverhead, float32(frame.HeaderLen+h.Length))
}

// chargeFault counts a stream error of the peer: of a stream that it has, or is just opening, or of one long gone.
func (c *conn) chargeFault(id uint32) {
	r := RuleGlitch
	if id == c.lastPeerID || c.streams.find(id) != nil {
		r = RuleFault
	}
	if err := c.charge(r, 1); err != nil {
		c.fail(err)
	}
}

// chargeReset counts a RST_STREAM of the peer.
func (c *conn) chargeReset(s *stream) error {
	switch {
	case s == nil:
		return c.charge(RuleGlitch, 1)
	case c.ledger == nil || s.id > c.ledger.young:
		return c.charge(RuleReset, 1)
	}
	return nil
}
