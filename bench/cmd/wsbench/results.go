package main

import (
	"encoding/json"
	"io"
	"os"
)

// results are what a run writes.
type results interface {
	WriteTable(io.Writer) error
}

// writeResults prints the table and writes the JSON, if there is a file for it. Only one of them goes to
// the standard output.
func writeResults(r results, file string, stdout, stderr io.Writer) error {
	table := stdout
	if file == "-" {
		table = stderr
	}
	if err := r.WriteTable(table); err != nil || file == "" {
		return err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if file == "-" {
		_, err = stdout.Write(b)
		return err
	}
	return os.WriteFile(file, b, 0o666)
}
