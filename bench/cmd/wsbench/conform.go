package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"h2ws/bench/conform"
)

const conformUsage = `
wsbench conform [flags] URL

Tells how well a server keeps to RFC 8441 and RFC 6455: several hundred dialogues, each on a connection of its own,
about framing, fragments, control frames, closing, UTF-8, and the HTTP/2 around them. The server must echo messages on
the path that is opened. http and ws are cleartext HTTP/2 with prior knowledge, https and wss TLS; HOST:PORT is http.

A case is strict if the server does what the RFCs ask for, lenient if they let pass what it does, and failed
otherwise. What was not strict is listed, what failed with its transcript: "> " was said, "< " came.

The exit status is 0 if no case failed, 3 if one did, or with -strict was lenient, 2 if there is no HTTP/2 server, and
130 if it was interrupted: then those cases are told that were done.

  wsbench conform http://127.0.0.1:8080/
  wsbench conform -run '^(utf8|close)/' -v 127.0.0.1:8080`

func conformance(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var cfg conform.Config
	var where access
	f := newFlagSet("conform")
	only := f.String("run", "", "only the cases whose names match this `regexp`")
	verbose := f.Bool("v", false, "list every case, with its transcript")
	strict := f.Bool("strict", false, "do not let lenient cases pass")
	file := f.String("json", "", "write the results as JSON to `file` too; with - to the standard output, and the table to the standard error")
	f.DurationVar(&cfg.Wait, "wait", 2*time.Second, "`time` that an answer may take")
	f.IntVar(&cfg.Parallel, "parallel", 16, "`N` cases at a time")
	path := f.String("path", "/", "`path` to open")
	where.registerTrust(f)
	if err := parseFlags(f, args, stdout, conformUsage); err != nil {
		return err
	}
	var err error
	if cfg.Only, err = regexp.Compile(*only); err != nil {
		return &usageError{"conform", "-run: " + err.Error()}
	}
	if !slices.ContainsFunc(conform.Cases(), func(c conform.Case) bool { return cfg.Only.MatchString(c.Name) }) {
		return &usageError{"conform", fmt.Sprintf("-run: no case matches %q", *only)}
	}
	if cfg.Target, err = where.rawTarget(f, *path); err != nil {
		return &usageError{"conform", err.Error()}
	}
	report, err := conform.Run(ctx, cfg)
	if report == nil {
		return err
	}
	if err != nil {
		report.Outcomes = slices.DeleteFunc(report.Outcomes, unsaid)
	}
	report.Verbose = *verbose
	if err := cmp.Or(writeVerdict(report, *file, stdout, stderr), err); err != nil {
		return err
	}
	if report.Count(conform.Failed) > 0 || *strict && report.Count(conform.Lenient) > 0 {
		return errFellShort
	}
	return nil
}

// unsaid says of an outcome of a run that was interrupted whether there was no dialogue.
func unsaid(o conform.Outcome) bool { return len(o.Transcript) == 0 }
