package bench

import "time"

// A stamp is a time on the client's clock, 44 bits of nanoseconds, which is four hours and begins anew
// then, and how much later the message was sent, 20 bits of 16 us.
const (
	stampBits = 44
	lagUnit   = 16 * time.Microsecond
	lagMost   = 1<<(64-stampBits) - 1
)

func stamp(due, lag time.Duration) uint64 {
	return uint64(min(lag/lagUnit, lagMost))<<stampBits | uint64(due)&(1<<stampBits-1)
}

// parseStamp returns how long before now the message was due, and how much of that it was not yet sent.
func parseStamp(s uint64, now time.Duration) (age, lag time.Duration) {
	return time.Duration((uint64(now) - s) & (1<<stampBits - 1)), time.Duration(s>>stampBits) * lagUnit
}
