package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"h2ws/bench"
)

// addComparison adds bars for each metric in each shape.
func (p *page) addComparison(c *bench.Comparison) {
	var section *pageSection
	for _, bars := range c.Bars() {
		if section == nil || section.Title != bars.Shape {
			section = &pageSection{Title: bars.Shape}
			p.Sections = append(p.Sections, section)
			for i := range c.Cells {
				if cell := &c.Cells[i]; cell.Shape() == bars.Shape {
					section.Alerts = append(section.Alerts, cellAlerts(cell)...)
				}
			}
		}
		what := plot{Kind: "bars", Y: "ns", LogY: true, Series: []curveOf{{Name: bars.Title}}}
		if bars.Octets {
			what.Y = "octets"
		}
		for i, name := range bars.Servers {
			what.Names = append(what.Names, barName(name))
			what.Series[0].Values = append(what.Series[0].Values, number(bars.Values[i]))
		}
		p.add(section, bars.Title, "less is better; logarithmic", what)
	}
	p.addOverlays(c.Reports())
	for i := range c.Cells {
		for _, v := range c.Cells[i].SLOs {
			v.Objective = c.Cells[i].Server + ": " + v.Objective
			p.Verdicts = append(p.Verdicts, v)
		}
	}
}

// cellAlerts is what figures of a server are not to be seen without.
func cellAlerts(c *bench.Cell) (alerts []string) {
	if c.Failure != nil {
		alerts = append(alerts, fmt.Sprintf("Failed: %s: %v", c.Server, c.Failure))
	}
	if c.Invalid != "" {
		alerts = append(alerts, fmt.Sprintf("INVALID: %s: %s", c.Server, c.Invalid))
	}
	return alerts
}

// barName is a server's name below its bar, which is narrow: what follows a blank goes into another line.
func barName(server string) string {
	scheme, rest, ok := strings.Cut(server, "://")
	if !ok {
		return server
	}
	return strings.TrimSuffix(rest, "/") + " " + scheme
}

// addOverlays adds the latencies of all servers, a plot for each shape and scenario.
func (p *page) addOverlays(reports []*bench.Report) {
	type key struct{ shape, scenario string }
	var order []key
	all := map[key][]namedLatency{}
	for _, r := range reports {
		for _, result := range r.Results {
			k := key{shapeText(r), result.Name}
			if result.Latency == nil {
				continue
			}
			if all[k] == nil {
				order = append(order, k)
			}
			all[k] = append(all[k], namedLatency{r.Addr, result.Latency})
		}
	}
	s := &pageSection{Title: "Latency by percentile"}
	for _, k := range order {
		p.add(s, k.scenario+", "+k.shape, "both scales are logarithmic", percentiles(all[k]))
	}
	if len(order) > 0 {
		p.Sections = append(p.Sections, s)
	}
}

// addSearch adds latency and CPU over load.
func (p *page) addSearch(s *bench.Search) {
	section := &pageSection{Title: s.Answer(), Columns: []string{s.Of, "per second", "p50", "p90", "p99", "p99.9", "max", "objectives"}}
	p.Sections = append(p.Sections, section)
	probes := slices.SortedStableFunc(slices.Values(s.Probes), func(a, b *bench.Probe) int { return cmp.Compare(a.Load, b.Load) })
	lat := plot{Kind: "lines", X: "number", XName: s.Of, Y: "us", LogX: true, LogY: true, Series: []curveOf{{Name: "p50"}, {Name: "p99"}, {Name: "max"}}}
	cpu := plot{Kind: "lines", X: "number", XName: s.Of, Y: "number", LogX: true, Least: 1, Series: []curveOf{{Name: "server", Fill: true}, {Name: "loader"}}}
	for i, probe := range probes {
		r := probe.Last()
		outcome := "met"
		if !probe.Met {
			outcome = probe.Why
		}
		row := []string{bench.Thousands(int(probe.Load))}
		if r == nil || r.Latency == nil {
			section.Rows = append(section.Rows, append(row, "", "", "", "", "", "", outcome))
			continue
		}
		row = append(append(row, bench.Thousands(int(r.PerSecond()))), latencyTexts(r.Latency)...)
		section.Rows = append(section.Rows, append(row, outcome))
		if i+1 < len(probes) && probes[i+1].Load == probe.Load {
			continue // what was tried once more counts
		}
		for _, what := range []*plot{&lat, &cpu} {
			what.Xs = append(what.Xs, probe.Load)
		}
		for i, name := range []string{"p50", "p99", "max"} {
			lat.Series[i].Values = append(lat.Series[i].Values, number(max(1e-3, float64(latencies[name](r.Latency))/1e3)))
		}
		busy := max(r.Elapsed.Seconds(), 1e-9)
		cpu.Series[0].Values = append(cpu.Series[0].Values, number(r.ServerCPU.Seconds()/busy))
		cpu.Series[1].Values = append(cpu.Series[1].Values, number(r.ClientCPU.Seconds()/busy))
	}
	p.add(section, "Latency under load", "both scales are logarithmic", lat)
	p.add(section, "CPUs busy under load", "", cpu)
}
