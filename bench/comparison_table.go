package bench

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteTable writes the comparison for people: a block for each shape, a line for each server.
func (c *Comparison) WriteTable(w io.Writer) error {
	width := 0
	for i := range c.Cells {
		width = max(width, len(c.Cells[i].title()), len(c.Cells[i].Shape()))
	}
	var table strings.Builder
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(first string, columns []string) {
		fmt.Fprintf(t, "%-*s\t%s\t\n", width, first, strings.Join(columns, "\t"))
	}
	for i := range c.Cells {
		cell := &c.Cells[i]
		if i > 0 && !cell.sameShape(&c.Cells[i-1]) {
			line("", make([]string, 2*len(c.metrics())))
		}
		if i == 0 || !cell.sameShape(&c.Cells[i-1]) {
			line(cell.Shape(), c.titles())
		}
		line(cell.title(), cell.columns(c.metrics(), c.base(cell)))
	}
	t.Flush()
	for line := range strings.Lines(table.String()) {
		fmt.Fprintln(w, strings.TrimSpace(line))
	}
	return c.writeNotes(w)
}

// title marks figures that are not the server's.
func (c *Cell) title() string {
	if c.Invalid != "" {
		return c.Server + ", INVALID"
	}
	return c.Server
}

func (c *Comparison) titles() (columns []string) {
	for _, m := range c.metrics() {
		columns = append(columns, m.title, "")
	}
	return columns
}

// columns are two for each metric: the figure and its ratio to base's.
func (c *Cell) columns(metrics []metric, base *Cell) (columns []string) {
	for _, m := range metrics {
		ratio := ""
		if r := m.ratio(c, base); c != base && r > 0 {
			ratio = ratioText(r)
		}
		columns = append(columns, c.figureText(m), ratio)
	}
	return columns
}

func (c *Cell) figureText(m metric) string {
	figure := m.value(c)
	switch {
	case !math.IsNaN(figure):
		return m.text(figure)
	case c.Failure != nil:
		return "failed"
	default:
		return "-"
	}
}

func ratioText(r float64) string {
	if r < 9.95 {
		return strconv.FormatFloat(r, 'f', 1, 64) + "x"
	}
	return Thousands(int(math.Round(r))) + "x"
}

func nanosecondsText(ns float64) string {
	if ns < 1000 {
		return fmt.Sprintf("%.0f ns", ns)
	}
	return DurationText(time.Duration(ns))
}

func bytesText(n float64) string {
	if math.Abs(n) < 1000 {
		return fmt.Sprintf("%.0f B", n)
	}
	return fmt.Sprintf("%.1f KB", n/1000)
}

// writeNotes says what the columns are, and what failed.
func (c *Comparison) writeNotes(w io.Writer) error {
	if c.Elsewhere {
		return c.writeElsewhereNotes(w)
	}
	_, err := fmt.Fprintf(w, `
open         server CPU for the opening handshake of a socket, and its share of connecting
idle         server memory a socket that was opened and not used yet; the kernel's is not in it
echo         server CPU for a message of %[1]d octets there and back
fan-out      server CPU to deliver a message of %[1]d octets to one socket, when all get one message at a time
last socket  from the command to publish until all sockets have the message, median

Cleartext on the loopback; %[2]s.
%[3]s, %[4]s, %[5]s.
`, c.Size, c.protocols(), c.Machine.Go, c.Machine.System, Plural(c.Machine.CPUs, "CPU"))
	c.writeFailures(w)
	return err
}

func (c *Comparison) writeElsewhereNotes(w io.Writer) error {
	_, err := fmt.Fprint(w, `
open, echo   server CPU for an opening handshake, and for a message there and back
p50, p99     of the latency of echoes; at a rate from when a message was due
`)
	c.writeFailures(w)
	c.writeVerdicts(w)
	return err
}

// writeVerdicts says what became of the objectives, which there are where servers are elsewhere.
func (c *Comparison) writeVerdicts(w io.Writer) {
	for i := range c.Cells {
		cell := &c.Cells[i]
		for _, v := range cell.SLOs {
			met := "missed"
			if v.Met {
				met = "met"
			}
			fmt.Fprintf(w, "slo: %s: %s: %s, %s\n", cell.Server, v.Objective, met, v.Text)
		}
		if cell.Invalid != "" {
			fmt.Fprintf(w, "INVALID: %s: %s\n", cell.Server, cell.Invalid)
		}
	}
}

func (c *Comparison) writeFailures(w io.Writer) {
	for i := range c.Cells {
		if cell := &c.Cells[i]; cell.Failure != nil {
			fmt.Fprintf(w, "Failed: %s, %s: %v.\n", cell.Server, cell.Shape(), cell.Failure)
		}
	}
}

// protocols says who speaks what.
func (c *Comparison) protocols() string {
	var names []string
	for i := range c.Cells {
		if cell := &c.Cells[i]; cell.HTTP1 && !slices.Contains(names, cell.Server) {
			names = append(names, cell.Server)
		}
	}
	if len(names) == 0 {
		return "HTTP/2"
	}
	return "HTTP/2, but HTTP/1.1 with " + strings.Join(names, ", ")
}
