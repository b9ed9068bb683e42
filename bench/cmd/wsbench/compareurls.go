package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"h2ws/bench"
)

// compareURLs measures the servers at several URLs with the same load, one after another.
func compareURLs(ctx context.Context, o *options, urls []string, stdout, stderr io.Writer) error {
	c := bench.Comparison{Version: bench.ReportVersion, Started: time.Now().UTC(), Machine: bench.ThisMachine(), Command: o.command, Size: o.cfg.Size, Elsewhere: true}
	live := newLive(stderr, o.cfg)
	var worst error
	for _, url := range urls {
		one := *o
		target, err := o.access.target(url, o.cfg.Path)
		if err == nil {
			one.cfg.Target = target
			err = one.measureURL(ctx, url, &c, live)
		}
		if err != nil && worst == nil {
			worst = fmt.Errorf("%s: %w", url, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	live.close()
	return errors.Join(o.outputs.write(&c, stdout, stderr), worst)
}

// measureURL adds the cell of one server.
func (o *options) measureURL(ctx context.Context, url string, c *bench.Comparison, live *live) error {
	cell := bench.Cell{Server: url, HTTP1: o.cfg.HTTP1, Conns: o.cfg.Conns, Sockets: o.cfg.Sockets, Results: []bench.Result{}}
	err := o.findServer(echoScenario)
	if cell.Failure = err; err == nil {
		var r *bench.Report
		r, err = echoScenario.measureWith(ctx, o, live)
		err = echoScenario.judge(r, o.slos, err)
		cell.Results, cell.SLOs, cell.Invalid = r.Results, r.SLOs, r.Invalid
		if r.Failure != "" {
			cell.Failure = errors.New(r.Failure)
		}
	}
	c.Cells = append(c.Cells, cell)
	return err
}
