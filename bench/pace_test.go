package bench

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestConstantPace(t *testing.T) {
	p := newPacer(1000, false, 0, time.Second)
	for n := 1; n <= 5000; n++ {
		if want := time.Second + time.Duration(n)*time.Millisecond; (p.next - want).Abs() > time.Microsecond {
			t.Fatalf("operation %d is due at %v, want %v", n, p.next, want)
		}
		p.step()
	}
}

// countUntil returns how many operations are due until d after the beginning.
func countUntil(p *pacer, d time.Duration) (n int) {
	for ; p.next <= p.begun+d; n++ {
		p.step()
	}
	return n
}

func TestRamp(t *testing.T) {
	for _, poisson := range []bool{false, true} {
		p := newPacer(10_000, poisson, 2*time.Second, 0)
		// The rate grows from 0 to 10,000: a quarter of the ramp's 10,000 are in its first half.
		for _, step := range []struct {
			until time.Duration
			want  float64
		}{{time.Second, 2500}, {2 * time.Second, 7500}, {3 * time.Second, 10_000}} {
			got := float64(countUntil(p, step.until))
			if math.Abs(got-step.want) > 1+4*math.Sqrt(step.want)*map[bool]float64{true: 1}[poisson] {
				t.Errorf("poisson %v: %v operations until %v, want %v", poisson, got, step.until, step.want)
			}
		}
	}
}

// The distances of a Poisson process are exponential: their standard deviation is their average.
func TestPoissonPace(t *testing.T) {
	const n = 100_000
	p := newPacer(1000, true, 0, 0)
	var sum, squares float64
	last := time.Duration(0)
	for range n {
		d := (p.next - last).Seconds() * 1000
		sum += d
		squares += d * d
		last = p.next
		p.step()
	}
	if average := sum / n; math.Abs(average-1) > 0.02 {
		t.Errorf("average distance %v", average)
	}
	if deviation := math.Sqrt(squares/n - 1); math.Abs(deviation-1) > 0.05 {
		t.Errorf("standard deviation %v", deviation)
	}
}

func TestSizes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, test := range []struct {
		text        string
		least, most int
		average     float64
	}{
		{"64", 64, 64, 64},
		{"16-1024", 16, 1024, 520},
		{"64*9,4096*1", 64, 4096, 467.2},
		{"32,96", 32, 96, 64},
		{"exp:256", EchoSizeMin, SizeMax, 256.5}, // what is below the least is cut
	} {
		s, err := ParseSizes(test.text)
		if err != nil || s.least != test.least || s.most != test.most || s.String() != test.text {
			t.Errorf("%s: got %+v, %v", test.text, s, err)
		}
		const n = 100_000
		sum := 0
		for range n {
			size := s.draw(random)
			if size < s.least || size > s.most {
				t.Fatalf("%s: drew %d", test.text, size)
			}
			sum += size
		}
		if average := float64(sum) / n; math.Abs(average/test.average-1) > 0.03 {
			t.Errorf("%s: average %v, want %v", test.text, average, test.average)
		}
	}
	for _, bad := range []string{"", "x", "-5", "5-", "9-5", "exp:", "exp:0", "exp:1e9", "64*0", "64*-1", "64*x", "64,", "64**2"} {
		if s, err := ParseSizes(bad); err == nil {
			t.Errorf("%q: got %+v", bad, s)
		}
	}
}

func TestStamp(t *testing.T) {
	for _, due := range []time.Duration{0, time.Second, 1<<stampBits - 5, 10 * time.Hour} {
		for _, lag := range []time.Duration{0, 15 * time.Microsecond, time.Millisecond, time.Hour} {
			age, got := parseStamp(stamp(due, lag), due+time.Minute)
			if age != time.Minute || got > lag || lag-got > lagUnit && got != lagMost*lagUnit {
				t.Errorf("due %v, lag %v: got age %v, lag %v", due, lag, age, got)
			}
		}
	}
}
