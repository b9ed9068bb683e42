package attack

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Throw makes one attack, by its name, on a server that others use at the same time. Only what the server did about it is
// judged: what it costs anybody is for the caller to see. cfg.Only means nothing here. When Throw returns, all
// connections of the attack are gone.
func Throw(ctx context.Context, cfg Config, name string) (Result, error) {
	if err := checkLoopback(cfg.Target.Addr); err != nil {
		return Result{}, err
	}
	all := attacks()
	i := slices.IndexFunc(all, func(a attack) bool { return a.name == name })
	if i < 0 {
		return Result{}, fmt.Errorf("no attack is called %q", name)
	}
	at := &all[i]
	a := &assault{ctx: ctx, target: &cfg.Target, quick: cfg.Quick, server: cfg.Server, pace: cfg.pace.withDefaults()}
	begin := time.Now()
	o := at.run(a)
	for _, f := range a.foes {
		f.close()
	}
	r := Result{Name: at.name, About: at.about, Did: o.did(), Reaction: o.after, Elapsed: time.Since(begin), Sent: o.sent}
	r.judge(at, o)
	return r, nil
}
