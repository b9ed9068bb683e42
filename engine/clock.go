package engine

import "time"

// clock is a loop's time: that of the world less what the loop has lost. A loop loses time when a callback blocks it, or
// the machine has it wait for a processor, or sleeps: nobody could be heard then, so nobody was late. Each turn may take
// lagMax and its wait as long as was asked for; what is beyond did not happen.
type clock struct {
	world time.Duration // as of the last tick
	lost  time.Duration
}

// lagMax is more than a turn takes whose work is the loop's own.
const lagMax = 100 * time.Millisecond

// tick returns the time after a wait that was asked to take up to patience, at time world of the world.
func (c *clock) tick(world, patience time.Duration) time.Duration {
	if patience != never {
		c.lost += max(0, world-c.world-patience-lagMax)
	}
	c.world = world
	return c.at(world)
}

// at is the loop's time within a turn.
func (c *clock) at(world time.Duration) time.Duration { return world - c.lost }
