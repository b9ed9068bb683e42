package bench

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// pacer says when operations are intended to begin, whatever became of those before (open loop): at a
// rate, after a ramp in which it grows from 0. The n-th is due when the integral of the rate is the n-th
// arrival of a process with rate 1: every 1, or exponentially spread around that (Poisson).
type pacer struct {
	rate    float64 // a second
	ramp    time.Duration
	random  *rand.Rand // nil: constant
	arrived float64    // of the process with rate 1
	begun   time.Duration
	next    time.Duration // on the client's clock
}

// newPacer begins at begun.
func newPacer(rate float64, poisson bool, ramp, begun time.Duration) *pacer {
	p := &pacer{rate: rate, ramp: ramp, begun: begun}
	if poisson {
		p.random = rand.New(rand.NewPCG(3, 4))
	}
	p.step()
	return p
}

// step goes on to the next operation.
func (p *pacer) step() {
	if p.random == nil {
		p.arrived++
	} else {
		p.arrived += p.random.ExpFloat64()
	}
	p.next = p.begun + time.Duration(p.due(p.arrived)*float64(time.Second))
}

// due is when the integral of the rate is n, in seconds: rate*t*t/(2*ramp) during the ramp, and then a line.
func (p *pacer) due(n float64) float64 {
	ramp := p.ramp.Seconds()
	if half := p.rate * ramp / 2; n >= half {
		return ramp + (n-half)/p.rate
	}
	return math.Sqrt(2 * n * ramp / p.rate)
}

// Pace is how load comes.
type Pace struct {
	Rate    float64       // operations begun a second, whether those before are done or not; 0: InFlight at a time
	Poisson bool          // at random, Rate on average
	WarmUp  time.Duration // not measured, of Echo; below 0: a tenth of the duration
	Ramp    time.Duration // ahead of it, the load grows to what it is to be
}

// rates that make sense: an operation in a thousand seconds, one in a nanosecond.
const (
	paceRateMin = 1e-3
	paceRateMax = 1e9
)

// check is the part of Config.Check about a pace.
func (p Pace) check() error {
	switch {
	case p.Rate != 0 && !(p.Rate >= paceRateMin && p.Rate <= paceRateMax):
		return fmt.Errorf("rate must be 0, or %v to %v, not %v", paceRateMin, float64(paceRateMax), p.Rate)
	case p.Poisson && p.Rate == 0:
		return errors.New("arrivals are those at a rate: give that too")
	case p.Ramp < 0:
		return fmt.Errorf("ramp must not be negative, as %v is", p.Ramp)
	}
	return nil
}

func (p Pace) arrivals() string {
	if p.Poisson {
		return "poisson"
	}
	return "constant"
}

// warmUp is what is not measured of a run of d.
func (p Pace) warmUp(d time.Duration) time.Duration {
	if p.WarmUp < 0 {
		return d / 10
	}
	return p.WarmUp
}
