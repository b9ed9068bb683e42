package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"h2ws/bench"
)

// outputs are the files that a run writes besides its table.
type outputs struct {
	json, hlog, csv, html string
}

func (o *outputs) register(f *flag.FlagSet) {
	f.StringVar(&o.json, "json", "", "write the results as JSON to `file` too; with - to the standard output, and the table to the standard error")
	f.StringVar(&o.hlog, "hlog", "", "write the latencies of every interval to `file`, an HdrHistogram log of nanoseconds")
	f.StringVar(&o.csv, "csv", "", "write every interval as a line of CSV to `file`")
	f.StringVar(&o.html, "html", "", "write a report with plots to `file`, which needs no other")
}

// results are what a run writes.
type results interface {
	WriteTable(io.Writer) error
	Reports() []*bench.Report
}

// write prints the table and writes the files. One that cannot be written does not keep the others from it.
func (o *outputs) write(r results, stdout, stderr io.Writer) error {
	table := stdout
	if o.json == "-" {
		table = stderr
	}
	errs := []error{r.WriteTable(table)}
	for _, f := range []struct {
		name  string
		write func(io.Writer, results) error
	}{{o.json, writeJSON}, {o.hlog, writeHlog}, {o.csv, writeCSV}, {o.html, writeHTML}} {
		switch f.name {
		case "":
		case "-":
			errs = append(errs, f.write(stdout, r))
		default:
			errs = append(errs, writeFile(f.name, r, f.write))
		}
	}
	return errors.Join(errs...)
}

func writeFile(name string, r results, write func(io.Writer, results) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f, r), f.Close())
}

func writeJSON(w io.Writer, r results) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// writeHlog writes a line for each interval with a scenario's name as its tag.
func writeHlog(w io.Writer, r results) error {
	log := hdrhistogram.NewHistogramLogWriter(w)
	errs := []error{log.OutputLogFormatVersion()}
	for n, report := range r.Reports() {
		if n == 0 {
			errs = append(errs, log.OutputStartTime(report.Started.UnixMilli()), log.OutputLegend())
		}
		for _, result := range report.Results {
			for _, p := range result.Series {
				if p.HDR != "" {
					errs = append(errs, logPoint(log, tag(r, report, result), result.Began, p))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// tag is what tells lines apart.
func tag(r results, report *bench.Report, result bench.Result) string {
	if len(r.Reports()) > 1 {
		return result.Name + "@" + report.Addr
	}
	return result.Name
}

func logPoint(log *hdrhistogram.HistogramLogWriter, tag string, began time.Time, p bench.Point) error {
	h, err := hdrhistogram.Decode([]byte(p.HDR))
	if err != nil {
		return err
	}
	h.SetTag(tag)
	h.SetStartTimeMs(began.Add(p.Until - p.Span).UnixMilli())
	h.SetEndTimeMs(began.Add(p.Until).UnixMilli())
	return log.OutputIntervalHistogram(h)
}

var csvColumns = []string{
	"server", "scenario", "until_seconds", "count", "per_second", "p50_us", "p99_us", "max_us",
	"server_cpus", "server_rss_bytes", "server_socket_bytes", "client_cpus",
}

func writeCSV(w io.Writer, r results) error {
	c := csv.NewWriter(w)
	c.Write(csvColumns)
	for _, report := range r.Reports() {
		for _, result := range report.Results {
			for _, p := range result.Series {
				c.Write(csvLine(report.Addr, result.Name, p))
			}
		}
	}
	c.Flush()
	return c.Error()
}

func csvLine(server, scenario string, p bench.Point) []string {
	float := func(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }
	l := []string{"", "", ""}
	if p.Lat != nil {
		for i, d := range []time.Duration{p.Lat.P50, p.Lat.P99, p.Lat.Max} {
			l[i] = float(float64(d) / 1e3)
		}
	}
	return []string{
		server, scenario, float(p.Until.Seconds()), strconv.Itoa(p.Count), float(p.PerSecond()), l[0], l[1], l[2],
		float(p.Busy()), fmt.Sprint(p.Server.RSS), fmt.Sprint(p.Server.Sockets), float(p.Client),
	}
}
