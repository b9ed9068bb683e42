package bench

import (
	"cmp"
	"context"
	"errors"
	"os"
	"time"
)

// meter notes where a scenario began.
type meter struct {
	name, unit     string
	began          time.Duration // on the client's clock
	server, client time.Duration // CPU used until then
	count          *int          // operations done since
}

// begin starts the measurement of a scenario that counts its operations in *count.
func (cl *Client) begin(name, unit string, count *int) error {
	cl.now = time.Since(cl.start)
	server, err := cl.cfg.Server.used()
	if err != nil {
		return err
	}
	client, err := cl.self.used()
	*count = 0
	cl.meter = meter{name, unit, cl.now, server, client, count}
	return err
}

// end takes the measurement after the loop ended with err. When that was because the context was done,
// the result is returned along with it.
func (cl *Client) end(err error, s *samples) (Result, error) {
	m := cl.meter
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return Result{}, err
	}
	r := Result{
		Name: m.name, Unit: m.unit, Count: *m.count,
		Elapsed: time.Since(cl.start) - m.began,
		Partial: err != nil,
		Latency: s.latency(),
	}
	server, serverErr := cl.cfg.Server.used()
	client, clientErr := cl.self.used()
	r.ServerCPU = server - m.server
	r.ClientCPU = client - m.client
	return r, cmp.Or(err, serverErr, clientErr)
}

// progress tells the user how far the scenario is.
func (m *meter) progress(cl *Client) {
	if cl.cfg.Progress != nil && m.count != nil {
		cl.cfg.Progress(Progress{m.name, *m.count, m.unit, cl.now - m.began})
	}
}

// used is CPU for a process that may not be measured.
func (p *Process) used() (time.Duration, error) {
	if p == nil {
		return 0, nil
	}
	return p.CPU()
}

// self returns this process, nil where there is no /proc.
func self() *Process {
	p, err := OpenProcess(os.Getpid())
	if err != nil {
		return nil
	}
	return p
}
