package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"h2ws/bench"
)

// live tells how the run goes: on a terminal in a few lines that change, elsewhere in a line for each
// second, and for each scenario that is over. Its methods are for any goroutine.
type live struct {
	w       io.Writer
	program *tea.Program // nil: no terminal
	ended   chan struct{}

	mu     sync.Mutex
	state  liveState
	spoken time.Duration // elsewhere: the latest point that was told
}

// liveState is what there is to show.
type liveState struct {
	cfg      bench.Config
	progress bench.Progress
	point    bench.Point
	rates    []float64 // of the latest points
}

// ratesMax is how many points the curve of rates has.
const ratesMax = 40

func newLive(w io.Writer, cfg bench.Config) *live {
	l := &live{w: w, state: liveState{cfg: cfg}}
	if isTerminal(w) {
		l.start()
	}
	return l
}

// start has the view drawn. Keys, and with them Ctrl-C, stay the terminal's.
func (l *live) start() {
	l.program = tea.NewProgram(view{l}, tea.WithOutput(l.w), tea.WithInput(nil), tea.WithoutSignalHandler())
	l.ended = make(chan struct{})
	go func() {
		defer close(l.ended)
		l.program.Run() // fails if the terminal does, and then there is nobody to tell
	}()
}

func (l *live) snapshot() liveState {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state
	s.rates = append([]float64(nil), s.rates...)
	return s
}

func (l *live) show(p bench.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.Name != l.state.progress.Name {
		l.state.point, l.state.rates, l.spoken = bench.Point{}, nil, 0
	}
	l.state.progress = p
}

func (l *live) told(p bench.Point) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.point = p
	l.state.rates = append(l.state.rates, p.PerSecond())
	if n := len(l.state.rates); n > ratesMax {
		l.state.rates = l.state.rates[n-ratesMax:]
	}
	const pause = time.Second
	if l.program == nil && p.Until-l.spoken >= pause {
		l.spoken = p.Until
		fmt.Fprintf(l.w, "%s %.0f s: %s\n", l.state.progress.Name, p.Until.Seconds(), pointText(p))
	}
}

// pointText is a point in a line.
func pointText(p bench.Point) string {
	s := bench.Thousands(int(p.PerSecond())) + "/s"
	if p.Lat != nil {
		s += fmt.Sprintf(", p50 %s, p99 %s, max %s", bench.DurationText(p.Lat.P50), bench.DurationText(p.Lat.P99), bench.DurationText(p.Lat.Max))
	}
	if p.Server.CPU > 0 {
		s += fmt.Sprintf(", server %.2f CPU", p.Busy())
	}
	return s
}

func (l *live) finish(r bench.Result) {
	l.say(fmt.Sprintf("%s: %s %s in %v", r.Name, bench.Thousands(r.Count), r.Unit, r.Elapsed.Round(time.Millisecond)))
}

// say prints a line that stays.
func (l *live) say(line string) {
	if l.program != nil {
		l.program.Println(line)
		return
	}
	fmt.Fprintln(l.w, line)
}

// close removes the view. Nothing may be told any more.
func (l *live) close() {
	if l.program != nil {
		l.show(bench.Progress{}) // what is drawn last stays
		l.program.Quit()
		<-l.ended
	}
}
