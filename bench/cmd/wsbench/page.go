package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"h2ws/bench"
)

// The report: one file that needs no other. uPlot 1.6.32, from npm, draws the plots.
var (
	//go:embed page/page.html
	pageText string
	//go:embed page/page.css
	pageStyle string
	//go:embed page/page.js
	pageScript string
	//go:embed page/uplot.js
	plotScript string
	//go:embed page/uplot.css
	plotStyle string

	pageTemplate = template.Must(template.New("page").Parse(pageText))
)

// page is what the template shows.
type page struct {
	Title, Command, Tool  string
	Style                 template.CSS
	Library, Script, Data template.JS
	Alerts                []string
	Facts                 []fact
	Verdicts              []bench.Verdict
	Sections              []*pageSection

	plots []plot
}

type fact struct{ Name, Value string }

// pageSection is a scenario, or a comparison.
type pageSection struct {
	Title   string
	Alerts  []string
	Columns []string
	Rows    [][]string
	Notes   []string
	Plots   []plotRef
}

// plotRef is where a plot is shown.
type plotRef struct {
	ID          int
	Title, Note string
}

// writeHTML writes the report.
func writeHTML(w io.Writer, r results) error {
	p := newPage(r)
	data, err := json.Marshal(p.plots)
	if err != nil {
		return err
	}
	p.Data = template.JS(data) // json.Marshal escapes what would end a script
	return pageTemplate.Execute(w, p)
}

func newPage(r results) *page {
	reports := r.Reports()
	p := &page{
		Title: "wsbench", Style: template.CSS(plotStyle + pageStyle),
		Library: template.JS(plotScript), Script: template.JS(pageScript),
	}
	if len(reports) == 0 {
		return p
	}
	first := reports[0]
	p.Tool, p.Command = first.Tool, strings.Join(first.Command, " ")
	p.Facts = []fact{
		{"begun", first.Started.Format(time.RFC1123)},
		{"machine", first.CPU + ", " + bench.Plural(first.CPUs, "CPU")},
		{"system", fmt.Sprintf("%s, kernel %s", first.System, first.Kernel)},
		{"built with", first.Go},
	}
	switch r := r.(type) {
	case *bench.Comparison:
		p.Title = "WebSocket servers compared"
		p.addComparison(r)
	case *bench.Search:
		p.Title = "wsbench find"
		p.addSearch(r)
	default:
		p.Title = "wsbench: " + first.Addr
		p.addReport(first)
	}
	return p
}

// addReport adds what a run of scenarios measured.
func (p *page) addReport(r *bench.Report) {
	p.Facts = append(p.Facts,
		fact{"server", fmt.Sprintf("%s, %s", r.Addr, r.Protocol)},
		fact{"sockets", shapeText(r)},
		fact{"messages", sizesText(r) + " octets"}, fact{"load", loadText(r)})
	if r.Failure != "" {
		p.Alerts = append(p.Alerts, "Ended early: "+r.Failure)
	}
	if r.Invalid != "" {
		p.Alerts = append(p.Alerts, "INVALID: "+r.Invalid)
	}
	p.Verdicts = r.SLOs
	p.Sections = append(p.Sections, overview(r))
	for i := range r.Results {
		if len(r.Results[i].Series) > 0 {
			p.addResult(&r.Results[i])
		}
	}
}

func shapeText(r *bench.Report) string {
	return fmt.Sprintf("%s on %s", bench.Thousands(r.Sockets), bench.Plural(r.Conns, "connection"))
}

func sizesText(r *bench.Report) string {
	if r.Sizes != "" {
		return r.Sizes
	}
	return fmt.Sprint(r.Size)
}

func loadText(r *bench.Report) string {
	switch {
	case r.Pace != nil:
		return fmt.Sprintf("open loop, %s/s, %s", bench.Thousands(int(r.Pace.Rate)), r.Pace.Arrivals)
	case r.Load != nil:
		return fmt.Sprintf("%.4g/s published to %s topics", r.Load.Rate, bench.Thousands(r.Load.Topics))
	}
	return fmt.Sprintf("closed loop, %s in flight", bench.Thousands(r.InFlight))
}

// overview is the final table.
func overview(r *bench.Report) *pageSection {
	s := &pageSection{Title: "Results", Columns: []string{
		"", "count", "per second", "server CPU each", "client CPU each", "p50", "p90", "p99", "p99.9", "max",
	}}
	for i := range r.Results {
		row := &r.Results[i]
		s.Rows = append(s.Rows, append([]string{
			row.Name, bench.Thousands(row.Count), bench.Thousands(int(row.PerSecond())), eachText(row.ServerPerOp()), eachText(row.ClientPerOp()),
		}, latencyTexts(row.Latency)...))
		if row.Raw != nil {
			s.Rows = append(s.Rows, append([]string{row.Name + ", uncorrected", "", "", "", ""}, latencyTexts(row.Raw)...))
		}
		if m := row.Memory; m != nil {
			s.Notes = append(s.Notes, fmt.Sprintf("%s: %s of server memory a socket", row.Name, bench.OctetsText(row.BytesPerSocket())))
		}
	}
	var notes strings.Builder
	r.WriteNotes(&notes)
	for line := range strings.Lines(notes.String()) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "slo:") && !strings.HasPrefix(line, "INVALID") && !strings.HasPrefix(line, "idle:") {
			s.Notes = append(s.Notes, line)
		}
	}
	return s
}

func eachText(d time.Duration) string {
	if d < time.Microsecond {
		return fmt.Sprintf("%d ns", d)
	}
	return bench.DurationText(d)
}

func latencyTexts(l *bench.Latency) []string {
	if l == nil {
		return []string{"", "", "", "", ""}
	}
	var texts []string
	for _, d := range []time.Duration{l.P50, l.P90, l.P99, l.P999, l.Max} {
		texts = append(texts, bench.DurationText(d))
	}
	return texts
}
