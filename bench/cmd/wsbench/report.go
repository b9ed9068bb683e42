package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"h2ws/bench"
)

const reportUsage = `
wsbench report [flags] FILE

Writes the results that -json saved once more: the table, and what the flags ask for.

Examples:
  wsbench report results.json
  wsbench report -html report.html -csv series.csv results.json`

func report(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlagSet("report")
	var files outputs
	files.register(f)
	if err := parseFlags(f, args, stdout, reportUsage); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return &usageError{"report", "give one FILE that -json has written, behind the flags"}
	}
	b, err := os.ReadFile(f.Arg(0))
	if err != nil {
		return err
	}
	r, err := readResults(b)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Arg(0), err)
	}
	return files.write(r, stdout, stderr)
}

// readResults reads what writeJSON wrote.
func readResults(b []byte) (results, error) {
	var kind struct {
		Version int `json:"version"`
		Cells   *json.RawMessage
		Probes  *json.RawMessage
		Results *json.RawMessage
	}
	if err := json.Unmarshal(b, &kind); err != nil {
		return nil, err
	}
	var r results
	switch {
	case kind.Version < 1 || kind.Version > bench.ReportVersion:
		return nil, fmt.Errorf("it has version %d of the format, and only 1 to %d are known", kind.Version, bench.ReportVersion)
	case kind.Cells != nil:
		r = &bench.Comparison{}
	case kind.Probes != nil:
		r = &bench.Search{}
	case kind.Results != nil:
		r = &bench.Report{}
	default:
		return nil, fmt.Errorf("there are no results in it")
	}
	return r, json.Unmarshal(b, r)
}
