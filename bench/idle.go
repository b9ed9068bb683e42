package bench

import (
	"context"
	"errors"
	"time"
)

// Idle collects the server's garbage, waits until it is quiet, and reads its memory. The result counts
// the sockets that were opened since the memory was first read.
func (cl *Client) Idle(ctx context.Context) (Result, error) {
	if !cl.cfg.Memory {
		return Result{}, errors.New("the server's memory before there were sockets was not read: Config.Memory")
	}
	sockets := 0
	if err := cl.begin("idle", "sockets", &sockets, nil); err != nil {
		return Result{}, err
	}
	sockets = cl.cfg.Sockets - 1
	rss, err := cl.settledRSS(ctx)
	r, err := cl.end(err)
	r.Memory = &Memory{RSS: rss, Base: cl.base}
	if cl.cfg.Server == nil || err != nil {
		r.Memory = nil
	}
	return r, err
}

// settledRSS returns the server's RSS, in octets, once it has given back what it can.
func (cl *Client) settledRSS(ctx context.Context) (int64, error) {
	g := &garbage{}
	c, i := cl.socket(0)
	c.send(i, opText, []byte(collect), false)
	if err := cl.run(ctx, g, func() bool { return g.collected }); err != nil {
		return 0, err
	}
	if cl.cfg.Server == nil {
		return 0, nil
	}
	if err := cl.quiet(ctx); err != nil {
		return 0, err
	}
	usage, err := cl.usage()
	return usage.RSS, err
}

// collect is the command to collect garbage, and the answer that it is done.
const collect = "!G"

// garbage waits for the answer to collect.
type garbage struct {
	unexpected
	collected bool
}

func (g *garbage) message(c *conn, i int, m message) error {
	if m.op != opText || string(m.data) != collect {
		return g.unexpected.message(c, i, m)
	}
	g.collected = true
	return nil
}

// quiet waits until the server has done next to nothing for three looks in a row: less than 2 % of a
// CPU. A server that is never quiet is waited for 10 s.
func (cl *Client) quiet(ctx context.Context) error {
	const look, busy = tick, tick / 50
	for calm, looks := 0, 0; calm < 3 && looks < 100; looks++ {
		before, err := cl.usage()
		if err != nil {
			return err
		}
		until := time.Since(cl.start) + look
		if err := cl.run(ctx, unexpected{}, func() bool { return cl.now >= until }); err != nil {
			return err
		}
		after, err := cl.usage()
		if err != nil {
			return err
		}
		if calm++; after.CPU-before.CPU > busy {
			calm = 0
		}
	}
	return nil
}
