package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"h2ws/bench/raw"
)

// errFellShort is a server that was judged. What there is to say has been written.
var errFellShort = errors.New("the server fell short")

// verdict is what a server is told. It is a json.Marshaler besides.
type verdict interface {
	WriteTable(io.Writer) error
}

// writeVerdict prints the table and writes the JSON, if there is a file for it. Only one of them goes to the standard
// output.
func writeVerdict(v verdict, file string, stdout, stderr io.Writer) error {
	table := stdout
	if file == "-" {
		table = stderr
	}
	if err := v.WriteTable(table); err != nil || file == "" {
		return err
	}
	if file == "-" {
		return encodeVerdict(stdout, v)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(encodeVerdict(f, v), f.Close())
}

func encodeVerdict(w io.Writer, v verdict) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// registerTrust declares the flags about what a server is told and shows, whatever is asked of it.
func (a *access) registerTrust(f *flag.FlagSet) {
	f.StringVar(&a.ca, "ca", "", "trust the certificates in this PEM `file` instead of the system's")
	f.BoolVar(&a.insecure, "insecure", false, "trust any certificate")
	f.Var(&a.header, "header", "say this `'Name: value'` in every opening handshake; may be given several times")
	f.StringVar(&a.origin, "origin", "", "say this `origin` in every opening handshake")
}

// rawTarget is the one argument that is left.
func (a *access) rawTarget(f *flag.FlagSet, path string) (raw.Target, error) {
	if f.NArg() != 1 {
		return raw.Target{}, fmt.Errorf("%d arguments where the URL of a server belongs (flags go before it)", f.NArg())
	}
	t, err := a.target(f.Arg(0), path)
	return t.Target, err
}
