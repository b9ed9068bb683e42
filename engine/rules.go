package engine

import "time"

// Rule is something that the engine watches peers for. The first of them are counted in buckets: a bucket holds
//
//	budget = base + perStream x streams + perData x frames
//
// times Limits.RuleScale, and what is counted leaks out of it at the rate of a whole budget every refill. streams is the
// most that the connection has had open lately, frames is the DATA frames that it was sent lately, lately being half a
// minute or two: so a trunk from a gateway has a trunk's budgets, be they for all of its sockets at once, without being
// told from a browser, and who asks for a budget has to keep the streams open for it. What is retained has limits of its own.
// Valid messages are never counted, however small.
//
// The other rules are the limits and deadlines whose breach costs the peer more than one message or stream.
type Rule uint8

const (
	RulePing         Rule = iota // PING (CVE-2019-9512)
	RuleSettings                 // SETTINGS (CVE-2019-9515)
	RuleReset                    // RST_STREAM on streams opened in the last one or two seconds: rapid reset (CVE-2023-44487)
	RuleFault                    // RST_STREAM that the peer has us send by errors (CVE-2019-9514, CVE-2025-8671)
	RuleWindowUpdate             // WINDOW_UPDATE, whatever for
	RuleGlitch                   // frames that do nothing: unknown types, PRIORITY (CVE-2019-9513), GOAWAY, those on closed streams
	RuleEmpty                    // DATA and HEADERS with nothing in them that end nothing (CVE-2019-9518)
	RuleOverhead                 // octets of frames that carry neither payload, fields nor window
	RuleRefused                  // streams above MAX_CONCURRENT_STREAMS
	RuleOpen                     // streams opened
	RuleFields                   // octets of field blocks: decompression and churn of the dynamic table
	RulePlain                    // requests for which there is no handler
	RuleSocketPing               // pings on WebSockets

	RuleFieldBlock // a field block that is too long, in too many frames or too many fields, or not completed in time (CVE-2024-27316)
	RulePreface    // no preface and SETTINGS within Limits.PrefaceTimeout
	RuleSettingsAck
	RuleStall       // a connection that takes too little of its output: Limits.WriteTimeout
	RuleStreamStall // a socket that takes too little of its queue: Limits.StreamTimeout (CVE-2019-9517)
	RuleMessage     // a message that comes in too slowly: Limits.MessageTimeout
	RuleSilence     // a connection that does not answer PING

	RuleCount // how many there are

	buckets = RuleFieldBlock // how many are counted in buckets
)

// String is the rule's name, as GOAWAY says it and the log.
func (r Rule) String() string { return ruleNames[r] }

var ruleNames = [RuleCount]string{
	"ping", "settings", "reset", "fault", "window_update", "glitch", "empty", "overhead", "refused", "open", "fields",
	"plain", "socket_ping",
	"field_block", "preface", "settings_ack", "stall", "stream_stall", "message", "silence",
}

// action is what a rule has done about a peer.
type action uint8

const (
	actNone   action = iota
	actSlow          // the connection is not read for a while
	actRefuse        // what was counted last is refused: the stream, or the socket
	actDrain         // GOAWAY(NO_ERROR): the connection ends when its streams do
	actEnd           // GOAWAY(ENHANCE_YOUR_CALM)
)

func (a action) String() string {
	return [...]string{"none", "slow", "refuse", "drain", "end"}[a]
}

// ladder is what happens at 50, 75 and 100 % of a budget.
type ladder [3]action

var (
	strict   = ladder{actSlow, actDrain, actEnd}
	patient  = ladder{actNone, actNone, actSlow}   // of what honest peers may want more
	refusing = ladder{actNone, actNone, actRefuse} // of what only some of those behind the peer do
)

// ruleTable has the budgets. Each is more than twice what honest peers were seen to need, or could (TestRulesSpare...).
var ruleTable = [buckets]struct {
	base, perStream, perData float32
	refill                   float32 // seconds
	ladder                   ladder
}{
	// BDP estimators send a PING for each burst of DATA.
	RulePing:     {base: 200, perStream: 1. / 128, perData: 1. / 8, refill: 10, ladder: strict},
	RuleSettings: {base: 100, perStream: 1. / 1024, refill: 30, ladder: strict},
	// A page that is left resets its 255 sockets at once, a gateway whose clients all leave 300,000.
	RuleReset: {base: 2000, perStream: 4, refill: 30, ladder: strict},
	RuleFault: {base: 100, perStream: 1. / 16, refill: 10, ladder: strict},
	// Some clients answer each DATA frame with two. 1,000,000 in a row, after a fan-out to as many streams, are in order.
	RuleWindowUpdate: {base: 1000, perStream: 10, perData: 8, refill: 10, ladder: strict},
	// What was sent to a stream before its end was known there.
	RuleGlitch:   {base: 10_000, perStream: 8, refill: 30, ladder: strict},
	RuleEmpty:    {base: 100, perStream: 1. / 8, refill: 10, ladder: strict},
	RuleOverhead: {base: 1 << 20, perStream: 64, perData: 8, refill: 16, ladder: strict},
	// A client may open streams before it knows how many, and try again.
	RuleRefused: {base: 4000, perStream: 1, refill: 100, ladder: strict},
	// Those that stay open pay for themselves: only churn is slowed down.
	RuleOpen:       {base: 4000, perStream: 2, refill: 4, ladder: patient},
	RuleFields:     {base: 4 << 20, perStream: 8 << 10, refill: 4, ladder: patient},
	RulePlain:      {base: 100, perStream: 1. / 8, refill: 10, ladder: refusing},
	RuleSocketPing: {base: 1 << 14, perStream: 100, refill: 100, ladder: refusing},
}

// bucket is a level that leaks.
type bucket struct {
	level float32
	at    uint32 // milliseconds, when it was brought up to date
}

// add adds n to what is left after leaking rate a second, and returns the level. On a clock of 2^32 milliseconds, 49
// days, a bucket that was left alone for longer has leaked less than it could.
func (b *bucket) add(n, rate float32, now uint32) float32 {
	b.level = max(0, b.level-rate*float32(now-b.at)/1000) + n
	b.at = now
	return b.level
}

// ledger is what the rules know of one connection.
type ledger struct {
	buckets [buckets]bucket
	steps   [buckets]uint8 // of its ladder that each rule has taken
	logged  bool

	slowUntil time.Duration // never: it may be read

	second    uint32 // milliseconds, when young was brought up to date
	young     uint32 // streams above this id were opened in the last two or three seconds
	youngNext uint32 // lastPeerID as of second
	halved    uint32 // milliseconds, when streams and frames were last halved
	streams   float32
	frames    float32 // DATA frames sent
}

// latelyMillis is when what was lately counts half.
const latelyMillis = 32_000

// newLedger begins an account of a connection with open streams of ids up to last.
func newLedger(now time.Duration, last uint32) *ledger {
	ms := milliseconds(now)
	l := &ledger{slowUntil: never, second: ms, young: last, youngNext: last, halved: ms}
	for i := range l.buckets {
		l.buckets[i].at = ms
	}
	return l
}

// tick lets the time pass for what is known of the connection's size.
func (l *ledger) tick(now uint32, last uint32, streams int) {
	if since := now - l.second; since >= 1000 {
		l.young = l.youngNext
		if since >= 2000 {
			l.young = last // nothing was opened since: that would have been counted
		}
		l.youngNext, l.second = last, now
	}
	for now-l.halved >= latelyMillis && l.streams+l.frames >= 1 {
		l.streams, l.frames = l.streams/2, l.frames/2
		l.halved += latelyMillis
	}
	if now-l.halved >= latelyMillis {
		l.halved = now // nothing is left to be halved, and what comes is not of that time
	}
	l.streams = max(l.streams, float32(streams))
}

func (l *ledger) budget(r Rule, scale float32) float32 {
	rule := &ruleTable[r]
	return scale * (rule.base + rule.perStream*l.streams + rule.perData*l.frames)
}

// count counts n of what r is about. It returns what is to be done each time above the budget, and once on the way
// there, until three quarters of the budget are free again.
func (l *ledger) count(r Rule, n, scale float32, now uint32) action {
	budget := l.budget(r, scale)
	level := l.buckets[r].add(n, budget/ruleTable[r].refill, now)
	step := uint8(0)
	switch {
	case level > budget:
		l.steps[r] = 3
		return ruleTable[r].ladder[2]
	case level > budget*3/4:
		step = 2
	case level > budget/2:
		step = 1
	case level < budget/4:
		l.steps[r] = 0
	}
	if step <= l.steps[r] {
		return actNone
	}
	l.steps[r] = step
	return ruleTable[r].ladder[step-1]
}

// excess is how long it takes until no more than the budget is left in r's bucket.
func (l *ledger) excess(r Rule, scale float32) time.Duration {
	budget := l.budget(r, scale)
	seconds := (l.buckets[r].level - budget) / budget * ruleTable[r].refill
	return time.Duration(seconds * float32(time.Second))
}

// forgive empties a quarter of r's bucket: who was refused for all has paid for it.
func (l *ledger) forgive(r Rule) { l.buckets[r].level *= 3. / 4 }

// ruleScaleMax is a scale of budgets that nobody uses up.
const ruleScaleMax = 1e20

func (l *Limits) ruleScale() float32 { return float32(l.RuleScale) }

// milliseconds is the time as buckets know it.
func milliseconds(now time.Duration) uint32 { return uint32(now / time.Millisecond) }
