package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"

	"h2ws/bench"
)

// view draws what live has, ten times a second.
type view struct{ live *live }

type redraw time.Time

func wake() tea.Cmd {
	return tea.Tick(100*time.Millisecond, func(t time.Time) tea.Msg { return redraw(t) })
}

func (v view) Init() tea.Cmd { return wake() }

func (v view) Update(m tea.Msg) (tea.Model, tea.Cmd) {
	switch m.(type) {
	case redraw:
		return v, wake()
	case tea.QuitMsg:
		return v, tea.Quit
	}
	return v, nil
}

var (
	titleStyle = lipgloss.NewStyle().Bold(true)
	labelStyle = lipgloss.NewStyle().Faint(true).Width(12)
	goodStyle  = lipgloss.NewStyle().Foreground(lipgloss.AdaptiveColor{Light: "#1c5cab", Dark: "#3987e5"})
)

func (v view) View() string {
	s := v.live.snapshot()
	p := s.progress
	if p.Name == "" {
		return ""
	}
	lines := []string{
		titleStyle.Render(p.Name) + "  " + goodStyle.Render(bar(s.done(), 30)) + fmt.Sprintf(" %3.0f %%  %.1f s", 100*s.done(), p.Elapsed.Seconds()),
		labelStyle.Render(p.Unit) + fmt.Sprintf("%s  %s/s  %s", bench.Thousands(p.Done), bench.Thousands(s.rate()), goodStyle.Render(curve(s.rates))),
	}
	if l := s.point.Lat; l != nil {
		lines = append(lines, labelStyle.Render("latency")+fmt.Sprintf("p50 %s   p99 %s   max %s",
			bench.DurationText(l.P50), bench.DurationText(l.P99), bench.DurationText(l.Max)))
	}
	if s.point.Span > 0 {
		lines = append(lines, labelStyle.Render("CPU")+fmt.Sprintf("server %.2f   loader %.2f   server RSS %s",
			s.point.Busy(), s.point.Client, bench.OctetsText(float64(s.point.Server.RSS))))
	}
	return strings.Join(lines, "\n") + "\n"
}

// rate is that of the latest interval, or as long as there is none, that until now.
func (s *liveState) rate() int {
	if s.point.Span > 0 {
		return int(s.point.PerSecond())
	}
	return int(float64(s.progress.Done) / max(s.progress.Elapsed.Seconds(), 1e-3))
}

// done is how much of the scenario is over, as far as that is known: 0 to 1.
func (s *liveState) done() float64 {
	part := 0.0
	switch name := s.progress.Name; {
	case strings.HasPrefix(name, "open"), strings.HasPrefix(name, "close"):
		part = float64(s.progress.Done) / float64(max(1, s.cfg.Sockets))
	case strings.HasPrefix(name, "connect"):
		part = float64(s.progress.Done) / float64(max(1, s.cfg.Conns))
	default:
		part = s.progress.Elapsed.Seconds() / max(s.cfg.Duration.Seconds(), 1e-3)
	}
	return min(1, part)
}

func bar(part float64, width int) string {
	full := int(part * float64(width))
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// curve draws values from 0 to the greatest.
func curve(values []float64) string {
	if len(values) == 0 {
		return ""
	}
	levels := []rune("▁▂▃▄▅▆▇█")
	most := max(slices.Max(values), 1e-9)
	var b strings.Builder
	for _, v := range values {
		b.WriteRune(levels[min(len(levels)-1, int(v/most*float64(len(levels))))])
	}
	return b.String()
}
