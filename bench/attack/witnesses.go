package attack

import (
	"context"
	"fmt"
	"time"
)

// witnesses are the bystander here, at the server that is attacked, and one there, at Config.Control if there is one.
type witnesses struct{ here, there *bystander }

func newWitnesses(ctx context.Context, cfg *Config) (*witnesses, error) {
	w := &witnesses{}
	var err error
	if w.here, err = newBystander(ctx, &cfg.Target); err != nil {
		return nil, err
	}
	if cfg.Control == nil {
		return w, nil
	}
	if w.there, err = newBystander(ctx, cfg.Control); err != nil {
		w.close()
		return nil, fmt.Errorf("the server that is not attacked: %w", err)
	}
	return w, nil
}

// forget has what comes from now on be seen alone.
func (w *witnesses) forget() {
	w.here.take()
	if w.there != nil {
		w.there.take()
	}
}

// testify returns the waits since the last forget. err: the bystander here is lost.
func (w *witnesses) testify() (here, there Waits, err error) {
	w.here.look()
	here, err = w.here.take()
	if w.there != nil {
		w.there.look()
		there, _ = w.there.take()
	}
	return here, there, err
}

// comeBack has a new bystander here, as soon as the server has recovered.
func (w *witnesses) comeBack(ctx context.Context, cfg *Config) error {
	w.here.close()
	for end := time.Now().Add(cfg.pace.patience); ; {
		b, err := newBystander(ctx, &cfg.Target)
		if err == nil {
			w.here = b
			return nil
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return err
		}
		sleep(ctx, 100*time.Millisecond)
	}
}

// close waits until nothing is sent any more. It may be called twice for the one here.
func (w *witnesses) close() {
	w.here.close()
	if w.there != nil {
		w.there.close()
	}
}
